"""Checking the chain: a walk in stretches, which goes on from the last entry that was verified.

Every hour a walk goes on from the last verified entry. It cannot find what was changed before that entry since, so once
a day, and whenever a person asks, it begins at the first one. What was walked is said, and no more.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash import audit, workflows
from anuma_dash.audit import SYSTEM_CHAIN, AuditHead, Event, Walk, record
from anuma_dash.errors import NotAllowed
from anuma_dash.features.activity.models import ChainCheck
from anuma_dash.identity import WORKER, Actor, Permission, lock_account
from anuma_dash.workflows import Context

EVERY = timedelta(hours=1)
WHOLE_EVERY = timedelta(days=1)
STRETCH = 2000
LONGEST_INLINE = 2000
DUE_AT_ONCE = 200
"""How many chains one turn of the schedule makes due, so that they do not all crowd the queue."""


def find_check(context: Context, actor: Actor, account_id: UUID) -> ChainCheck:
    """What is known of the account's chain. Raises `NotAllowed`."""
    actor.require(Permission.READ_ACTIVITY)
    with context.db.reading() as tx:
        return tx.get(ChainCheck, account_id) or ChainCheck(
            id=account_id, state="new", entries=0, number=0, verified_number=0, next_try_at=None
        )


def request_check(context: Context, actor: Actor, account_id: UUID) -> None:
    """Have the chain walked from its first entry: at once if it is short, else by the worker. Raises `NotAllowed`.

    A walk from the first entry that is under way is not begun anew.
    """
    actor.require(Permission.READ_ACTIVITY)
    if actor.support_session_id is not None:
        raise NotAllowed("Staff look at the account; they have nothing done in it.")
    now = context.clock()
    with context.db.transaction() as tx:
        lock_account(tx, account_id)
        check = tx.get(ChainCheck, account_id, with_for_update=True)
        if check is None:
            check = ChainCheck(id=account_id, attempt=1)
            tx.add(check)
        elif check.under_way and check.from_start:
            return
        record(tx, actor, Event.ACTIVITY_CHECK_REQUESTED, at=now, account_id=account_id)
        entries = tx.get_one(AuditHead, account_id).number
        check.begin(now, entries, from_start=True)
        check.attempt = (check.attempt or 0) + 1
        inline = entries <= LONGEST_INLINE
        if inline:
            check.next_try_at = now + workflows.LEASE
        attempt = check.attempt
    if inline:
        check_chain(context, account_id, attempt)


def check_chain(context: Context, chain: UUID, attempt: int) -> None:
    """Walk a chain on to its end, stretch by stretch; each leaves where it stands, so that a killed one goes on."""
    lease = timedelta(seconds=context.settings.worker_lease_seconds)
    while True:
        with context.db.reading() as tx:
            check = tx.get(ChainCheck, chain)
            if check is None or check.attempt != attempt or check.next_try_at is None:
                return
            walk = Walk(check.number, check.hash, check.erased)
            began = walk.number
            broken_at, reason = audit.go_on(tx, chain, walk, STRETCH)
        ended = broken_at is not None or walk.number - began < STRETCH
        with context.db.transaction() as tx:
            row = workflows.claim(tx, ChainCheck, chain, attempt)
            if row is None:
                return
            now = context.clock()
            row.number, row.hash, row.erased = walk.number, walk.hash, walk.erased
            row.entries = max(row.entries, walk.number)
            if not ended:
                row.next_try_at = now + lease
                continue
            if broken_at is not None and not row.from_start:
                # What it went on from may be what was changed: only a walk from the first entry can say where.
                row.begin(now, row.entries, from_start=True)
                row.next_try_at = now + lease
                continue
            _end(tx, row, broken_at, reason, now)
        return


def _end(tx: Session, row: ChainCheck, broken_at: int | None, reason: str, now: datetime) -> None:
    workflows.finish(row)
    row.checked_at = now
    newly = row.broken_at is None
    if broken_at is None:
        row.state, row.broken_at, row.broken_reason = "holds", None, ""
        row.verified_number, row.verified_hash, row.verified_erased = row.number, row.hash, row.erased
        row.verified_at = now
        row.whole_at = now if row.from_start else row.whole_at
        return
    row.state, row.broken_at, row.broken_reason = "broken", broken_at, reason
    row.verified_number, row.verified_at, row.whole_at = broken_at - 1, now, None
    if newly:
        account_id = None if row.id == SYSTEM_CHAIN else row.id
        fields = {"number": broken_at, "reason": reason}
        # A chain whose head was tampered with may take no entry any more; the row says it all the same.
        with suppress(IntegrityError), tx.begin_nested():
            record(tx, WORKER, Event.ACTIVITY_CHAIN_BROKEN, at=now, account_id=account_id, **fields)


def make_checks_due(context: Context) -> None:
    """Let chains be walked on that were not for an hour, and from their first entry those that were not for a day."""
    now = context.clock()
    with context.db.transaction() as tx:
        unknown = (
            select(AuditHead.chain)
            .outerjoin(ChainCheck, ChainCheck.id == AuditHead.chain)
            .where(ChainCheck.id.is_(None), AuditHead.number > 0)
            .limit(DUE_AT_ONCE)
        )
        for chain in tx.scalars(unknown).all():
            tx.add(ChainCheck(id=chain, attempt=1))
        tx.flush()
        due = tx.scalars(
            select(ChainCheck)
            .where(
                ChainCheck.next_try_at.is_(None),
                or_(ChainCheck.checked_at.is_(None), ChainCheck.checked_at <= now - EVERY, ChainCheck.checked_at > now),
            )
            .order_by(ChainCheck.checked_at)
            .limit(DUE_AT_ONCE)
            .with_for_update(skip_locked=True)
        ).all()
        for check in due:
            stale = check.whole_at is None or check.whole_at <= now - WHOLE_EVERY or check.whole_at > now
            head = tx.get(AuditHead, check.id)
            check.begin(now, head.number if head else 0, from_start=stale)
