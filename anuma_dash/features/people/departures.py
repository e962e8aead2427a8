"""Leaving an account: removed by others, or by oneself. That takes effect at once; the keys follow.

Who is gone loses the account at their next request, because the guard reads memberships each time. What is to become of
their keys is kept with the departure, and carried out by `key_fates` until the gateway has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.acting import acting_now
from anuma_dash.domain.control_notices import ControlNotice
from anuma_dash.errors import Conflict, GatewayError, Invalid, NotFound
from anuma_dash.features.people.key_fates import may_hold_keys, settle_departure
from anuma_dash.features.people.letters import MEMBER_LEFT, MEMBER_REMOVED, write_to_member
from anuma_dash.features.people.models import Departure
from anuma_dash.features.people.service import find_member, require_another_owner, require_rule
from anuma_dash.gateway import schemas
from anuma_dash.identity import Account, Actor, Membership, Permission, Role, User, lock_account
from anuma_dash.workflows import Context

KEYS_SHOWN = 100
NOT_YOURSELF = "You may not read what others have stored here, so you cannot take over their keys."


@dataclass(frozen=True)
class Holdings:
    """What somebody has in the account, as the gateway knows it. `keys` is None if it does not answer.

    `stored` counts the stored content of their requests; None if that is not known. `more` says that they have more
    keys than are listed.
    """

    keys: list[schemas.Key] | None
    more: bool
    stored: schemas.InventoryRow | None
    as_of: datetime | None


def holdings(context: Context, actor: Actor, account_id: UUID, user_id: UUID) -> Holdings:
    """The working keys of a person, and how much of what they sent is stored. Never raises `GatewayError`."""
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(context.gateway.inventory, actor, account_id, person=user_id)
        try:
            found = context.gateway.keys(actor, account_id, person=user_id, limit=KEYS_SHOWN)
        except GatewayError:
            found = None
        try:
            inventory = counting.result()
        except GatewayError:
            inventory = None
    keys = [key for key in found.data if key.state != "revoked"] if found else None
    row = next((row for row in inventory.rows if row.category == "request_content"), None) if inventory else None
    return Holdings(keys, bool(found and found.next), row, inventory.as_of if inventory else None)


@dataclass(frozen=True)
class KeyWish:
    """What is to become of somebody's keys: the recipient of all that `exceptions` do not name; None revokes."""

    recipient_id: UUID | None = None
    exceptions: Mapping[UUID, UUID | None] = field(default_factory=dict)


def may_take_over(actor: Actor) -> bool:
    """Whether the actor may give themselves somebody else's keys: what those send from then on is theirs to read."""
    return actor.may(Permission.READ_CONTENT)


def recipients(tx: Session, actor: Actor, account: Account, leaver_id: UUID) -> list[User]:
    """Whom the actor may give the keys of somebody who leaves: members who may have keys, by name."""
    rows = tx.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account.id, Membership.user_id != leaver_id, User.status == "active")
        .order_by(User.name, User.id)
    )
    refused = None if may_take_over(actor) else actor.user_id
    return [user for user, role in rows if user.id != refused and may_hold_keys(account, Role(role))]


def remove_member(
    context: Context, actor: Actor, account_id: UUID, user_id: UUID, *, expected: Role, wish: KeyWish
) -> Departure:
    """Remove somebody else from the account, and begin with their keys.

    `expected` is the role that the form showed. Raises `NotAllowed`, `NotFound`, `Invalid` for a recipient who may not
    have keys, and `Conflict` for oneself, for the last owner, or if the role changed meanwhile.
    """
    if user_id == actor.user_id:
        raise Conflict("To remove yourself, leave the account.")
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        acting.require(Permission.MANAGE_PEOPLE)
        user, membership = find_member(tx, account_id, user_id)
        require_rule(acting, Role(membership.role))
        if membership.role != expected.value:
            raise Conflict(f"The role changed meanwhile: {user.name} is now {membership.role}. Nobody was removed.")
        row = _depart(tx, acting, account, user, membership, "removed", wish, now)
        record(
            tx,
            acting,
            Event.MEMBER_REMOVED,
            at=now,
            account_id=account_id,
            member=user.name,
            member_id=user.id,
            role=row.role,
            keys=_words(wish),
            departure_id=row.id,
        )
        write_to_member(tx, context.settings, user, account, MEMBER_REMOVED, {"by": actor.name}, now)
    settle_departure(context, row.id, row.attempt)
    return row


def leave_account(context: Context, actor: Actor, account_id: UUID, *, wish: KeyWish) -> Departure:
    """Leave the account oneself, and begin with one's keys.

    Raises `NotAllowed`, `Invalid` for a recipient who may not have keys, `Conflict` for the last owner.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        assert actor.user_id is not None
        user, membership = find_member(tx, account_id, actor.user_id)
        row = _depart(tx, acting, account, user, membership, "left", wish, now)
        record(
            tx,
            acting,
            Event.MEMBER_LEFT,
            at=now,
            account_id=account_id,
            role=row.role,
            keys=_words(wish),
            departure_id=row.id,
        )
        write_to_member(tx, context.settings, user, account, MEMBER_LEFT, {}, now)
    settle_departure(context, row.id, row.attempt)
    return row


def _words(wish: KeyWish) -> str:
    fate = "hand over" if wish.recipient_id else "revoke"
    return f"{fate}, with {len(wish.exceptions)} chosen apart" if wish.exceptions else fate


def _depart(
    tx: Session,
    acting: Actor,
    account: Account,
    user: User,
    membership: Membership,
    kind: str,
    wish: KeyWish,
    now: datetime,
) -> Departure:
    require_another_owner(tx, membership)
    named = {wish.recipient_id, *wish.exceptions.values()} - {None}
    if acting.user_id in named and acting.user_id != user.id and not may_take_over(acting):
        raise Invalid(NOT_YOURSELF, field="keys")
    if named - {person.id for person in recipients(tx, acting, account, user.id)}:
        raise Invalid("Choose somebody of the account who may have keys.", field="keys")
    assert acting.user_id is not None
    row = Departure(
        id=new_id(),
        account_id=account.id,
        user_id=user.id,
        user_name=user.name,
        role=membership.role,
        kind=kind,
        asked_by=acting.user_id,
        asked_by_name=acting.name,
        departed_at=now,
        fate="hand_over" if wish.recipient_id else "revoke",
        recipient_id=wish.recipient_id,
        exceptions={str(key): str(to) if to else None for key, to in wish.exceptions.items()},
    )
    workflows.start_now(row, now)
    tx.add(row)
    tx.delete(membership)
    tx.execute(delete(ControlNotice).where(ControlNotice.account_id == account.id, ControlNotice.user_id == user.id))
    tx.flush()
    return row


def find_departure(tx: Session, account_id: UUID, departure_id: UUID) -> Departure:
    """A departure of the account. Raises `NotFound`."""
    row = tx.scalar(owned(Departure, account_id).where(Departure.id == departure_id))
    if row is None:
        raise NotFound("There is nothing here.")
    return row


def unfinished_departures(tx: Session, account_id: UUID) -> list[Departure]:
    """Departures whose keys are not settled yet, oldest first."""
    query = owned(Departure, account_id).where(Departure.next_try_at.is_not(None)).order_by(Departure.id)
    return list(tx.scalars(query.limit(20)))
