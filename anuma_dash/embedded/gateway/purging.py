"""The purge: what is past its period is deleted, in small batches that look again at period and holds each time.

A row of `purges` counts what one run deleted of one category of one owner. Killed anywhere, the next run goes on with
that row: what a batch deletes and its count are one transaction; keys that were destroyed before it count nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from anuma_dash.gateway.schemas import Purge

from .content_tables import purges
from .core import Gateway
from .erasure import erase, find_batch
from .holds import UNREADABLE, HoldsUnreadable, free
from .identifiers import uuid7
from .internal.idempotency import lock_account
from .kinds import KINDS, Kind, is_held
from .policy import State, parse_state, retention_cutoff
from .tables import accounts, controls

_ACCOUNTS: Final = 200
_PAUSE_SECONDS: Final = 0.02
"""Between batches, so that requests do not queue behind this."""
_REMEMBERED: Final = timedelta(days=90)
_LONGER: Final = "The period was made longer meanwhile: nothing more is past it."


class Purging:
    """One run over everything.

    Args:
        is_stopping: whether to end after the batch under way.
    """

    def __init__(self, gateway: Gateway, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._gateway = gateway
        self._main = gateway.stores.main
        self._stopping = is_stopping
        self._batch = gateway.settings.deletion_batch

    def run(self) -> bool:
        """Delete what is past its period, of every account, category and owner. False if it was stopped before."""
        for kind, account, owner in self._unfinished():
            if self._stopping():
                return False
            self._purge(kind, account, owner)
        for account in self._accounts():
            for kind in KINDS:
                for owner in self._owners(kind, account):
                    if self._stopping():
                        return False
                    self._purge(kind, account, owner)
        self._forget()
        self._gateway.metrics.last_purge.set_to_current_time()
        return True

    def _unfinished(self) -> list[tuple[Kind, UUID, UUID]]:
        """What a run before this one has left: perhaps nothing but to say that it is done."""
        of = {kind.category: kind for kind in KINDS}
        with self._main.read() as connection:
            rows = connection.execute(select(purges).where(purges.c.state != "done").order_by(purges.c.id)).all()
        return [(of[row.category], row.account_id, row.owner) for row in rows]

    def _accounts(self) -> Iterator[UUID]:
        last: UUID | None = None
        query = select(accounts.c.id).order_by(accounts.c.id).limit(_ACCOUNTS)
        while True:
            with self._main.read() as connection:
                found = list(connection.scalars(query if last is None else query.where(accounts.c.id > last)))
            if not found:
                return
            yield from found
            last = found[-1]

    def _owners(self, kind: Kind, account: UUID) -> list[UUID]:
        """Whose content is purged on its own: of a personal kind everybody's who has any."""
        with self._main.read() as connection:
            return owners(connection, kind, account)

    def _purge(self, kind: Kind, account: UUID, owner: UUID) -> None:
        with self._main.read() as connection:
            cutoff = cutoff_of(connection, kind, account, owner, self._gateway.now())
            own = _own(kind, account, owner)
            unfinished = connection.scalar(select(purges.c.id).where(own, purges.c.state != "done").limit(1))
            due = cutoff is not None and _first(connection, kind, expired(kind, account, owner, cutoff)) is not None
        if unfinished is None and not (due and cutoff is not None and self._is_free(kind, account, owner, cutoff)):
            return
        purge = unfinished or self._begin(kind, account, owner, cutoff or self._gateway.now())
        try:
            while not self._stopping() and self._step(purge, kind, account, owner):
                time.sleep(_PAUSE_SECONDS)
        except HoldsUnreadable:
            self._save(purge, state="waiting", reason=UNREADABLE)
            self._gateway.log.info("purge_waits", category=kind.category)

    def _is_free(self, kind: Kind, account: UUID, owner: UUID, cutoff: datetime) -> bool:
        """Whether a run would do anything: what holds alone keep makes no run of its own each time."""
        try:
            with self._main.read() as connection:
                condition = and_(expired(kind, account, owner, cutoff), free(connection, account, kind))
                return _first(connection, kind, condition) is not None
        except HoldsUnreadable:
            return True  # the run says so

    def _begin(self, kind: Kind, account: UUID, owner: UUID, cutoff: datetime) -> UUID:
        now = self._gateway.now()
        purge = uuid7(now)
        row: dict[str, Any] = {
            "id": purge,
            "account_id": account,
            "owner": owner,
            "category": kind.category,
            "started_at": now,
        }
        row |= {"cutoff": cutoff, "count": 0, "held": 0, "state": "running", "reason": ""}
        with self._main.write(durable=True) as connection:
            connection.execute(insert(purges).values(row))
        return purge

    def _step(self, purge: UUID, kind: Kind, account: UUID, owner: UUID) -> bool:
        """Delete one batch, by the period and the holds of this very moment. False when there is nothing more."""
        with self._main.write(durable=True) as connection:
            lock_account(connection, account)
            cutoff = cutoff_of(connection, kind, account, owner, self._gateway.now())
            if cutoff is None:
                self._end(connection, purge, held=0, reason=_LONGER)
                return False
            past = expired(kind, account, owner, cutoff)
            rows = find_batch(connection, kind, and_(past, free(connection, account, kind)), self._batch)
            if not rows:
                kept = select(func.count()).select_from(kind.table).where(past, is_held(kind))
                held = connection.scalar(kept) or 0
                planned = connection.execute(select(purges.c.cutoff).where(purges.c.id == purge)).scalar_one()
                self._end(connection, purge, held=held, reason=_LONGER if cutoff < planned else "")
                return False
            self._gateway.vault.destroy_keys([row.id for row in rows])
            erased = erase(connection, kind, rows, self._batch, "expired")
            values: dict[str, Any] = {"count": purges.c.count + erased, "cutoff": cutoff}
            values |= {"state": "running", "reason": ""}
            connection.execute(update(purges).where(purges.c.id == purge).values(values))
        return True

    def _end(self, connection: Connection, purge: UUID, *, held: int, reason: str) -> None:
        values = {"state": "done", "finished_at": self._gateway.now(), "held": held, "reason": reason}
        connection.execute(update(purges).where(purges.c.id == purge).values(values))

    def _save(self, purge: UUID, **values: Any) -> None:
        with self._main.write(durable=True) as connection:
            connection.execute(update(purges).where(purges.c.id == purge).values(values))

    def _forget(self) -> None:
        old = purges.c.finished_at < self._gateway.now() - _REMEMBERED
        with self._main.write() as connection:
            connection.execute(delete(purges).where(old))


def owners(connection: Connection, kind: Kind, account: UUID) -> list[UUID]:
    """Whose content of a kind is kept by a period of its own: the account's, or everybody's who has any of it."""
    if not kind.personal:
        return [account]
    found: list[UUID] = []
    query = select(kind.person).where(kind.account == account).order_by(kind.person).limit(1)
    while True:  # from owner to owner by the index, not from thing to thing
        owner = connection.scalar(query.where(kind.person > found[-1]) if found else query)
        if owner is None:
            return found
        found.append(owner)


def expired(kind: Kind, account: UUID, owner: UUID, cutoff: datetime) -> ColumnElement[bool]:
    """What is past its period: of an account's kind everybody's, of a personal one the owner's."""
    return and_(kind.of(account, owner if kind.personal else None), kind.arrived <= cutoff)


def cutoff_of(connection: Connection, kind: Kind, account: UUID, owner: UUID, now: datetime) -> datetime | None:
    """What arrived until then is past its period, by the setting as it is now; `None` if it has none."""
    state = read_state(connection, account)
    return retention_cutoff(state, now, kind.control, None if owner == account else owner)


def read_state(connection: Connection, account: UUID) -> State:
    """An account's controls, as committed."""
    return parse_state(
        connection.execute(select(controls.c.state).where(controls.c.account_id == account)).scalar_one()
    )


def show_purges(connection: Connection, account: UUID, owners_seen: list[UUID], limit: int) -> list[Purge]:
    """The last runs over what these owners have, newest first."""
    query = select(purges).where(purges.c.account_id == account, purges.c.owner.in_(owners_seen))
    rows = connection.execute(query.order_by(purges.c.id.desc()).limit(limit)).all()
    return [Purge(**{name: getattr(row, name) for name in Purge.model_fields}) for row in rows]


def _own(kind: Kind, account: UUID, owner: UUID) -> ColumnElement[bool]:
    column = purges.c
    return and_(column.account_id == account, column.owner == owner, column.category == kind.category)


def _first(connection: Connection, kind: Kind, condition: ColumnElement[bool]) -> UUID | None:
    return connection.scalar(select(kind.id).where(condition).limit(1))
