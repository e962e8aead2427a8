"""Accounts: creating one, and bringing the gateway to know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id
from anuma_dash.errors import GatewayError, GatewayRefused, GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Account, Actor, Membership, Role, User, find_account, lock_account
from anuma_dash.workflows import Context, Durable, Kind


class AccountSync(Owned, Durable, Base):
    """The standing task of making the gateway know an account as it is."""

    __tablename__ = "account_syncs"

    created_at: Mapped[datetime] = mapped_column()


EFFECT_POLL = timedelta(seconds=2)


def create_account(
    tx: Session,
    actor: Actor,
    owner: User,
    name: str,
    kind: str,
    now: datetime,
    *,
    country: str = "",
    contact: tuple[str, str] = ("", ""),
) -> Account:
    """Create an account with its owner, and the task of telling the gateway; call `sync_account` after the commit.

    `contact` is the billing contact's name and e-mail address.
    """
    account = Account(id=new_id(), kind=kind, name=name, created_at=now, country=country)
    account.contact_name, account.contact_email = contact
    tx.add(account)
    tx.flush()
    tx.add(Membership(account_id=account.id, user_id=owner.id, role=Role.OWNER.value, created_at=now))
    tx.add(AccountSync(id=new_id(), account_id=account.id, created_at=now, attempt=1, next_try_at=now))
    record(tx, actor, Event.ACCOUNT_CREATED, at=now, account_id=account.id, name=name, kind=kind)
    return account


def add_member(tx: Session, actor: Actor, account: Account, user: User, role: Role, now: datetime) -> None:
    """Give a person a role in an account."""
    tx.add(Membership(account_id=account.id, user_id=user.id, role=role.value, created_at=now))
    record(
        tx,
        actor,
        Event.MEMBER_ADDED,
        at=now,
        account_id=account.id,
        member=user.name,
        member_id=user.id,
        role=role.value,
    )


def request_sync(tx: Session, account: Account, now: datetime) -> AccountSync:
    """Ask for the gateway to be told of a change of the account's name or state, in the transaction that makes it.

    Call `attempt_sync` after the commit; the worker goes on trying. Lock the account before.
    """
    account.revision += 1
    account.gateway_synced_at = None
    sync = AccountSync(id=new_id(), account_id=account.id, created_at=now)
    workflows.start_now(sync, now)
    tx.add(sync)
    tx.flush()
    return sync


def attempt_sync(context: Context, sync: AccountSync) -> None:
    """Tell the gateway at once. Whether it answered is in the account: `gateway_synced_at`, `gateway_status_at`."""
    _step(context, sync.id, sync.attempt)


def sync_account(context: Context, account_id: UUID) -> None:
    """Tell the gateway of the account, now. Raises `GatewayError`; the worker goes on trying."""
    with context.db.reading() as tx:
        account = find_account(tx, account_id)
    if account.gateway_synced_at is None:
        _put_account(context, account)


Answer = TypeVar("Answer")


def telling_of(context: Context, account_id: UUID, call: Callable[[], Answer]) -> Answer:
    """Make a call about an account that the gateway may not know, not yet or no more: then tell it, and ask once more.

    Raises `GatewayError`.
    """
    sync_account(context, account_id)
    try:
        return call()
    except GatewayRefused as error:
        if error.status != 404:
            raise
    with context.db.reading() as tx:
        account = find_account(tx, account_id)
    _put_account(context, account)
    return call()


def _put_account(context: Context, account: Account) -> bool:
    # The revision keeps an older call that is late from undoing a newer one: the gateway refuses it.
    status, revision = account.wanted_status, account.revision
    told = context.gateway.put_account(WORKER, account.id, account.name, status, revision=revision)
    if (told.id, told.status) != (account.id, status):
        raise GatewayUnavailable("The gateway's answer is about another account or state.")
    return _note_told(context, account.id, revision, told)


def _note_told(context: Context, account_id: UUID, revision: int, told: schemas.Account) -> bool:
    """Whether the gateway has confirmed, as in effect, the account as it is now."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        if account.revision != revision or told.status_in_effect_at is None:
            return False
        account.gateway_synced_at = now
        before = (account.gateway_status, account.gateway_status_at)
        account.gateway_status, account.gateway_status_at = told.status, told.status_in_effect_at
        changed = before != (account.gateway_status, account.gateway_status_at)
        if changed and (before[0] or told.status != "active"):
            record(
                tx,
                WORKER,
                Event.ACCOUNT_STATUS_IN_EFFECT,
                at=now,
                account_id=account_id,
                status=told.status,
                in_effect_at=told.status_in_effect_at,
            )
    return True


def _step(context: Context, row_id: UUID, attempt: int) -> None:
    with context.db.transaction() as tx:
        sync = workflows.claim(tx, AccountSync, row_id, attempt)
        if sync is None:
            return
        account = find_account(tx, sync.account_id)
    confirmed, failure = False, None
    try:
        confirmed = account.gateway_synced_at is not None or _put_account(context, account)
    except GatewayError as error:
        failure = str(error)
    with context.db.transaction() as tx:
        sync = workflows.claim(tx, AccountSync, row_id, attempt)
        if sync is None:
            return
        if failure:
            workflows.retry(sync, context.clock(), failure)
        elif not confirmed:
            workflows.wait(sync, context.clock(), EFFECT_POLL)
        else:
            workflows.finish(sync)


ACCOUNT_SYNC = Kind("account_sync", AccountSync, _step)
