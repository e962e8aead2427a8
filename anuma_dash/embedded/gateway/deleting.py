"""Carrying a deletion out: keys first, then rows, then a search that proves it. Every step can be done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from anuma_dash.gateway.schemas import Kept, StoreResult, Unreachable

from .core import Gateway
from .deletions import BACKUPS_EXPIRE, UNFINISHED, scope_of
from .erasure import erase, find_batch, identifiers
from .holds import KEPT_BECAUSE, UNREADABLE, HoldsUnreadable, free
from .internal.idempotency import lock_account
from .kinds import Kind, covered, is_held, kinds_of
from .samples import Samples, cipher_pieces, take_samples
from .search import Search, Searched
from .settings import BUILT_IN_PROVIDER
from .tables import deletions

_CHECKPOINT_SECONDS: Final = 5.0
_METHODS: Final = {"main database": "erase", "key database": "destroy_key"}
_UNREPEATABLE: Final = (
    "The search for the deleted words could not be repeated: the gateway was restarted when they were already "
    "unreadable. Pieces of their encrypted form were searched for."
)
_TOO_SHORT: Final = "The sampled texts are too short to search for. Pieces of their encrypted form were searched for."


class Deleting:
    """One deletion under way."""

    def __init__(self, gateway: Gateway, deletion_id: UUID) -> None:
        self._gateway = gateway
        self._stores = gateway.stores
        self._id = deletion_id
        self._batch = gateway.settings.deletion_batch

    def run(self) -> None:
        """Carry it out to the end. Whoever runs it again, after a crash, does what is left.

        Raises:
            HoldsUnreadable: it is not carried on, because nobody can say what a legal duty keeps.
        """
        row = self._load()
        if row.state not in UNFINISHED:
            return
        samples = self.destroy()
        kinds = kinds_of(scope_of(row))
        for kind in kinds:
            while self._erase(row, kind):
                pass
        for store in (self._stores.main, self._stores.keys):
            _checkpoint_within(store.checkpoint, _CHECKPOINT_SECONDS)
        self._verify(samples, _note(samples, resumed=row.pieces is not None), kinds)

    def destroy(self, more: Mapping[UUID, frozenset[bytes]] | None = None) -> Samples:
        """Take samples and destroy the data keys: the content is unreadable from here on.

        Args:
            more: further pieces to search for afterwards, by account.

        Raises:
            HoldsUnreadable: nothing was destroyed.
        """
        row = self._load()
        conditions = [(kind, self._covered(row, kind)) for kind in kinds_of(scope_of(row))]
        samples = Samples()
        for kind, condition in conditions:
            samples |= take_samples(self._stores, self._gateway.vault, row.account_id, kind, condition)
        known = cipher_pieces(row.pieces) | (more or {}).get(row.account_id, frozenset())
        samples |= Samples(cipher=known)
        self._save(state="purging", pieces=samples.cipher_json(), failure=None)
        for kind, condition in conditions:
            for ids in identifiers(self._stores.main, kind, condition, self._batch):
                self._gateway.vault.destroy_keys(ids)
        self._gateway.vault.note_destroyed([self._id], self._gateway.now())
        if row.pieces is None:
            self._save(backups_unreadable_by=self._gateway.now() + BACKUPS_EXPIRE)
        return samples

    def _covered(self, row: Row[Any], kind: Kind) -> ColumnElement[bool]:
        try:
            with self._stores.main.read() as connection:
                return self._free(connection, row, kind)
        except HoldsUnreadable:
            self._save(failure=UNREADABLE)
            raise

    def _free(self, connection: Connection, row: Row[Any], kind: Kind) -> ColumnElement[bool]:
        condition = covered(kind, row.account_id, scope_of(row), row.requested_at)
        return and_(condition, free(connection, row.account_id, kind))

    def _load(self) -> Row[Any]:
        with self._stores.main.read() as connection:
            return connection.execute(select(deletions).where(deletions.c.id == self._id)).one()

    def _save(self, **values: Any) -> None:
        with self._stores.main.write(durable=True) as connection:
            connection.execute(update(deletions).where(deletions.c.id == self._id).values(values))

    def _erase(self, row: Row[Any], kind: Kind) -> bool:
        try:
            with self._stores.main.write(durable=True) as connection:
                lock_account(connection, row.account_id)
                rows = find_batch(connection, kind, self._free(connection, row, kind), self._batch)
                # Again: a hold may have ended since, and what it kept still has its key.
                self._gateway.vault.destroy_keys([one.id for one in rows])
                erased = erase(connection, kind, rows, self._batch, "deleted")
                self._count(connection, kind, erased)
        except HoldsUnreadable:
            self._save(failure=UNREADABLE)
            raise
        return len(rows) > 0

    def _count(self, connection: Connection, kind: Kind, erased: int) -> None:
        own = deletions.c.id == self._id
        counts = json.loads(connection.execute(select(deletions.c.counts).where(own)).scalar_one())
        counts[kind.category] = counts.get(kind.category, 0) + erased
        values = {"done": deletions.c.done + erased, "counts": json.dumps(counts), "failure": None}
        connection.execute(update(deletions).where(own).values(values))

    def _verify(self, samples: Samples, note: str, kinds: Sequence[Kind]) -> None:
        search = Search(self._stores, self._gateway.log)
        pieces = sorted(samples.text | samples.cipher)
        results = search.look_for(pieces, self._gateway.now())
        row = self._load()
        failure = _failure(results)
        now = self._gateway.now()
        counts = json.loads(row.counts)
        shown = [
            StoreResult.model_validate(
                {
                    "store": result.store,
                    "category": kind.category,
                    "count": counts.get(kind.category, 0) if result.store in _METHODS else 0,
                    "method": _METHODS.get(result.store, "none_held"),
                    "verified_at": None if failure else now,
                    "searched_pieces": len(pieces),
                    "searched_bytes": result.searched_bytes,
                    "found": len(result.found),
                    "control_found": result.control_found,
                    "note": note,
                }
            ).model_dump(mode="json")
            for result in results
            for kind in kinds
        ]
        self._save(
            state="failed" if failure else "verified",
            finished_at=now,
            failure=failure,
            pieces=None,
            per_store=json.dumps(shown),
            kept=json.dumps([one.model_dump() for one in self._kept(row, kinds)]),
            not_reached=json.dumps([place.model_dump() for place in self._not_reached(row, search)]),
        )
        self._gateway.log.info("deletion_finished", deletion_id=str(self._id), failed=bool(failure))

    def _kept(self, row: Row[Any], kinds: Sequence[Kind]) -> Iterator[Kept]:
        """What the scope names and is still there: only legal holds keep anything."""
        with self._stores.main.read() as connection:
            for kind in kinds:
                condition = covered(kind, row.account_id, scope_of(row), row.requested_at)
                count = connection.scalar(select(func.count()).select_from(kind.table).where(condition, is_held(kind)))
                if count:
                    yield Kept(category=kind.category, count=count, reason=KEPT_BECAUSE)

    def _not_reached(self, row: Row[Any], search: Search) -> list[Unreachable]:
        terms = {p.name: p for p in self._gateway.settings.providers}
        places = []
        for name in json.loads(row.providers):
            known = terms.get(name)
            if name != BUILT_IN_PROVIDER:
                said = f"Its terms: retention {known.retention}; training {known.training}." if known else ""
                reason = f"It got these requests and keeps what its own terms say. {said}".strip()
                places.append(Unreachable(place=f"model provider {name}", reason=reason))
        day = f"{row.backups_unreadable_by:%Y-%m-%d}"
        backups = f"They cannot be changed. They are unreadable by {day}, when the keys' backups have expired."
        own = "What your programs received is yours to delete."
        places.append(Unreachable(place="backups", reason=backups))
        places.append(Unreachable(place="your own copies of responses", reason=own))
        return places + search.unreachable()


def _note(samples: Samples, resumed: bool) -> str:
    if samples.text or not samples.cipher:
        return ""
    return _UNREPEATABLE if resumed else _TOO_SHORT


def _failure(results: list[Searched]) -> str | None:
    found = [result.store for result in results if result.found]
    blind = [result.store for result in results if not result.control_found]
    if found:
        return f"Pieces of the deleted content were still found in: {', '.join(found)}."
    if blind:
        return f"The search could not be proven in: {', '.join(blind)}."
    return None


def _checkpoint_within(checkpoint: Any, seconds: float) -> None:
    """A reader in the way is waited for; if it stays, the search will tell what is left."""
    deadline = time.monotonic() + seconds
    while not checkpoint() and time.monotonic() < deadline:
        time.sleep(0.05)
