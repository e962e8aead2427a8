"""When what is past its period is deleted next: kept in the database, so that a restart tells the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from .content_tables import purge_schedule
from .core import Gateway


def next_purge(connection: Connection, gateway: Gateway) -> datetime:
    """When the next purge begins; now, if it is overdue."""
    planned = connection.scalar(select(purge_schedule.c.next_at))
    return max(planned or gateway.now(), gateway.now())


def schedule_first(gateway: Gateway) -> None:
    """Plan the first purge, if none ever was planned; or an earlier one, if it shall be more often than it was."""
    now, pause = gateway.now(), _pause(gateway)
    with gateway.stores.main.read() as connection:
        planned = connection.scalar(select(purge_schedule.c.next_at))
    if planned is None:
        with gateway.stores.main.write() as connection:
            connection.execute(insert(purge_schedule).values(id=1, next_at=now + pause))
    elif planned > now + pause:
        with gateway.stores.main.write() as connection:
            connection.execute(update(purge_schedule).values(next_at=now + pause))


def schedule_after(gateway: Gateway) -> None:
    """A purge has ended: plan the next one."""
    now = gateway.now()
    with gateway.stores.main.write() as connection:
        connection.execute(update(purge_schedule).values(next_at=now + _pause(gateway), last_at=now))


def due_in_seconds(gateway: Gateway) -> float:
    """How long it is until the next purge begins; negative if it is overdue."""
    with gateway.stores.main.read() as connection:
        planned: datetime = connection.execute(select(purge_schedule.c.next_at)).scalar_one()
    return (planned - gateway.now()).total_seconds()


def _pause(gateway: Gateway) -> timedelta:
    return timedelta(minutes=gateway.settings.purge_minutes)
