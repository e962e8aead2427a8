"""Support sessions: opened under a grant, checked anew on every request, ended by either side or by time."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.acting import staff_now
from anuma_dash.domain.support import letters
from anuma_dash.domain.support.models import (
    LONGEST_REASON,
    LONGEST_SESSION,
    LONGEST_TICKET,
    SKEW,
    SupportGrant,
    SupportSession,
    check_switched_on,
    checked_text,
)
from anuma_dash.domain.support.staff import REASON_MISSING, TICKET_MISSING, refusal_of_target
from anuma_dash.errors import Conflict, NotAllowed, NotFound
from anuma_dash.identity import SUPPORT_PERMISSIONS, WORKER, Account, Actor, StaffRole, User, find_account, lock_account
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context, Kind

WHY: Mapping[str, str] = {
    "stopped": "stopped by the staff member",
    "customer": "ended by the customer",
    "revoked": "the support access was revoked",
    "expired": "the support access ran out",
    "limit": "its 30 minutes were over",
    "idle": "it was idle for 10 minutes",
    "clock": "the clock was set back",
    "role": "the staff role was taken away",
    "signed_out": "the staff member's own session is over",
    "target": "the account may not be looked into any more",
    "off": "support access was switched off",
}
"""Why a support session is over, by the code that its row holds."""
LOOK_EVERY = timedelta(seconds=30)


def token_hash(token: str) -> str:
    """What is stored of a token: 256 random bits need no more than this."""
    return hashlib.sha256(token.encode()).hexdigest()


def open_support_session(
    context: Context, actor: Actor, staff_session_id: UUID, grant_id: UUID, *, reason: str, ticket: str
) -> tuple[SupportSession, str]:
    """Enter the account under a live grant; returns the session with its token, which is not kept.

    Call it right after the staff member proved who they are (rule 3). `staff_session_id` is their own browser
    session. Raises `NotAllowed`, `NotFound`, `Invalid`, and `Conflict` if the grant or the account does not let them
    in, or they are inside an account already.
    """
    check_switched_on(context.settings)
    reason = checked_text(reason, "reason", LONGEST_REASON, REASON_MISSING)
    ticket = checked_text(ticket, "ticket", LONGEST_TICKET, TICKET_MISSING)
    token, now = secrets.token_urlsafe(32), context.clock()
    with context.db.transaction(durable=True) as tx:
        grant = tx.get(SupportGrant, grant_id)
        if grant is None:
            raise NotFound("There is no such support access.")
        account = lock_account(tx, grant.account_id)
        tx.refresh(grant)
        actor = staff_now(tx, actor, role_needed(grant))
        # Two accounts have two locks; their own row is what lets the same person enter one at a time.
        tx.scalar(select(User.id).where(User.id == actor.user_id).with_for_update())
        _check_may_open(tx, actor, account, grant, staff_session_id, now)
        session = _new_session(actor, grant, staff_session_id, token, now)
        session.reason, session.ticket = reason, ticket
        tx.add(session)
        tx.flush()
        _record_start(tx, actor, grant, session, now)
        letters.tell_of_session(tx, context.settings, account, session, actor.name, now)
    return session, token


def _check_may_open(
    tx: Session, actor: Actor, account: Account, grant: SupportGrant, staff_session_id: UUID, now: datetime
) -> None:
    assert actor.user_id is not None
    if grant.asked_by not in (None, actor.user_id):
        raise NotAllowed("This support access was given to the person who asked for it.")
    if refusal := refusal_of_target(tx, account, actor.user_id):
        raise Conflict(refusal)
    if not grant.live(now):
        raise Conflict("This support access is not live, so nobody gets in by it.")
    last_seen = select(func.max(SupportSession.last_seen_at)).where(SupportSession.grant_id == grant.id)
    seen = tx.scalar(last_seen)
    if seen is not None and now < seen - SKEW:
        raise Conflict("The clock was set back since this support access was last used. Ask for it anew.")
    mine = select(SupportSession).where(SupportSession.staff_id == actor.user_id, SupportSession.ended_at.is_(None))
    for open_one in tx.scalars(mine.with_for_update()):
        if why := open_one.ran_out(now):
            end_session(tx, WORKER, open_one, why, now)
        elif open_one.grant_id == grant.id or open_one.staff_session_id == staff_session_id:
            raise Conflict("You are inside an account already. Stop that support session first.")
    tx.flush()


def role_needed(grant: SupportGrant) -> StaffRole:
    """The staff role that looking under this grant takes."""
    return StaffRole.ADMINISTRATOR if grant.kind == "emergency" else StaffRole.SUPPORT


def _new_session(
    actor: Actor, grant: SupportGrant, staff_session_id: UUID, token: str, now: datetime
) -> SupportSession:
    assert grant.expires_at is not None
    session = SupportSession(
        id=new_id(),
        account_id=grant.account_id,
        grant_id=grant.id,
        staff_id=actor.user_id,
        staff_session_id=staff_session_id,
        token_hash=token_hash(token),
        scopes=list(grant.scopes),
        started_at=now,
        last_seen_at=now,
        ends_at=min(now + LONGEST_SESSION, grant.expires_at),
        attempt=1,
    )
    workflows.wait(session, now, LOOK_EVERY)
    return session


def _record_start(tx: Session, actor: Actor, grant: SupportGrant, session: SupportSession, now: datetime) -> None:
    record(
        tx,
        acting(actor, session, grant),
        Event.SUPPORT_SESSION_STARTED,
        at=now,
        account_id=session.account_id,
        grant_id=grant.id,
        granted_by_id=grant.allowed_by,
        scopes=session.scopes,
        reason=session.reason,
        ticket=session.ticket,
        until_at=session.ends_at,
    )


def acting(actor: Actor, session: SupportSession, grant: SupportGrant) -> Actor:
    """The staff member as they act inside the account: themselves, for whoever let them in (rule 6)."""
    return replace(
        actor,
        kind="staff",
        role=None,
        account_id=session.account_id,
        support_session_id=session.id,
        support_scopes=frozenset(session.scopes),
        permissions=frozenset().union(*(SUPPORT_PERMISSIONS[scope] for scope in session.scopes)),
        on_behalf_of=grant.allowed_by,
    )


def stop_support_session(context: Context, actor: Actor, session_id: UUID) -> None:
    """Leave the account. One that is over stays as it ended. Raises `NotFound` for somebody else's."""
    with context.db.transaction(durable=True) as tx:
        query = select(SupportSession).where(SupportSession.id == session_id).with_for_update()
        session = tx.scalar(query.where(SupportSession.staff_id == actor.user_id))
        if session is None:
            raise NotFound("There is no such support session.")
        end_session(tx, replace(actor, kind="staff"), session, "stopped", context.clock())


def end_session(tx: Session, actor: Actor, session: SupportSession, why: str, now: datetime) -> None:
    """End a session, whose row is locked, and record it; does nothing to one that is over."""
    if session.ended_at is not None:
        return
    session.ended_at, session.ended_by, session.ended_why = now, actor.user_id, why
    workflows.finish(session)
    record(
        tx,
        replace(actor, account_id=session.account_id, support_session_id=session.id),
        Event.SUPPORT_SESSION_ENDED,
        at=now,
        account_id=session.account_id,
        staff=tx.get_one(User, session.staff_id).name,
        staff_id=session.staff_id,
        why=WHY[why],
    )


def find_support_session(tx: Session, token: str) -> SupportSession | None:
    """The support session of a token, however it stands; None if no such token was ever given."""
    return tx.scalar(select(SupportSession).where(SupportSession.token_hash == token_hash(token)))


def why_over(tx: Session, settings: Settings, session: SupportSession, present: Actor, now: datetime) -> str | None:
    """Why a support session is over, or has to end now (a code of `WHY`); None while it is live (rule 10).

    `present` is who is signed in at this moment in the browser that brings the token, as they are outside of it.
    """
    if session.ended_at is not None:
        return session.ended_why or "stopped"
    if not settings.support_access:
        return "off"
    if ran_out := session.ran_out(now):
        return ran_out
    if (present.user_id, present.session_id) != (session.staff_id, session.staff_session_id):
        return "signed_out"
    grant = tx.get_one(SupportGrant, session.grant_id)
    if role_needed(grant) not in present.staff_roles:
        return "role"
    if not grant.live(now):
        return "revoked" if grant.state == "ended" else "expired"
    if refusal_of_target(tx, find_account(tx, session.account_id), session.staff_id):
        return "target"
    return None


def note_page(
    context: Context, present: Actor, session_id: UUID, *, page: str, path: str
) -> tuple[SupportSession, SupportGrant, str | None]:
    """Check a support session and record that a page is opened in it, before it is drawn (rules 10 and 12).

    Returns it with its grant and, if it is over, why; nothing is recorded then but its end. Raises whatever the
    database raises: without the record there is no page.
    """
    now = context.clock()
    with context.db.recording(durable=True) as tx:
        query = select(SupportSession).where(SupportSession.id == session_id)
        session = tx.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
        grant = tx.get_one(SupportGrant, session.grant_id)
        over = why_over(tx, context.settings, session, present, now)
        if over is not None:
            end_session(tx, WORKER, session, over, now)
            return session, grant, over
        session.last_seen_at = max(session.last_seen_at, now)
        record(
            tx,
            acting(present, session, grant),
            Event.SUPPORT_PAGE_OPENED,
            at=now,
            account_id=session.account_id,
            page=page,
            path=path,
            granted_by_id=grant.allowed_by,
        )
    return session, grant, None


def live_sessions_of(tx: Session, staff_id: UUID, now: datetime) -> Sequence[SupportSession]:
    """The accounts that a member of staff is inside of at this moment."""
    query = select(SupportSession).where(SupportSession.staff_id == staff_id, SupportSession.ended_at.is_(None))
    return [session for session in tx.scalars(query.order_by(SupportSession.id)) if session.live(now)]


def sessions_of(tx: Session, account_id: UUID, before: UUID | None, limit: int) -> Sequence[SupportSession]:
    """The support sessions of an account, newest first, from behind `before`."""
    query = owned(SupportSession, account_id).order_by(SupportSession.id.desc()).limit(limit)
    return list(tx.scalars(query if before is None else query.where(SupportSession.id < before)))


def _step(context: Context, row_id: UUID, attempt: int) -> None:
    now = context.clock()
    with context.db.transaction() as tx:
        session = workflows.claim(tx, SupportSession, row_id, attempt)
        if session is None:
            return
        grant = tx.get_one(SupportGrant, session.grant_id)
        over = session.ran_out(now) or (None if grant.live(now) else "expired")
        if over:
            end_session(tx, WORKER, session, over, now)
        else:
            workflows.wait(session, now, LOOK_EVERY)


SUPPORT_SESSION = Kind("support_session", SupportSession, _step)
