"""Operator commands: `python -m anuma_dash --help`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import click
from sqlalchemy import select

from anuma_dash import audit, logs
from anuma_dash.audit import Event, record
from anuma_dash.db import Database, new_id
from anuma_dash.domain.accounts import add_member, create_account
from anuma_dash.identity import OPERATOR, Role, SignUpRequest, User
from anuma_dash.migrations import migrate as run_migrations
from anuma_dash.settings import Settings
from anuma_dash.workflows import utc_now


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        database.dispose()


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Operate an Anuma Dashboard."""
    settings = Settings.from_environment()
    logs.configure("WARNING", "command")
    context.obj = settings


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this version."""
    run_migrations(settings.database_url)
    click.echo("The database is up to date.")


@main.group("audit")
def audit_group() -> None:
    """The audit log."""


@audit_group.command()
@click.option("--account", type=UUID, help="Only this account's chain.")
@click.pass_obj
def verify(settings: Settings, account: UUID | None) -> None:
    """Walk the chains and check every link. Exits with 1 if one does not hold."""
    broken = 0
    with _database(settings) as db, db.reading() as tx:
        for chain in [account] if account else audit.chains(tx):
            result = audit.verify(tx, chain)
            name = "system" if chain == audit.SYSTEM_CHAIN else str(chain)
            if result.broken_at is None:
                click.echo(f"{name}: {result.entries} entries hold, {result.erased} with details erased")
            else:
                broken += 1
                click.echo(f"{name}: broken at entry {result.broken_at}: {result.reason}")
    sys.exit(1 if broken else 0)


@main.group("sign-up")
def sign_up_group() -> None:
    """Who may create a user, when sign-up is not open."""


@sign_up_group.command("list")
@click.pass_obj
def list_sign_ups(settings: Settings) -> None:
    """Who waits to be let in."""
    with _database(settings) as db, db.reading() as tx:
        for request in tx.scalars(select(SignUpRequest).order_by(SignUpRequest.created_at)):
            click.echo(f"{request.created_at:%Y-%m-%d %H:%M} UTC  {request.state:<9} {request.email}")


@sign_up_group.command()
@click.argument("email")
@click.pass_obj
def invite(settings: Settings, email: str) -> None:
    """Let the person with this verified e-mail address in, whether they asked or not."""
    now = utc_now()
    with _database(settings) as db, db.transaction() as tx:
        request = tx.scalar(select(SignUpRequest).where(SignUpRequest.email == email.lower()))
        if request is None:
            request = SignUpRequest(id=new_id(), email=email.lower(), created_at=now, state="")
            tx.add(request)
        request.state, request.decided_at = "approved", now
        record(tx, OPERATOR, Event.SIGN_UP_DECIDED, at=now, account_id=None, decision="approved")
    click.echo("They may sign in.")


@main.group()
def organization() -> None:
    """Organizations, until their own pages exist."""


@organization.command()
@click.argument("name")
@click.option("--owner", required=True, help="The owner's e-mail address; they must have signed in once.")
@click.option("--member", "members", multiple=True, help="EMAIL:ROLE, any number of times.")
@click.pass_obj
def create(settings: Settings, name: str, owner: str, members: tuple[str, ...]) -> None:
    """Create an organization with people who have signed in before."""
    now = utc_now()
    with _database(settings) as db, db.transaction(durable=True) as tx:

        def person(email: str) -> User:
            found = list(tx.scalars(select(User).where(User.email == email, User.email_verified)))
            if len(found) != 1:
                raise click.ClickException(f"{len(found)} people with the verified address {email} have signed in")
            return found[0]

        account = create_account(tx, OPERATOR, person(owner), name, "organization", now)
        for member in members:
            email, _, role = member.rpartition(":")
            if role not in {known.value for known in Role}:
                raise click.ClickException(f"{role} is not a role; there are {', '.join(Role)}")
            add_member(tx, OPERATOR, account, person(email), Role(role), now)
        account_id = account.id
    click.echo(f"Created {account_id}.")
