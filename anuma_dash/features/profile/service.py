"""What is known of a person: what they said, what their sign-in providers sent, what they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.domain.data_register import CLAIMS
from anuma_dash.domain.notices import NOTICES, Notice
from anuma_dash.identity import Actor, NoticeReceipt, SignInIdentity, User
from anuma_dash.settings import Settings


@dataclass(frozen=True)
class Sent:
    """What one sign-in provider sent, and when. `source` says that the person's address comes from it."""

    label: str
    connected_at: datetime
    last_sign_in_at: datetime | None
    claims: Sequence[tuple[str, str | bool | datetime]]
    source: bool

    @property
    def sent_at(self) -> datetime:
        """When it sent this."""
        return self.last_sign_in_at or self.connected_at


@dataclass(frozen=True)
class Shown:
    """A notice that a person was shown. `notice` is its text, None if that version is not in use any more."""

    name: str
    version: int
    shown_at: datetime
    notice: Notice | None


def sent_by_providers(tx: Session, settings: Settings, user_id: UUID) -> list[Sent]:
    """What each of a person's sign-in providers sent at the last sign-in, or when it was connected."""
    query = select(SignInIdentity).where(SignInIdentity.user_id == user_id)
    rows = list(tx.scalars(query.order_by(SignInIdentity.created_at, SignInIdentity.id)))
    used = [row for row in rows if row.last_sign_in_at]
    latest = max(used, key=lambda row: row.last_sign_in_at or row.created_at, default=None)
    return [
        Sent(
            label=settings.provider_label(row.provider),
            connected_at=row.created_at,
            last_sign_in_at=row.last_sign_in_at,
            claims=[(CLAIMS["sub"], row.subject), *_in_words(row.claims)],
            source=row is latest,
        )
        for row in rows
    ]


def _in_words(claims: dict[str, object]) -> list[tuple[str, str | bool | datetime]]:
    known = [name for name in CLAIMS if name in claims]
    names = [*known, *sorted(set(claims) - set(known))]
    return [(CLAIMS.get(name, name), _value(name, claims[name])) for name in names]


def _value(name: str, value: object) -> str | bool | datetime:
    if name == "auth_time" and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value if isinstance(value, bool) else str(value)


def notices_shown(tx: Session, user_id: UUID) -> list[Shown]:
    """The notices that a person was shown, the first one first."""
    texts = {(one.name, one.version, one.sha256): one for one in NOTICES}
    order = {one.name: number for number, one in enumerate(NOTICES)}
    rows = tx.scalars(select(NoticeReceipt).where(NoticeReceipt.user_id == user_id))
    found = [
        Shown(row.notice, row.version, row.shown_at, texts.get((row.notice, row.version, row.sha256))) for row in rows
    ]
    return sorted(found, key=lambda one: (one.shown_at, order.get(one.name, len(order)), one.version))


def update_profile(tx: Session, actor: Actor, user_id: UUID, name: str, time_zone: str, now: datetime) -> bool:
    """Change what a person says of themselves; returns whether anything is new."""
    user = tx.get_one(User, user_id, with_for_update=True)
    if name != user.name:
        record(tx, actor, Event.NAME_CHANGED, at=now, account_id=actor.account_id, old=user.name, new=name)
    if time_zone != user.time_zone:
        old = user.time_zone
        record(tx, actor, Event.TIME_ZONE_CHANGED, at=now, account_id=actor.account_id, old=old, new=time_zone)
    changed = (name, time_zone) != (user.name, user.time_zone)
    user.name, user.time_zone = name, time_zone
    return changed
