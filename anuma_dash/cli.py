"""Operator commands: `python -m anuma_dash --help`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from typing import IO
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import audit, features, logs, vault
from anuma_dash.audit import Event, record
from anuma_dash.command_line import open_database
from anuma_dash.db import new_id
from anuma_dash.domain import staff
from anuma_dash.domain.accounts import add_member, create_account
from anuma_dash.domain.restoring import Reconciled, reconcile
from anuma_dash.errors import DashboardError, GatewayError
from anuma_dash.features.activity.offline import verify_file
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import OPERATOR, Account, Role, SignUpRequest, StaffRole, User
from anuma_dash.migrations import Outdated
from anuma_dash.migrations import migrate as run_migrations
from anuma_dash.names import fold_address
from anuma_dash.settings import Settings
from anuma_dash.suspension_commands import suspension
from anuma_dash.vault import Vault
from anuma_dash.web.sessions import end_every_session
from anuma_dash.workflows import Context, utc_now

WITHOUT_SETTINGS = ["audit", "verify-file"]
"""Whoever verifies a file may have nothing of a deployment on their machine."""


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Operate an Anuma Dashboard."""
    if sys.argv[1:3] == WITHOUT_SETTINGS:
        return
    settings = Settings.from_environment()
    logs.configure("WARNING", "command")
    context.obj = settings


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database to this version."""
    try:
        run_migrations(settings.database_url)
    except Outdated as error:
        raise click.ClickException(str(error)) from None
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
    with open_database(settings) as db, db.reading() as tx:
        for chain in [account] if account else audit.chains(tx):
            result = audit.verify(tx, chain)
            name = "system" if chain == audit.SYSTEM_CHAIN else str(chain)
            if result.broken_at is None:
                click.echo(f"{name}: {result.entries} entries hold, {result.erased} with details erased")
            else:
                broken += 1
                click.echo(f"{name}: broken at entry {result.broken_at}: {result.reason}")
    sys.exit(1 if broken else 0)


@audit_group.command("verify-file")
@click.argument("file", type=click.File(encoding="utf-8"))
def verify_file_command(file: IO[str]) -> None:
    """Verify an export of the activity (JSON Lines) without any database. Exits with 1 if it does not hold."""
    try:
        found = verify_file(file)
    except UnicodeDecodeError:
        raise click.ClickException("This file is not UTF-8.") from None
    if found.fault:
        click.echo(f"broken at line {found.line}, behind entry {found.last}: {found.fault}")
        sys.exit(1)
    told = f"{found.chain}: {found.entries} entries hold, {found.erased} with details erased"
    if found.complete:
        click.echo(f"{told}. The chain is whole from its first entry to entry {found.last}.")
    else:
        click.echo(f"{told}. Each holds by itself; the file is a part of the chain, so it cannot show what is missing.")


@audit_group.command()
@click.option("--person", type=UUID, required=True, help="Their identifier (users.id).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(settings: Settings, person: UUID, yes: bool) -> None:
    """Erase what audit entries say of a person: what they did, and what was done about them. The chains still hold."""
    if not yes:
        click.confirm("This cannot be undone: names, addresses and details go from these entries. Erase?", abort=True)
    with open_database(settings) as db, db.transaction(durable=True) as tx:
        count = audit.erase_details(tx, OPERATOR, person, at=utc_now())
    click.echo(f"Erased the details of {count} entries. Backups keep them until they expire.")


@main.command()
@click.pass_obj
def restored(settings: Settings) -> None:
    """After a backup was restored, before anything serves: end all sessions, take over what the gateway knows."""
    now = utc_now()
    with open_database(settings) as db, closing(Gateway.from_settings(settings)) as gateway:
        with db.transaction(durable=True) as tx:
            ended = end_every_session(tx, now)
            record(tx, OPERATOR, Event.BACKUP_RESTORED, at=now, account_id=None, sessions=ended)
        click.echo(f"Ended {ended} sessions.")
        with db.reading() as tx:
            known = list(tx.scalars(select(Account.id).order_by(Account.id)))
        for account_id in known:
            try:
                click.echo(_told(reconcile(Context(db, gateway, utc_now, settings), account_id)))
            except GatewayError as error:
                raise click.ClickException(f"{account_id}: {error} Run this again before anything serves.") from None
        with db.reading() as tx:
            for person in staff.staff_people(tx):
                roles = ", ".join(role.value for role, _ in person.roles)
                click.echo(f"Staff as of the backup, look whether still so: {person.user.email}: {roles}")


def _told(found: Reconciled) -> str:
    words = [f"{found.account_id} {found.name}: {found.deletions} deletions taken over"]
    if found.status is not None:
        words.append(f"{found.status}, as the gateway says")
    if found.overtaken:
        words.append(f"{found.overtaken} unconfirmed control changes given up")
    if found.invitations:
        words.append(f"{found.invitations} invitations revoked")
    if found.held:
        words.append(f"{found.held} members wait for an owner to confirm them")
    if found.epoch > found.own_epoch:
        words.append(
            f"the gateway obeys settings version {found.epoch}, the backup knows {found.own_epoch}: "
            "data controls say Unknown until a person chooses"
        )
    return "; ".join(words)


@main.group("vault")
def vault_group() -> None:
    """The secrets that the dashboard keeps."""


@vault_group.command()
@click.pass_obj
def rotate(settings: Settings) -> None:
    """Wrap every data key under the first key of ANUMA_VAULT_KEYS. Exits with 1 if one could not be opened."""
    features.load_models()
    keys = Vault.from_settings(settings)
    with open_database(settings) as db:
        done = list(vault.rotate(db, keys))
        rewrapped = sum(one.rewrapped for one in done)
        if rewrapped:
            with db.transaction(durable=True) as tx:
                record(
                    tx,
                    OPERATOR,
                    Event.VAULT_ROTATED,
                    at=utc_now(),
                    account_id=None,
                    count=rewrapped,
                    vault_key=keys.current,
                )
    for one in done:
        click.echo(f"{one.table}: {one.rewrapped} wrapped anew under {keys.current}, {one.unreadable} not readable")
    sys.exit(1 if any(one.unreadable for one in done) else 0)


@main.group("sign-up")
def sign_up_group() -> None:
    """Who may create a user, when sign-up is not open."""


@sign_up_group.command("list")
@click.pass_obj
def list_sign_ups(settings: Settings) -> None:
    """Who waits to be let in."""
    with open_database(settings) as db, db.reading() as tx:
        for request in tx.scalars(select(SignUpRequest).order_by(SignUpRequest.created_at)):
            click.echo(f"{request.created_at:%Y-%m-%d %H:%M} UTC  {request.state:<9} {request.email}")


@sign_up_group.command()
@click.argument("email")
@click.pass_obj
def invite(settings: Settings, email: str) -> None:
    """Let the person with this verified e-mail address in, whether they asked or not."""
    now = utc_now()
    with open_database(settings) as db, db.transaction() as tx:
        request = tx.scalar(select(SignUpRequest).where(SignUpRequest.email == fold_address(email)))
        if request is None:
            request = SignUpRequest(id=new_id(), email=fold_address(email), created_at=now, state="")
            tx.add(request)
        request.state, request.decided_at = "approved", now
        record(tx, OPERATOR, Event.SIGN_UP_DECIDED, at=now, account_id=None, decision="approved")
    click.echo("They may sign in.")


@main.group("staff")
def staff_group() -> None:
    """Who works for the service. Administrators give and take roles on their page, too."""


ROLE = click.Choice([role.value for role in StaffRole])


@staff_group.command("list")
@click.pass_obj
def list_staff(settings: Settings) -> None:
    """Everybody with a staff role."""
    with open_database(settings) as db, db.reading() as tx:
        for person in staff.staff_people(tx):
            click.echo(f"{', '.join(role.value for role, _ in person.roles):<24} {person.user.email}")


@staff_group.command()
@click.argument("email")
@click.argument("role", type=ROLE)
@click.pass_obj
def grant(settings: Settings, email: str, role: str) -> None:
    """Give a staff role to the person with this verified e-mail address, who has signed in once."""

    def give(tx: Session, user: User) -> None:
        staff.give_staff_role(tx, settings, OPERATOR, user, StaffRole(role), utc_now())

    _change_staff(settings, email, give)
    click.echo(f"{email} has the role {role} now.")


@staff_group.command()
@click.argument("email")
@click.argument("role", type=ROLE)
@click.pass_obj
def revoke(settings: Settings, email: str, role: str) -> None:
    """Take a staff role away, from the last administrator too."""
    _change_staff(
        settings, email, lambda tx, user: staff.take_staff_role(tx, OPERATOR, user.id, StaffRole(role), utc_now())
    )
    click.echo(f"{email} does not have the role {role} any more.")


def _change_staff(settings: Settings, email: str, change: Callable[[Session, User], object]) -> None:
    try:
        with open_database(settings) as db, db.transaction(durable=True) as tx:
            change(tx, staff.find_by_verified_address(tx, email))
    except DashboardError as error:
        raise click.ClickException(str(error)) from None


main.add_command(suspension)


@main.group()
def organization() -> None:
    """Organizations that an operator makes."""


@organization.command()
@click.argument("name")
@click.option("--owner", required=True, help="The owner's e-mail address; they must have signed in once.")
@click.option("--member", "members", multiple=True, help="EMAIL:ROLE, any number of times.")
@click.pass_obj
def create(settings: Settings, name: str, owner: str, members: tuple[str, ...]) -> None:
    """Create an organization with people who have signed in before."""
    now = utc_now()
    with open_database(settings) as db, db.transaction(durable=True) as tx:

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
