"""What the pages of support access show: who is inside, who asks, what is granted, and each page that was opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anuma_dash.audit import AuditDetail, AuditEntry, Event
from anuma_dash.db import owned
from anuma_dash.domain.support import WHY, SupportGrant, SupportSession, refusal_of_account, sessions_of
from anuma_dash.errors import NotFound
from anuma_dash.identity import Actor, Permission, User, find_account
from anuma_dash.workflows import Context

RECENT = 5
SOMEBODY = "Somebody"


@dataclass(frozen=True)
class GrantLine:
    """One grant or question, with the names of the people in it. `role` is what staff asked as."""

    grant: SupportGrant
    staff: str
    granted_by: str
    approved_by: str

    @property
    def role(self) -> str:
        """The staff role of whoever asked."""
        return "administrator" if self.grant.kind == "emergency" else "support"


@dataclass(frozen=True)
class SessionLine:
    """One support session: whose, how many pages they opened, whether they are inside, and else how it ended."""

    session: SupportSession
    staff: str
    pages: int
    live: bool
    ending: str


@dataclass(frozen=True)
class Opened:
    """One page that was opened: its number in the account's chain, when, what. None where the details were erased."""

    number: int
    at: datetime
    page: str | None
    path: str | None


@dataclass(frozen=True)
class Standing:
    """How support access stands right now, and what was lately."""

    inside: Sequence[SessionLine]
    waiting: Sequence[GrantLine]
    live: Sequence[GrantLine]
    recent: Sequence[SessionLine]


def read_standing(context: Context, actor: Actor, account_id: UUID) -> Standing:
    """Everything that the page shows. Raises `NotAllowed`."""
    actor.require(Permission.MANAGE_SUPPORT_ACCESS)
    now = context.clock()
    with context.db.reading() as tx:
        query = owned(SupportGrant, account_id).where(SupportGrant.state.in_(("asked", "live")))
        grants = list(tx.scalars(query.order_by(SupportGrant.id.desc())))
        open_ones = owned(SupportSession, account_id).where(SupportSession.ended_at.is_(None))
        inside = [one for one in tx.scalars(open_ones.order_by(SupportSession.id)) if one.live(now)]
        recent = [one for one in sessions_of(tx, account_id, None, RECENT + len(inside)) if not one.live(now)]
        asked = [grant for grant in grants if grant.waiting(now) and grant.kind == "grant"]
        live = [grant for grant in grants if grant.live(now)]
        names = _names(tx, [*asked, *live])
        return Standing(
            inside=_session_lines(tx, inside, now),
            waiting=[_grant_line(grant, names) for grant in asked],
            live=[_grant_line(grant, names) for grant in live],
            recent=_session_lines(tx, recent[:RECENT], now),
        )


def why_closed(context: Context, account_id: UUID) -> str:
    """Why nobody can be let in, whatever is granted, in words; empty if somebody can."""
    if not context.settings.support_access:
        return "Support access is switched off here: nobody of support can look into an account of this site."
    with context.db.reading() as tx:
        return refusal_of_account(tx, find_account(tx, account_id))


def _names(tx: Session, grants: Iterable[SupportGrant]) -> Mapping[UUID | None, str]:
    people = {one for grant in grants for one in (grant.asked_by, grant.granted_by, grant.approved_by)}
    return _people(tx, people)


def _people(tx: Session, people: Iterable[UUID | None]) -> Mapping[UUID | None, str]:
    rows = tx.execute(select(User.id, User.name).where(User.id.in_([one for one in people if one is not None])))
    return {row.id: row.name for row in rows}


def _grant_line(grant: SupportGrant, names: Mapping[UUID | None, str]) -> GrantLine:
    people = [names.get(one, SOMEBODY) if one else "" for one in (grant.asked_by, grant.granted_by, grant.approved_by)]
    return GrantLine(grant, *people)


def _session_lines(tx: Session, sessions: Sequence[SupportSession], now: datetime) -> list[SessionLine]:
    names = _people(tx, {person for one in sessions for person in (one.staff_id, one.ended_by)})
    counted = select(AuditEntry.support_session_id, func.count()).where(
        AuditEntry.support_session_id.in_([one.id for one in sessions]),
        AuditEntry.event == Event.SUPPORT_PAGE_OPENED.value.name,
    )
    rows = tx.execute(counted.group_by(AuditEntry.support_session_id))
    pages: dict[UUID | None, int] = {row[0]: row[1] for row in rows}
    return [
        SessionLine(
            session=one,
            staff=names.get(one.staff_id, SOMEBODY),
            pages=pages.get(one.id, 0),
            live=one.live(now),
            ending=_ending(one, names, now),
        )
        for one in sessions
    ]


def _ending(session: SupportSession, names: Mapping[UUID | None, str], now: datetime) -> str:
    why = session.ended_why or session.ran_out(now)
    if why is None:
        return ""
    words = WHY[why]
    if why == "customer" and session.ended_by in names:
        words = f"ended by {names[session.ended_by]}"
    return words[:1].upper() + words[1:]


def list_sessions(
    context: Context, actor: Actor, account_id: UUID, before: UUID | None, limit: int
) -> tuple[list[SessionLine], str | None]:
    """A page of the account's support sessions, newest first, with the cursor of the next. Raises `NotAllowed`."""
    actor.require(Permission.MANAGE_SUPPORT_ACCESS)
    with context.db.reading() as tx:
        found = sessions_of(tx, account_id, before, limit + 1)
        lines = _session_lines(tx, found[:limit], context.clock())
    return lines, str(found[limit - 1].id) if len(found) > limit else None


def read_session(
    context: Context, actor: Actor, account_id: UUID, session_id: UUID, before: int | None, limit: int
) -> tuple[SessionLine, list[Opened], str | None]:
    """One support session and the pages opened in it, newest first. Raises `NotAllowed`, `NotFound`."""
    actor.require(Permission.MANAGE_SUPPORT_ACCESS)
    with context.db.reading() as tx:
        session = tx.scalar(owned(SupportSession, account_id).where(SupportSession.id == session_id))
        if session is None:
            raise NotFound("There is no such support session.")
        (line,) = _session_lines(tx, [session], context.clock())
        query = (
            select(AuditEntry, AuditDetail)
            .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
            .where(AuditEntry.support_session_id == session.id, AuditEntry.chain == account_id)
            .where(AuditEntry.event == Event.SUPPORT_PAGE_OPENED.value.name)
            .order_by(AuditEntry.number.desc())
            .limit(limit + 1)
        )
        rows = tx.execute(query if before is None else query.where(AuditEntry.number < before)).all()
    erased_before = context.clock() - timedelta(days=context.settings.activity_detail_days)
    pages = [_opened(row[0], row[1] if row[0].at >= erased_before else None) for row in rows[:limit]]
    return line, pages, str(pages[-1].number) if len(rows) > limit else None


def _opened(entry: AuditEntry, detail: AuditDetail | None) -> Opened:
    fields = detail.body["fields"] if detail else {}
    return Opened(entry.number, entry.at, fields.get("page"), fields.get("path"))


def find_request(context: Context, actor: Actor, account_id: UUID, grant_id: UUID) -> GrantLine:
    """What a staff member asked for, whatever became of it. Raises `NotAllowed`, `NotFound`."""
    actor.require(Permission.MANAGE_SUPPORT_ACCESS)
    with context.db.reading() as tx:
        query = owned(SupportGrant, account_id).where(SupportGrant.id == grant_id, SupportGrant.kind == "grant")
        grant = tx.scalar(query.where(SupportGrant.asked_by.is_not(None)))
        if grant is None:
            raise NotFound("There is no such request.")
        return _grant_line(grant, _names(tx, [grant]))
