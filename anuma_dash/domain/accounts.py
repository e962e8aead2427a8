"""Accounts: creating one, and bringing the gateway to know it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id
from anuma_dash.errors import GatewayError, GatewayRefused
from anuma_dash.identity import WORKER, Account, Actor, Membership, Role, User, find_account
from anuma_dash.workflows import Context, Durable, Kind


class AccountSync(Owned, Durable, Base):
    """The standing task of making the gateway know an account as it is."""

    __tablename__ = "account_syncs"

    created_at: Mapped[datetime] = mapped_column()


def create_account(tx: Session, actor: Actor, owner: User, name: str, kind: str, now: datetime) -> Account:
    """Create an account with its owner, and the task of telling the gateway; call `sync_account` after the commit."""
    account = Account(id=new_id(), kind=kind, name=name, created_at=now)
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


def _put_account(context: Context, account: Account) -> None:
    context.gateway.put_account(WORKER, account.id, account.name, account.status)
    with context.db.transaction() as tx:
        find_account(tx, account.id).gateway_synced_at = context.clock()


def _step(context: Context, row_id: UUID, attempt: int) -> None:
    with context.db.transaction() as tx:
        sync = workflows.claim(tx, AccountSync, row_id, attempt)
        if sync is None:
            return
        account = find_account(tx, sync.account_id)
    try:
        _put_account(context, account)
        failure = None
    except GatewayError as error:
        failure = str(error)
    with context.db.transaction() as tx:
        sync = workflows.claim(tx, AccountSync, row_id, attempt)
        if sync is None:
            return
        if failure:
            workflows.retry(sync, context.clock(), failure)
        else:
            workflows.finish(sync)


ACCOUNT_SYNC = Kind("account_sync", AccountSync, _step)
