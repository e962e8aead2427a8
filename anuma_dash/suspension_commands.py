"""Operator commands that suspend accounts and people, in the name of an administrator of the service."""

from __future__ import annotations

from uuid import UUID

import click

from anuma_dash import features
from anuma_dash.command_line import find_person, open_context, open_database, staff_actor
from anuma_dash.domain.suspensions import (
    suspend_account,
    suspend_person,
    suspensions_of,
    unsuspend_account,
    unsuspend_person,
)
from anuma_dash.errors import DashboardError
from anuma_dash.identity import Account
from anuma_dash.settings import Settings

BY = click.option("--by", required=True, help="The e-mail address of the administrator who decides.")
REASON = click.option("--reason", required=True, help="20 to 1,000 characters. The customer reads it.")


@click.group()
def suspension() -> None:
    """Suspend accounts and people, and end it."""
    features.load_models()


@suspension.command()
@click.argument("account_id", type=UUID)
@BY
@REASON
@click.option("--contest", help="Where the customer can write; the support address if it is not given.")
@click.pass_obj
def account(settings: Settings, account_id: UUID, by: str, reason: str, contest: str | None) -> None:
    """Suspend an account: its keys stop when the gateway confirms."""
    contest = contest or settings.support_email
    try:
        with open_context(settings) as context:
            actor = staff_actor(context.db, by)
            found = suspend_account(context, actor, account_id, reason=reason, contest=contest)
    except DashboardError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{found.name} is suspended. {_told(found)}")


@suspension.command("end-account")
@click.argument("account_id", type=UUID)
@BY
@click.pass_obj
def end_account(settings: Settings, account_id: UUID, by: str) -> None:
    """End the suspension of an account. Its keys stay deactivated."""
    try:
        with open_context(settings) as context:
            found = unsuspend_account(context, staff_actor(context.db, by), account_id)
    except DashboardError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The suspension of {found.name} has ended. {_told(found)} Its keys stay deactivated.")


@suspension.command()
@click.argument("email")
@BY
@REASON
@click.pass_obj
def person(settings: Settings, email: str, by: str, reason: str) -> None:
    """Suspend a person: their sessions end at once."""
    try:
        with open_context(settings) as context:
            actor, found = staff_actor(context.db, by), find_person(context.db, email)
            row = suspend_person(context, actor, found.id, reason=reason)
    except DashboardError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{found.name} is suspended. Sessions ended: {row.sessions_ended}. Their keys stay.")


@suspension.command("end-person")
@click.argument("email")
@BY
@click.pass_obj
def end_person(settings: Settings, email: str, by: str) -> None:
    """Let a person sign in again."""
    try:
        with open_context(settings) as context:
            found = find_person(context.db, email)
            unsuspend_person(context, staff_actor(context.db, by), found.id)
    except DashboardError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{found.name} may sign in again.")


@suspension.command("list")
@click.argument("account_id", type=UUID)
@click.pass_obj
def list_suspensions(settings: Settings, account_id: UUID) -> None:
    """Every suspension of an account, the latest first."""
    with open_database(settings) as db, db.reading() as tx:
        for row in suspensions_of(tx, account_id):
            end = f"ended {row.ended_at:%Y-%m-%d %H:%M} UTC by {row.ended_by_name}" if row.ended_at else "not ended"
            click.echo(f"{row.at:%Y-%m-%d %H:%M} UTC  {row.by_name}: {row.reason} ({end})")


def _told(found: Account) -> str:
    if found.gateway_synced_at is None:
        return "The gateway has not confirmed it yet; the worker goes on asking."
    return f"The gateway confirmed it, in effect {found.gateway_status_at:%Y-%m-%d %H:%M:%S} UTC."
