"""Erasing: what entries say of a person goes, their places in the chains stay."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from anuma_dash.audit.entries import SYSTEM_CHAIN, AuditDetail, AuditEntry, AuditObject
from anuma_dash.audit.events import Event
from anuma_dash.audit.recording import CONTROL, PERSON, record
from anuma_dash.identity import Actor

PERSONAL_LINK = AuditObject.kind != CONTROL
"""Links that go with the details. A control is nobody's."""


def erase_details(tx: Session, actor: Actor, person_id: UUID, *, at: datetime) -> int:
    """Erase what entries say, where the person acted or is whom they are about; the entries' places in the chain stay.

    Found are those whose event names the person by an identifier; `member_id`, `user_id`, `person_id` and `staff_id`
    do. Each chain gets an entry that says how many. Returns how many entries lost their details.
    """
    theirs = (
        select(AuditEntry.id)
        .where(AuditEntry.actor_id == person_id)
        .union(select(AuditObject.entry_id).where(AuditObject.kind == PERSON, AuditObject.object_id == str(person_id)))
    ).subquery()
    ids = select(theirs.c.id)
    counts = tx.execute(
        select(AuditEntry.chain, func.count())
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.id.in_(ids))
        .group_by(AuditEntry.chain)
        .order_by(AuditEntry.chain)
    ).all()
    # The details go first: the links are one of the two ways to find them.
    options = {"synchronize_session": False}
    tx.execute(delete(AuditDetail).where(AuditDetail.entry_id.in_(ids)), execution_options=options)
    tx.execute(delete(AuditObject).where(AuditObject.entry_id.in_(ids), PERSONAL_LINK), execution_options=options)
    for chain, count in counts:
        account_id = None if chain == SYSTEM_CHAIN else chain
        record(tx, actor, Event.ACTIVITY_DETAILS_ERASED, at=at, account_id=account_id, count=count)
    return sum(count for _, count in counts)
