"""What waits for administrators of the service: emergencies, new owners; and who of the people is suspended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.domain.owner_recovery import OwnerRecovery, OwnerRecoveryApproval, open_recoveries
from anuma_dash.domain.support import SupportGrant, emergencies_waiting
from anuma_dash.domain.suspensions import PersonSuspension
from anuma_dash.errors import NotFound
from anuma_dash.identity import Account, Actor, StaffRole, User, find_account
from anuma_dash.workflows import Context


@dataclass(frozen=True)
class Waiting:
    """What may be approved now. Approvals of a recovery are the administrators' names, by its identifier."""

    emergencies: Sequence[SupportGrant]
    recoveries: Sequence[OwnerRecovery]
    approvals: dict[UUID, dict[UUID, str]]
    accounts: dict[UUID, str]
    people: dict[UUID, str]


def read_waiting(context: Context, actor: Actor) -> Waiting:
    """Everything that waits for an approval or can still be stopped. Raises `NotAllowed`."""
    actor.require_staff(StaffRole.ADMINISTRATOR)
    now = context.clock()
    with context.db.reading() as tx:
        emergencies = [grant for grant in emergencies_waiting(tx) if grant.waiting(now)]
        rows = open_recoveries(tx, now)
        return Waiting(
            emergencies,
            rows,
            _approvals(tx, [row.id for row in rows]),
            _names(tx, Account, {*(grant.account_id for grant in emergencies), *(row.account_id for row in rows)}),
            _names(tx, User, {grant.asked_by for grant in emergencies if grant.asked_by}),
        )


def _approvals(tx: Session, recovery_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, str]]:
    found: dict[UUID, dict[UUID, str]] = {recovery_id: {} for recovery_id in recovery_ids}
    for one in tx.scalars(select(OwnerRecoveryApproval).where(OwnerRecoveryApproval.recovery_id.in_(recovery_ids))):
        found[one.recovery_id][one.approved_by] = one.approved_by_name
    return found


def _names(tx: Session, model: type[Account] | type[User], ids: set[UUID]) -> dict[UUID, str]:
    return {row.id: row.name for row in tx.execute(select(model.id, model.name).where(model.id.in_(ids)))}


def find_recovery(context: Context, actor: Actor, recovery_id: UUID) -> tuple[OwnerRecovery, Account]:
    """A recovery with its account. Raises `NotAllowed` and `NotFound`."""
    actor.require_staff(StaffRole.ADMINISTRATOR)
    with context.db.reading() as tx:
        row = tx.get(OwnerRecovery, recovery_id)
        if row is None:
            raise NotFound("There is no such recovery.")
        return row, find_account(tx, row.account_id)


def suspended_people(
    context: Context, actor: Actor, after: UUID | None, limit: int
) -> tuple[list[tuple[PersonSuspension, User]], str | None]:
    """A page of those who are suspended, the latest first, with the cursor of the next. Raises `NotAllowed`."""
    actor.require_staff(StaffRole.ADMINISTRATOR)
    query = (
        select(PersonSuspension, User)
        .join(User, User.id == PersonSuspension.user_id)
        .where(PersonSuspension.ended_at.is_(None))
        .order_by(PersonSuspension.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(PersonSuspension.id < after)
    with context.db.reading() as tx:
        rows = [(row[0], row[1]) for row in tx.execute(query)]
    return rows[:limit], str(rows[limit - 1][0].id) if len(rows) > limit else None


def find_suspended(context: Context, actor: Actor, suspension_id: UUID) -> tuple[PersonSuspension, User]:
    """A suspension of a person with that person. Raises `NotAllowed` and `NotFound`."""
    actor.require_staff(StaffRole.ADMINISTRATOR)
    with context.db.reading() as tx:
        row = tx.get(PersonSuspension, suspension_id)
        if row is None:
            raise NotFound("There is no such suspension.")
        return row, tx.get_one(User, row.user_id)
