"""Carrying a deletion out: keys first, then rows, then a search that proves it. Every step can be done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, update

from anuma_dash.gateway.schemas import StoreResult, Unreachable

from .core import Gateway
from .deletions import BACKUPS_EXPIRE, UNFINISHED, scope_of
from .erasure import covered, erase_batch, identifiers
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
        """Carry it out to the end. Whoever runs it again, after a crash, does what is left."""
        row = self._load()
        if row.state not in UNFINISHED:
            return
        samples = self.destroy()
        while self._erase(covered(row.account_id, scope_of(row), row.requested_at)):
            pass
        for store in (self._stores.main, self._stores.keys):
            _checkpoint_within(store.checkpoint, _CHECKPOINT_SECONDS)
        self._verify(samples, _note(samples, resumed=row.pieces is not None))

    def destroy(self, more: Mapping[UUID, frozenset[bytes]] | None = None) -> Samples:
        """Take samples and destroy the data keys: the content is unreadable from here on.

        Args:
            more: further pieces to search for afterwards, by account.
        """
        row = self._load()
        condition = covered(row.account_id, scope_of(row), row.requested_at)
        samples = take_samples(self._stores, self._gateway.vault, row.account_id, condition)
        known = cipher_pieces(row.pieces) | (more or {}).get(row.account_id, frozenset())
        samples = Samples(samples.text, samples.cipher | known)
        self._save(state="purging", pieces=samples.cipher_json())
        for ids in identifiers(self._stores.main, condition, self._batch):
            self._gateway.vault.destroy_keys(ids)
        self._gateway.vault.note_destroyed([self._id], self._gateway.now())
        if row.pieces is None:
            self._save(backups_unreadable_by=self._gateway.now() + BACKUPS_EXPIRE)
        return samples

    def _load(self) -> Row[Any]:
        with self._stores.main.read() as connection:
            return connection.execute(select(deletions).where(deletions.c.id == self._id)).one()

    def _save(self, **values: Any) -> None:
        with self._stores.main.write(durable=True) as connection:
            connection.execute(update(deletions).where(deletions.c.id == self._id).values(values))

    def _erase(self, condition: Any) -> bool:
        with self._stores.main.write(durable=True) as connection:
            erased = erase_batch(connection, condition, self._batch)
            counted = update(deletions).where(deletions.c.id == self._id)
            connection.execute(counted.values(done=deletions.c.done + erased))
        return erased > 0

    def _verify(self, samples: Samples, note: str) -> None:
        search = Search(self._stores, self._gateway.log)
        pieces = sorted(samples.text | samples.cipher)
        results = search.look_for(pieces, self._gateway.now())
        row = self._load()
        failure = _failure(results)
        now = self._gateway.now()
        shown = [
            StoreResult.model_validate(
                {
                    "store": result.store,
                    "category": "request_content",
                    "count": row.done if result.store in _METHODS else 0,
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
        ]
        self._save(
            state="failed" if failure else "verified",
            finished_at=now,
            failure=failure,
            pieces=None,
            per_store=json.dumps(shown),
            not_reached=json.dumps([place.model_dump() for place in self._not_reached(row, search)]),
        )
        self._gateway.log.info("deletion_finished", deletion_id=str(self._id), failed=bool(failure))

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
