"""Confirming members whom a restored backup brought back: until then they cannot open the account (decision 041)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.acting import acting_now
from anuma_dash.features.people.service import may_rule, require_rule
from anuma_dash.identity import Actor, Membership, Role, User, lock_account
from anuma_dash.workflows import Context


def members_on_hold(tx: Session, account_id: UUID) -> tuple[int, datetime | None]:
    """How many members wait to be confirmed, and since when."""
    waiting = select(func.count(), func.max(Membership.on_hold_since)).where(
        Membership.account_id == account_id, Membership.on_hold_since.is_not(None)
    )
    count, since = tx.execute(waiting).one()
    return count, since


def confirm_members(context: Context, actor: Actor, account_id: UUID, user_id: UUID | None = None) -> list[str]:
    """Let one member who waits open the account again, in the role that they have; without `user_id` all of them.

    Returns the names of those who waited. Raises `NotAllowed`.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        require_rule(acting)
        query = owned(Membership, account_id).where(Membership.on_hold_since.is_not(None)).order_by(Membership.id)
        chosen = query if user_id is None else query.where(Membership.user_id == user_id)
        waiting = [one for one in tx.scalars(chosen) if may_rule(acting, Role(one.role))]
        names = []
        for membership in waiting:
            membership.on_hold_since = None
            user = tx.get_one(User, membership.user_id)
            names.append(user.name)
            fields = {"member": user.name, "member_id": user.id, "role": membership.role}
            record(tx, acting, Event.MEMBER_CONFIRMED, at=now, account_id=account_id, **fields)
    return names
