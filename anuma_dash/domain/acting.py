"""Who acts, as they are in this very moment: what the guard read before a lock was had may have changed meanwhile."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from anuma_dash.errors import NotAllowed
from anuma_dash.identity import Account, Actor, Role, StaffRole, membership_of, permissions_of, staff_roles_of


def acting_now(tx: Session, actor: Actor, account: Account) -> Actor:
    """The actor with the role that they have now in an account whose row is locked: two owners may demote each other.

    Raises `NotAllowed`.
    """
    membership = membership_of(tx, account.id, actor.user_id)
    if membership is None or membership.on_hold_since is not None:
        raise NotAllowed("You do not belong to this account any more.")
    role = Role(membership.role)
    return replace(actor, role=role, permissions=permissions_of(account, role), halt=account.halt)


def staff_now(tx: Session, actor: Actor, *roles: StaffRole) -> Actor:
    """The actor as staff, with the staff roles that they have now, one of these among them. Raises `NotAllowed`."""
    held = staff_roles_of(tx, actor.user_id) if actor.user_id else frozenset()
    staff = replace(actor, kind="staff", staff_roles=held)
    staff.require_staff(*roles)
    return staff
