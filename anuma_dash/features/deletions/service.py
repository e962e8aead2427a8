"""What a deletion would do, and how far one is, in figures that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from anuma_dash.domain.deletions import FINAL_STATES, PERSONAL_CATEGORIES, Deletion, find_deletion, list_deletions
from anuma_dash.errors import GatewayError, NotFound
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

BACKUP_DAYS = 7
CATEGORIES = get_args(schemas.ContentCategory)
"""Of conversations and memories, those of service keys: what is a person's own is deleted where they see it."""

Tone = Literal["ok", "wait", "stop", "info", ""]


@dataclass(frozen=True)
class Preview:
    """What would be deleted. `row` is None if that is not known; `own_only` if it reaches only the actor's own keys."""

    category: str
    row: schemas.InventoryRow | None
    as_of: datetime | None
    own_only: bool
    problem: str
    backups_unreadable_by: datetime

    @property
    def empty(self) -> bool:
        """Whether it is known that there is nothing to delete."""
        return self.row is not None and self.row.count == 0


def preview_deletion(context: Context, actor: Actor, account_id: UUID, category: str) -> Preview:
    """What a deletion of this category would reach, by the gateway's count. Raises `NotAllowed`, `NotFound`."""
    if category not in CATEGORIES:
        raise NotFound("There is no such data category.")
    scope_of(actor, category)
    own_only = not actor.may(Permission.DELETE_CONTENT)
    row, as_of, problem = None, None, ""
    if not own_only:
        # The gateway counts for the account; for one person's keys nobody counts.
        try:
            inventory = context.gateway.inventory(actor, account_id)
        except GatewayError as error:
            problem = str(error)
        else:
            found = (row for row in inventory.rows if (row.category, row.owner) == (category, "account"))
            row = next(found, None)
            as_of = inventory.as_of
    by = context.clock() + timedelta(days=BACKUP_DAYS)
    return Preview(category, row, as_of, own_only, problem, by)


def scope_of(actor: Actor, category: str) -> schemas.DeletionScope:
    """Everything of a category that the actor may delete for the account. Raises `NotAllowed`."""
    if category in PERSONAL_CATEGORIES:
        actor.require(Permission.DELETE_CONTENT)
        return schemas.DeletionScope.model_validate({"category": category, "service": True})
    actor.require(Permission.DELETE_CONTENT, Permission.DELETE_OWN_CONTENT)
    return schemas.DeletionScope.model_validate({"category": category})


@dataclass(frozen=True)
class Moment:
    """One line of a deletion's timeline."""

    text: str
    at: datetime | None
    tone: Tone
    detail: str = ""


@dataclass(frozen=True)
class Standing:
    """A deletion as it may be shown: nothing is said to be gone before the gateway has verified it.

    `overdue`: it has waited, and the worker has not begun.
    """

    deletion: Deletion
    report: schemas.Deletion | None
    moments: Sequence[Moment]
    next_try_seconds: int | None
    overdue: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.deletion.state in FINAL_STATES


def read_deletion(context: Context, actor: Actor, account_id: UUID, deletion_id: UUID) -> Standing:
    """One deletion that the actor may see, without asking the gateway. Raises `NotFound`."""
    with context.db.reading() as tx:
        return describe(find_deletion(tx, actor, account_id, deletion_id), context.clock())


def describe(deletion: Deletion, now: datetime) -> Standing:
    """A deletion in words and figures."""
    report = deletion.result
    wait = None
    if deletion.next_try_at and deletion.failures:
        wait = max(0, round((deletion.next_try_at - now).total_seconds()))
    moments = [Moment(f"{deletion.requested_by_name} asked for it", deletion.requested_at, "info")]
    if report is not None:
        moments.append(Moment("The gateway accepted it", report.requested_at, "info"))
    if deletion.state == "verified":
        moments.append(Moment("Verified by looking for the deleted text", deletion.finished_at, "ok"))
    elif deletion.state == "failed":
        failure = report.failure if report and report.failure else "The gateway did not say why."
        moments.append(Moment("Failed", deletion.finished_at, "stop", failure))
    elif deletion.state == "undone":
        moments.append(Moment("Undone before it began", deletion.finished_at, "ok", "Nothing was deleted."))
    elif deletion.last_failure:
        moments.append(Moment("The last try did not succeed", deletion.last_try_at, "wait", deletion.last_failure))
    overdue = deletion.state == "waiting" and deletion.execute_at is not None and deletion.execute_at <= now
    return Standing(deletion, report, moments[::-1], wait, overdue)


def read_deletions(
    context: Context, actor: Actor, account_id: UUID, before: UUID | None, limit: int
) -> tuple[list[Deletion], str | None]:
    """A page of the deletions that the actor may see, newest first, and the cursor of the next one."""
    with context.db.reading() as tx:
        rows = list_deletions(tx, actor, account_id, before=before, limit=limit + 1)
    shown = rows[:limit]
    return shown, str(shown[-1].id) if len(rows) > limit else None
