"""What becomes of the keys of somebody who left: revoked or handed over, until the gateway has confirmed each.

First is written down what is to happen to which key, then the gateway is asked: after a crash a key that was handed
over is not listed under its former person any more, and must not be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import telling_of
from anuma_dash.domain.key_revocations import KeyRevocation, open_revocation, revocations_of, settle_revocation
from anuma_dash.errors import GatewayError, GatewayRefused
from anuma_dash.features.people.letters import KEYS_HANDED_OVER, write_to_member
from anuma_dash.features.people.models import Departure, DepartureKey
from anuma_dash.gateway import schemas
from anuma_dash.identity import (
    WORKER,
    Account,
    Actor,
    Permission,
    Role,
    User,
    find_account,
    lock_account,
    membership_of,
    permissions_of,
)
from anuma_dash.workflows import Context, Kind

PAGE = 200
NOT_ANY_MORE = "{name} may not have keys any more, so it is revoked instead."


def may_hold_keys(account: Account, role: Role) -> bool:
    """Whether somebody with this role may have keys here."""
    return bool(permissions_of(account, role) & {Permission.MANAGE_KEYS, Permission.MANAGE_OWN_KEYS})


def settle_departure(context: Context, row_id: UUID, attempt: int) -> None:
    """Bring the keys of somebody who left one attempt further."""
    with context.db.reading() as tx:
        row = tx.get(Departure, row_id)
    if row is None or row.attempt != attempt or row.next_try_at is None:
        return
    try:
        revocations = _decide(context, row, _live_keys(context, row))
        for revocation in revocations:
            settle_revocation(context, revocation.id, revocation.attempt)
        _hand_over(context, row)
    except GatewayRefused as error:
        _note_failure(context, row, f"The gateway refused: {error}")
    except GatewayError as error:
        _note_failure(context, row, str(error))
    else:
        _finish(context, row)


def _live_keys(context: Context, row: Departure) -> list[schemas.Key]:
    found: list[schemas.Key] = []
    after: str | None = None
    while True:
        listed = telling_of(
            context,
            row.account_id,
            lambda after=after: context.gateway.keys(  # type: ignore[misc]
                WORKER, row.account_id, person=row.user_id, after=after, limit=PAGE
            ),
        )
        found += [key for key in listed.data if key.state != "revoked"]
        after = listed.next
        if after is None:
            return found


def _decide(context: Context, row: Departure, keys: list[schemas.Key]) -> list[KeyRevocation]:
    """Write down what happens to each key that was not decided yet; returns the revocations that this begins."""
    now, begun = context.clock(), []
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, row.account_id)
        claimed = workflows.claim(tx, Departure, row.id, row.attempt)
        if claimed is None:
            return []
        back = membership_of(tx, row.account_id, row.user_id) is not None
        known = set(tx.scalars(select(DepartureKey.key_id).where(DepartureKey.departure_id == row.id)))
        for key in keys:
            # Somebody who was taken in again has new keys, which are none of this departure's business.
            if key.id in known or (back and key.created_at > row.departed_at):
                continue
            decided = _decision(tx, account, row, key)
            tx.add(decided)
            if decided.fate == "revoke":
                begun.append(
                    open_revocation(tx, _asker(row), row.account_id, key.id, key.name, key.last_four, now, again=True)
                )
    return begun


def _asker(row: Departure) -> Actor:
    return Actor(kind="user", user_id=row.asked_by, name=row.asked_by_name, account_id=row.account_id)


def _decision(tx: Session, account: Account, row: Departure, key: schemas.Key) -> DepartureKey:
    chosen = row.exceptions.get(str(key.id), str(row.recipient_id) if row.recipient_id else None)
    decided = DepartureKey(id=new_id(), account_id=row.account_id, departure_id=row.id, key_id=key.id)
    decided.key_name, decided.key_last_four, decided.fate = key.name, key.last_four, "revoke"
    if chosen is not None:
        recipient = tx.get_one(User, UUID(chosen))
        membership = membership_of(tx, account.id, recipient.id)
        if membership is None or not may_hold_keys(account, Role(membership.role)):
            decided.note = NOT_ANY_MORE.format(name=recipient.name)[:300]
        else:
            decided.fate, decided.recipient_id, decided.recipient_name = "hand_over", recipient.id, recipient.name
    return decided


def _hand_over(context: Context, row: Departure) -> None:
    with context.db.reading() as tx:
        waiting = tx.scalars(
            select(DepartureKey).where(
                DepartureKey.departure_id == row.id,
                DepartureKey.fate == "hand_over",
                DepartureKey.confirmed_at.is_(None),
            )
        ).all()
    for key in waiting:
        change = schemas.KeyChange(created_by=key.recipient_id)
        answer = context.gateway.change_key(WORKER, row.account_id, key.key_id, change)
        if answer.created_by != key.recipient_id:
            raise GatewayRefused("The key belongs to somebody else.", status=409, code="not_handed_over")
        _confirm(context, row, key)


def _confirm(context: Context, row: Departure, key: DepartureKey) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        if workflows.claim(tx, Departure, row.id, row.attempt) is None:
            return
        tx.get_one(DepartureKey, key.id).confirmed_at = now
        record(
            tx,
            WORKER,
            Event.KEY_HANDED_OVER,
            at=now,
            account_id=row.account_id,
            name=key.key_name,
            key_id=key.key_id,
            last_four=key.key_last_four,
            former=row.user_name,
            member=key.recipient_name,
            member_id=key.recipient_id,
        )


def _finish(context: Context, row: Departure) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        claimed = workflows.claim(tx, Departure, row.id, row.attempt)
        if claimed is None:
            return
        claimed.settled_at = now
        workflows.finish(claimed)
        _tell_recipients(tx, context, claimed, now)


def _tell_recipients(tx: Session, context: Context, row: Departure, now: datetime) -> None:
    account = find_account(tx, row.account_id)
    given: dict[UUID, list[str]] = {}
    for key in _keys_of(tx, row.id):
        if key.recipient_id is not None:
            given.setdefault(key.recipient_id, []).append(f"{key.key_name} (…{key.key_last_four})")
    for recipient_id, names in given.items():
        values = {"former": row.user_name, "by": row.asked_by_name, "keys": ", ".join(names)}
        values["url"] = f"{context.settings.public_url}/keys"
        write_to_member(tx, context.settings, tx.get_one(User, recipient_id), account, KEYS_HANDED_OVER, values, now)


def _note_failure(context: Context, row: Departure, failure: str) -> None:
    with context.db.transaction(durable=True) as tx:
        claimed = workflows.claim(tx, Departure, row.id, row.attempt)
        if claimed is not None:
            workflows.retry(claimed, context.clock(), failure)


def _keys_of(tx: Session, departure_id: UUID) -> list[DepartureKey]:
    query = select(DepartureKey).where(DepartureKey.departure_id == departure_id)
    return list(tx.scalars(query.order_by(DepartureKey.key_name, DepartureKey.id)))


@dataclass(frozen=True)
class KeyFate:
    """How far one key is. `at` is the gateway's own time of a revocation, or when it confirmed a handing over."""

    key: DepartureKey
    state: Literal["revoking", "revoked", "handing_over", "handed_over"]
    at: datetime | None


def key_fates(tx: Session, row: Departure) -> list[KeyFate]:
    """What became of the keys of a departure so far, by what the gateway confirmed."""
    keys = _keys_of(tx, row.id)
    asked = revocations_of(tx, row.account_id, [key.key_id for key in keys])
    found = []
    for key in keys:
        revocation = asked.get(key.key_id)
        if key.fate == "hand_over":
            state: Literal["handed_over", "handing_over"] = "handed_over" if key.confirmed_at else "handing_over"
            found.append(KeyFate(key, state, key.confirmed_at))
        elif revocation is not None and revocation.outcome == "in_effect":
            found.append(KeyFate(key, "revoked", revocation.in_effect_at))
        else:
            found.append(KeyFate(key, "revoking", None))
    return found


DEPARTURE = Kind("departure", Departure, settle_departure)
