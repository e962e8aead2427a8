"""What the stories of the activity have in common."""

from __future__ import annotations

from dataclasses import replace

from anuma_dash import features
from anuma_dash.audit import AuditEntry, Event, record
from anuma_dash.identity import WORKER


def log(world, person, event: Event, /, **fields) -> AuditEntry:
    """Record something that a person did from 192.0.2.14, or the worker; now, in their account."""
    actor = replace(person.actor, address="192.0.2.14") if person else WORKER
    account_id = person.account_id if person else world.northwind
    with world.db.transaction() as tx:
        return record(tx, actor, event, at=world.clock.now, account_id=account_id, **fields)


def lines(page) -> list[str]:
    """The entries on the page, in words."""
    return [node.text for node in page.select(".timeline li")]


def run_schedules(world) -> None:
    """Let become due what the worker's schedules let, and do it."""
    for schedule in features.schedules():
        schedule.run(world.services.context)
    world.run_worker()
