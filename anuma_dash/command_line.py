"""What operator commands work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
from sqlalchemy import select

from anuma_dash.db import Database
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import Actor, User, staff_roles_of
from anuma_dash.migrations import Outdated, check
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context, utc_now


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings. Stops the command if it is of another version."""
    database = Database(settings.database_url)
    try:
        check(database)
        yield database
    except Outdated as error:
        raise click.ClickException(str(error)) from None
    finally:
        database.dispose()


@contextmanager
def open_context(settings: Settings) -> Iterator[Context]:
    """Database and gateway, as the domain wants them."""
    with open_database(settings) as db, closing(Gateway.from_settings(settings)) as gateway:
        yield Context(db, gateway, utc_now, settings)


def find_person(db: Database, email: str) -> User:
    """The one person with this verified address. Stops the command if there is none, or more than one."""
    with db.reading() as tx:
        found = list(tx.scalars(select(User).where(User.email == email, User.email_verified)))
    if len(found) != 1:
        raise click.ClickException(f"{len(found)} people with the verified address {email} have signed in")
    return found[0]


def staff_actor(db: Database, email: str) -> Actor:
    """The member of staff with this verified address, as the one who acts."""
    user = find_person(db, email)
    with db.reading() as tx:
        roles = staff_roles_of(tx, user.id)
    return Actor(kind="staff", user_id=user.id, name=user.name, staff_roles=roles)
