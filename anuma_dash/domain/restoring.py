"""After a backup of the dashboard's database was restored: what the gateway knows and this side has forgotten.

The gateway was not restored, or has replayed its journal: where the two differ, the gateway knows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.accounts import telling_of
from anuma_dash.domain.closings import closing_of, give_up
from anuma_dash.domain.controls import ControlChange, latest_change
from anuma_dash.domain.deletions import FINAL_STATES, Deletion
from anuma_dash.domain.restored_access import end_restored_access
from anuma_dash.domain.suspensions import AccountSuspension, suspension_of
from anuma_dash.errors import GatewayRefused
from anuma_dash.gateway import schemas
from anuma_dash.identity import OPERATOR, WORKER, Account, lock_account
from anuma_dash.workflows import Context

NOT_KNOWN = "Not known (backup restored)"
PAGE_ROWS = 200


@dataclass(frozen=True)
class Reconciled:
    """What was found for one account.

    `status` is the gateway's if it differed from ours, `deletions` how many ours did not know, `overtaken` how many
    unconfirmed control changes were given up because the gateway had gone beyond them. The two epochs are the
    gateway's and our last one: if the gateway's is higher, pages say "Unknown" until a person chooses. `invitations`
    were revoked, and `held` members wait for an owner to confirm them.
    """

    account_id: UUID
    name: str
    status: str | None
    deletions: int
    overtaken: int
    epoch: int
    own_epoch: int
    invitations: int
    held: int


def reconcile(context: Context, account_id: UUID) -> Reconciled:
    """Take over what the gateway knows of an account, and note in its activity that a backup was restored.

    Run it before web and worker serve again: an unconfirmed change out of the backup must not be sent above what was
    chosen after it. Whoever belongs to the account is looked at by its owners (`restored_access`), each time that it is
    run; running it again before anything served changes nothing more. Raises `GatewayError`.
    """
    gateway = context.gateway
    told = _told_account(context, account_id)
    controls = gateway.data_state(WORKER, account_id).controls
    deletions = _all_deletions(context, account_id)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        status = _take_over_state(tx, context, account, told, now)
        overtaken = _give_up_overtaken(tx, account_id, controls.epoch)
        ended = end_restored_access(tx, context.settings, account, now)
        taken_over = [one for one in deletions if tx.get(Deletion, one.id) is None]
        tx.add_all(_deletion(account_id, one, now) for one in taken_over)
        latest = latest_change(tx, account_id)
        found = Reconciled(
            account_id=account_id,
            name=account.name,
            status=status,
            deletions=len(taken_over),
            overtaken=overtaken,
            epoch=controls.epoch,
            own_epoch=latest.epoch if latest else 0,
            invitations=ended.invitations,
            held=ended.held,
        )
        record(
            tx,
            OPERATOR,
            Event.ACCOUNT_RESTORED,
            at=now,
            account_id=account_id,
            deletions=found.deletions,
            overtaken=overtaken,
            status=told.status,
            epoch=found.epoch,
            own_epoch=found.own_epoch,
        )
    return found


def _told_account(context: Context, account_id: UUID) -> schemas.Account:
    # Asked before anything is told: what the backup has not sent yet may be older than what the gateway knows.
    try:
        return context.gateway.account(WORKER, account_id)
    except GatewayRefused as error:
        if error.status != 404:
            raise
    return telling_of(context, account_id, lambda: context.gateway.account(WORKER, account_id))


def _take_over_state(
    tx: Session, context: Context, account: Account, told: schemas.Account, now: datetime
) -> str | None:
    """The gateway's state if it was not ours and is taken over."""
    if account.gateway_synced_at is None and told.revision < account.revision:
        return None  # Asked for before the backup was made, and the gateway has seen nothing later: it is still sent.
    if told.revision > account.revision and told.name != str(account.id):
        account.name = told.name
    account.revision = max(account.revision, told.revision)
    account.gateway_status, account.gateway_status_at = told.status, told.status_in_effect_at
    if told.status == account.wanted_status:
        return None
    suspension, closing = suspension_of(tx, account.id), closing_of(tx, account.id)
    if told.status == "suspended":
        # Suspended, or being closed: only the dashboard knew which, and it has forgotten.
        tx.add(_unknown_suspension(context, account.id, now))
    elif suspension is not None:
        suspension.ended_at, suspension.ended_by_name = now, NOT_KNOWN
    if closing is not None:
        give_up(closing, NOT_KNOWN, now, "closed" if told.status == "closed" else "undone")
    account.status, account.closes_at = told.status, None
    return told.status


def _unknown_suspension(context: Context, account_id: UUID, now: datetime) -> AccountSuspension:
    reason = (
        "A backup of the dashboard was restored. The gateway says that this account is at a standstill; whether it was "
        "suspended or being closed is not known here any more."
    )
    contest = context.settings.support_email
    return AccountSuspension(
        id=new_id(), account_id=account_id, reason=reason, contest=contest, by_name=NOT_KNOWN, at=now
    )


def _all_deletions(context: Context, account_id: UUID) -> list[schemas.Deletion]:
    found: list[schemas.Deletion] = []
    after = None
    while True:
        page = context.gateway.deletions(WORKER, account_id, after=after, limit=PAGE_ROWS)
        found += page.data
        if page.next is None or not page.data:
            return found
        after = page.next


def _give_up_overtaken(tx: Session, account_id: UUID, gateway_epoch: int) -> int:
    pending = (ControlChange.outcome == "pending", ControlChange.epoch < gateway_epoch)
    changes = list(tx.scalars(owned(ControlChange, account_id).where(*pending)))
    for change in changes:
        change.outcome = "overtaken"
        workflows.finish(change)
    return len(changes)


def _deletion(account_id: UUID, told: schemas.Deletion, now: datetime) -> Deletion:
    deletion = Deletion(
        id=told.id,
        account_id=account_id,
        category=told.scope.category,
        scope=told.scope.model_dump(mode="json"),
        state=told.state,
        requested_by_name=NOT_KNOWN,
        requested_at=told.requested_at,
        finished_at=told.finished_at,
        report=told.model_dump(mode="json"),
    )
    workflows.start_now(deletion, now)
    if told.state in FINAL_STATES:
        workflows.finish(deletion)
    return deletion
