"""Who belongs to the account, in which role, and changing that: one account at a time, under its lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.acting import acting_now
from anuma_dash.errors import Conflict, NotAllowed, NotFound
from anuma_dash.features.people.letters import READING_DECIDED, ROLE_CHANGED, write_to_member
from anuma_dash.identity import (
    Actor,
    Membership,
    Permission,
    Role,
    User,
    lock_account,
    membership_of,
    permissions_of,
)
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.workflows import Context

LAST_OWNER = "An account needs an owner, and this is the last one. Make somebody else an owner first."


@dataclass(frozen=True)
class Member:
    """One member. `seen_on` is when their newest session in this account was last used: pages show its day only.

    `waits` says that somebody has to confirm them before they can open the account.
    """

    membership_id: UUID
    user_id: UUID
    name: str
    email: str
    role: Role
    joined_at: datetime
    seen_on: datetime | None
    waits: bool


def list_members(
    tx: Session, actor: Actor, account_id: UUID, after: UUID | None, limit: int
) -> tuple[list[Member], str | None]:
    """A page of the members, oldest membership first, with the cursor of the next. Raises `NotAllowed`."""
    actor.require(Permission.READ_PEOPLE)
    seen = select(func.max(BrowserSession.last_seen_at)).where(
        BrowserSession.user_id == Membership.user_id, BrowserSession.account_id == account_id
    )
    query = (
        select(Membership, User, seen.scalar_subquery())
        .join(User, User.id == Membership.user_id)
        .where(Membership.account_id == account_id)
        .order_by(Membership.id)
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(Membership.id > after)
    rows = [_member(*row) for row in tx.execute(query)]
    return rows[:limit], str(rows[limit - 1].membership_id) if len(rows) > limit else None


def _member(membership: Membership, user: User, seen: datetime | None) -> Member:
    role = Role(membership.role)
    waits = membership.on_hold_since is not None
    return Member(membership.id, user.id, user.name, user.email or "", role, membership.created_at, seen, waits)


def find_member(tx: Session, account_id: UUID, user_id: UUID) -> tuple[User, Membership]:
    """A member. Raises `NotFound`; somebody who belongs to another account alone does not exist."""
    membership = membership_of(tx, account_id, user_id)
    if membership is None:
        raise NotFound("There is no such member.")
    return tx.get_one(User, user_id), membership


def may_rule(actor: Actor, role: Role) -> bool:
    """Whether the actor may change or remove somebody with this role, or give it: owners are for owners."""
    return actor.may(Permission.MANAGE_PEOPLE) and (role is not Role.OWNER or actor.may(Permission.MANAGE_OWNERS))


def require_rule(actor: Actor, *roles: Role) -> None:
    """Raise `NotAllowed` unless the actor may rule over each of the roles."""
    actor.require(Permission.MANAGE_PEOPLE)
    if not all(may_rule(actor, role) for role in roles):
        raise NotAllowed("Only an owner can make, change or remove an owner.")


def offered_roles(actor: Actor) -> list[Role]:
    """The roles that the actor may give."""
    return [role for role in Role if may_rule(actor, role)]


def is_last_owner(tx: Session, membership: Membership) -> bool:
    """Whether no other owner is left who is not suspended. Only behind the account's lock does that stay true."""
    if membership.role != Role.OWNER.value:
        return False
    others = (
        owned(Membership, membership.account_id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.role == Role.OWNER.value, Membership.id != membership.id, User.status == "active")
    )
    return tx.scalars(others.limit(1)).first() is None


def require_another_owner(tx: Session, membership: Membership) -> None:
    """Raise `Conflict` if the account would be without an owner. Call it behind the account's lock."""
    if is_last_owner(tx, membership):
        raise Conflict(LAST_OWNER)


def change_role(
    context: Context, actor: Actor, account_id: UUID, user_id: UUID, *, role: Role, expected: Role
) -> tuple[str, Role]:
    """Give a member another role. `expected` is the role that the form showed; returns the name and the old role.

    Raises `NotAllowed`, `NotFound`, and `Conflict` if somebody else changed the role meanwhile, or if the last owner
    would be gone. Nobody gets by themselves a role that allows what theirs does not.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        user, membership = find_member(tx, account_id, user_id)
        old = Role(membership.role)
        require_rule(acting, old, role)
        if old is not expected:
            raise Conflict(f"The role changed meanwhile: {user.name} is now {old.value}. Nothing was changed by you.")
        if user_id == actor.user_id and not permissions_of(account, role) <= permissions_of(account, old):
            raise NotAllowed("Nobody gives themselves a role that allows more.")
        if role is old:
            return user.name, old
        require_another_owner(tx, membership)
        membership.role = role.value
        record(
            tx,
            acting,
            Event.MEMBER_ROLE_CHANGED,
            at=now,
            account_id=account_id,
            member=user.name,
            member_id=user.id,
            old=old.value,
            new=role.value,
        )
        values = {"old": old.value, "new": role.value, "by": actor.name}
        write_to_member(tx, context.settings, user, account, ROLE_CHANGED, values, now)
    return user.name, old


def decide_reading(context: Context, actor: Actor, account_id: UUID, *, allowed: bool) -> bool:
    """Let admins read the stored content of the account's requests, or not; they are told. Returns if that changed.

    Raises `NotAllowed`.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        acting.require(Permission.DECIDE_READING)
        if account.admins_read_content is allowed:
            return False
        account.admins_read_content = allowed
        decision = "may read" if allowed else "may not read"
        record(tx, acting, Event.READING_DECIDED, at=now, account_id=account_id, decision=decision)
        for user in _with_role(tx, account_id, Role.ADMIN):
            values = {"decision": "may now read" if allowed else "may no longer read", "by": actor.name}
            write_to_member(tx, context.settings, user, account, READING_DECIDED, values, now)
    return True


def _with_role(tx: Session, account_id: UUID, role: Role) -> Sequence[User]:
    return tx.scalars(
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id, Membership.role == role.value)
        .where(Membership.on_hold_since.is_(None))
    ).all()
