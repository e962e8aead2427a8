"""What staff have to do with Northwind Labs, one of each kind, for the arguments of the routes under /staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from anuma_dash.db import new_id
from anuma_dash.domain.owner_recovery import OwnerRecovery
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.domain.suspensions import PersonSuspension
from tests.world import World


@dataclass(frozen=True)
class StaffBelongings:
    """Identifiers of what staff asked for, were given and did."""

    user_id: UUID
    grant_id: UUID
    asked_id: UUID
    emergency_id: UUID
    recovery_id: UUID
    session_id: UUID
    suspension_id: UUID


def make_staff_belongings(world: World) -> StaffBelongings:
    """Sam is inside, asks again, and for a new owner; Theo asks for an emergency; Vera is suspended."""
    now, account_id = world.clock.now, world.northwind
    grant = SupportGrant(id=new_id(), account_id=account_id, kind="grant", state="live", scopes=["metadata"], hours=4)
    grant.granted_by, grant.granted_at, grant.expires_at = world.olive.id, now, now + timedelta(hours=4)
    # Sam asked for it, so that tests may grant access beside it, as customers do without being asked.
    grant.asked_by, grant.asked_at, grant.reason, grant.ticket = world.sam.id, now, "Why", "T-4"
    asked = SupportGrant(id=new_id(), account_id=account_id, kind="grant", state="asked", scopes=["metadata"], hours=4)
    asked.asked_by, asked.asked_at, asked.reason, asked.ticket = world.sam.id, now, "Why", "T-0"
    emergency = SupportGrant(
        id=new_id(), account_id=account_id, kind="emergency", state="asked", scopes=["metadata"], hours=4
    )
    emergency.asked_by, emergency.asked_at, emergency.reason, emergency.ticket = world.theo.id, now, "Why", "T-1"
    recovery = OwnerRecovery(
        id=new_id(), account_id=account_id, new_owner_email="new@elsewhere.example", reason="Why", ticket="T-2"
    )
    recovery.asked_by, recovery.asked_by_name, recovery.asked_at = world.sam.id, world.sam.name, now
    recovery.attempt = 1
    session = SupportSession(
        id=new_id(), account_id=account_id, grant_id=grant.id, staff_id=world.sam.id, staff_session_id=new_id()
    )
    session.token_hash, session.scopes, session.reason, session.ticket = "no token has it", ["metadata"], "Why", "T-3"
    session.started_at, session.last_seen_at, session.ends_at = now, now, now + timedelta(minutes=30)
    suspension = PersonSuspension(id=new_id(), user_id=world.vera.id, reason="Why", contest="", by_name="Ines", at=now)
    suspension.sessions_ended = 0
    with world.db.transaction() as tx:
        tx.add_all([grant, asked, emergency, recovery, suspension])
        tx.flush()
        tx.add(session)
    return StaffBelongings(world.sam.id, grant.id, asked.id, emergency.id, recovery.id, session.id, suspension.id)
