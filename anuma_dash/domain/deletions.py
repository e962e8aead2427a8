"""Deletions: an object that goes from requested over purging to verified or failed, and says what was done where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.errors import Conflict, GatewayError, GatewayRefused, GatewayUnavailable, NotFound
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Actor, Permission, lock_account
from anuma_dash.workflows import Context, Durable, Kind

PROGRESS_POLL = timedelta(seconds=1)
UNDO_WAIT = timedelta(seconds=10)
"""How long a deletion of conversations waits here, so that it can be undone."""
FINAL_STATES = ("verified", "failed", "undone")
PERSONAL_CATEGORIES = ("conversations", "memories")
"""What belongs to one person: each deletes their own, and only they see that they did."""


class Deletion(Owned, Durable, Base):
    """One deletion. `report` is the gateway's last word on it; `count` is what the person was shown, if known.

    With `execute_at` it waits here until then, in the state "waiting", and can be undone until the worker has begun.
    """

    __tablename__ = "deletions"

    category: Mapped[str] = mapped_column(String(30))
    scope: Mapped[dict[str, Any]] = mapped_column(JSON)
    count: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16), default="requested")
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    execute_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    @property
    def result(self) -> schemas.Deletion | None:
        """The gateway's report, typed; None before its first answer."""
        return schemas.Deletion.model_validate(self.report) if self.report else None

    @property
    def proved(self) -> bool:
        """Whether every store was searched, by a search that proved itself, and nothing was found."""
        stores = self.result.per_store if self.result else []
        return bool(stores) and all(
            store.verified_at and not store.found and store.control_found is not False for store in stores
        )


def request_deletion(
    context: Context,
    actor: Actor,
    account_id: UUID,
    scope: schemas.DeletionScope,
    *,
    count: int | None,
    token: UUID,
    wait: timedelta | None = None,
) -> Deletion:
    """Ask for a deletion and try it at once; the worker goes on until the gateway has verified it.

    With `wait` the gateway is not asked before that time has passed; until then `undo_deletion` takes it back.

    `count` is the number of items that the person was shown, None if it was not known; `token` comes from the form, so
    that sending the form twice deletes once. Returns the deletion as it stands after the first try. Raises
    `NotAllowed`, and `NotFound` if the token is another account's.
    """
    personal = scope.category in PERSONAL_CATEGORIES and not scope.service
    if scope.service:
        actor.require(Permission.DELETE_CONTENT)
    elif not personal:
        actor.require(Permission.DELETE_CONTENT, Permission.DELETE_OWN_CONTENT)
    if personal or not actor.may(Permission.DELETE_CONTENT):
        scope = scope.model_copy(update={"person": actor.user_id})
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        existing = tx.get(Deletion, token)
        if existing is not None:
            if existing.account_id != account_id:
                raise NotFound("There is no such deletion.")
            return existing
        deletion = Deletion(
            id=token,
            account_id=account_id,
            category=scope.category,
            scope=scope.model_dump(mode="json"),
            count=count,
            requested_by=actor.user_id,
            requested_by_name=actor.name,
            requested_at=now,
        )
        workflows.start_now(deletion, now)
        if wait is not None:
            deletion.state, deletion.execute_at = "waiting", now + wait
            workflows.wait(deletion, now, wait)
        tx.add(deletion)
        record(
            tx,
            actor,
            Event.DELETION_REQUESTED,
            at=now,
            account_id=account_id,
            deletion_id=deletion.id,
            category=scope.category,
            count=count,
        )
    if wait is None:
        advance_deletion(context, deletion.id, deletion.attempt)
    with context.db.reading() as tx:
        return tx.get_one(Deletion, deletion.id)


def undo_deletion(context: Context, actor: Actor, account_id: UUID, deletion_id: UUID) -> Deletion:
    """Take back a deletion that waits; undoing it twice undoes it once.

    Raises `NotFound`, and `Conflict` once the worker has begun.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        find_deletion(tx, actor, account_id, deletion_id)
        deletion = tx.scalars(
            select(Deletion)
            .where(Deletion.id == deletion_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
        if deletion.state == "undone":
            return deletion
        if deletion.state != "waiting":
            raise Conflict("This deletion has begun. It cannot be undone any more.")
        deletion.state, deletion.finished_at = "undone", now
        workflows.finish(deletion)
        record(
            tx,
            actor,
            Event.DELETION_UNDONE,
            at=now,
            account_id=account_id,
            deletion_id=deletion.id,
            category=deletion.category,
            count=deletion.count,
        )
    return deletion


def find_deletion(tx: Session, actor: Actor, account_id: UUID, deletion_id: UUID) -> Deletion:
    """One deletion of the account that the actor may see. Raises `NotFound`."""
    deletion = tx.scalar(owned(Deletion, account_id).where(Deletion.id == deletion_id))
    if deletion is None or not _may_see(actor, deletion):
        raise NotFound("There is no such deletion.")
    return deletion


def _may_see(actor: Actor, deletion: Deletion) -> bool:
    shared = deletion.category not in PERSONAL_CATEGORIES and actor.may(Permission.DELETE_CONTENT)
    return shared or deletion.requested_by == actor.user_id


def list_deletions(
    tx: Session, actor: Actor, account_id: UUID, *, before: UUID | None = None, limit: int = 50
) -> list[Deletion]:
    """The account's deletions that the actor may see, newest first, from behind `before`."""
    query = owned(Deletion, account_id).order_by(Deletion.id.desc()).limit(limit)
    own = Deletion.requested_by == actor.user_id
    shared = Deletion.category.not_in(PERSONAL_CATEGORIES)
    query = query.where(or_(own, shared) if actor.may(Permission.DELETE_CONTENT) else own)
    if before is not None:
        query = query.where(Deletion.id < before)
    return list(tx.scalars(query))


def advance_deletion(context: Context, deletion_id: UUID, attempt: int) -> None:
    """One step: ask the gateway for the deletion (asking twice deletes once) and keep its answer."""
    with context.db.reading() as tx:
        deletion = tx.get(Deletion, deletion_id)
    if deletion is None or deletion.attempt != attempt or deletion.state in FINAL_STATES:
        return
    if deletion.state == "waiting" and not _begin(context, deletion_id, attempt):
        return
    try:
        answer = _ask(context, deletion)
        if answer.id != deletion_id:
            raise GatewayUnavailable("The gateway's answer is about another deletion.")
    except GatewayRefused as error:
        _note(context, deletion_id, attempt, None, f"The gateway refused: {error}")
    except GatewayError as error:
        _note(context, deletion_id, attempt, None, str(error))
    else:
        _note(context, deletion_id, attempt, answer, None)


def _begin(context: Context, deletion_id: UUID, attempt: int) -> bool:
    """Whether the time to undo is over, and this attempt goes on: from here on nobody can undo it."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        deletion = workflows.claim(tx, Deletion, deletion_id, attempt)
        if deletion is None or deletion.execute_at is None:
            return False
        if deletion.state == "waiting" and now < deletion.execute_at:
            # A clock that was set back must not let it wait for longer than somebody was told.
            deletion.execute_at = min(deletion.execute_at, now + UNDO_WAIT)
            workflows.wait(deletion, now, deletion.execute_at - now)
            return False
        deletion.state = "requested"
    return True


def _ask(context: Context, deletion: Deletion) -> schemas.Deletion:
    known = deletion.result
    scope = schemas.DeletionScope.model_validate(deletion.scope)
    if known is not None:
        try:
            return context.gateway.deletion(WORKER, deletion.account_id, deletion.id)
        except GatewayRefused as error:
            if error.status != 404:
                raise
        # The gateway has forgotten it (a backup was restored). What came after it was first accepted is not part of it.
        scope = scope.model_copy(update={"before": scope.before or known.requested_at})
    new_deletion = schemas.NewDeletion(id=deletion.id, scope=scope)
    return context.gateway.start_deletion(WORKER, deletion.account_id, new_deletion)


def _note(
    context: Context, deletion_id: UUID, attempt: int, answer: schemas.Deletion | None, failure: str | None
) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        deletion = workflows.claim(tx, Deletion, deletion_id, attempt)
        if deletion is None:
            return
        if answer is None:
            workflows.retry(deletion, now, failure or "")
            return
        deletion.report = answer.model_dump(mode="json")
        deletion.state = answer.state
        if answer.state not in FINAL_STATES:
            workflows.wait(deletion, now, PROGRESS_POLL)
            return
        workflows.finish(deletion)
        deletion.finished_at = answer.finished_at or now
        _record_end(tx, deletion, answer, now)


def _record_end(tx: Session, deletion: Deletion, answer: schemas.Deletion, now: datetime) -> None:
    common = {"at": now, "account_id": deletion.account_id}
    if answer.state == "verified":
        record(
            tx,
            WORKER,
            Event.DELETION_VERIFIED,
            **common,  # type: ignore[arg-type]
            deletion_id=deletion.id,
            category=deletion.category,
            count=answer.done,
        )
    else:
        record(
            tx,
            WORKER,
            Event.DELETION_FAILED,
            **common,  # type: ignore[arg-type]
            deletion_id=deletion.id,
            category=deletion.category,
            reason=answer.failure or "unknown",
        )


def new_token() -> UUID:
    """A token for a form that asks for a deletion."""
    return new_id()


DELETION = Kind("deletion", Deletion, advance_deletion)
