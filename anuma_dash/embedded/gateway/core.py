"""What the gateway is made of, put together once and handed to both of its APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from .batches import Batches
from .connections import Connections
from .contents import Vault
from .history.keeping import HistoryKeeper
from .identifiers import Clock
from .journal import Journal
from .kms import key_management
from .logs import Log
from .metering import Keeper, Meter, Record, Settled
from .metrics import Metrics
from .settings import Settings
from .stores import Store, Stores
from .tracing import TraceKeeper

T = TypeVar("T")
_DATABASE_THREADS = 6
_SETTLING_THREADS = 4
_LIGHT_CHARACTERS = 20_000
"""More than this is encrypted by a thread, and so is a conversation: everybody would wait meanwhile."""


class Gateway:
    """The parts: settings, clock, databases, log, vault, meter, and the connections to the providers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.now: Callable[[], datetime] = clock
        self.stores = Stores(
            Store("main database", settings.database_url.get_secret_value()),
            Store("key database", settings.keys_database_url.get_secret_value()),
        )
        self.log = Log(settings.log_file, to_stderr=settings.log_to_stderr)
        self.vault = Vault(self.stores, key_management(settings))
        self.metrics = Metrics()
        self.journal = Journal(settings.journal_file)
        keepers: list[Keeper] = [HistoryKeeper(self.vault), TraceKeeper(self.vault)]
        self.meter = Meter(self.stores, self.vault, self.metrics.settled, keepers)
        self._threads = ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="gateway-database")
        one_writer = self.stores.main.one_writer
        self._settling: Batches[Record, Settled] = (
            Batches(self._settle_all, _any, 1, self._settle_at_once, _is_light)
            if one_writer and self.stores.keys.one_writer
            else Batches(self._settle_all, _any if one_writer else _account, 1 if one_writer else _SETTLING_THREADS)
        )

    @cached_property
    def connections(self) -> Connections:
        """The connections to the providers."""
        return Connections()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work, mostly a database transaction, away from the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def settle(self, record: Record) -> asyncio.Future[Settled]:
        """Write a request's row, together with those that end at the same moment. Call it once per request."""
        return self._settling.submit(record)

    def _settle_all(self, records: Sequence[Record]) -> Sequence[Settled]:
        return self.meter.settle(records, self.now())

    def _settle_at_once(self, records: Sequence[Record]) -> Sequence[Settled]:
        with self.stores.never_waiting():
            settled = self._settle_all(records)
        for store in (self.stores.main, self.stores.keys):
            if store.due_to_move():
                self._threads.submit(store.move_into_file)
        return settled

    async def look_up(self, work: Callable[[], T]) -> T:
        """Run a look-up of the main database: SQLite's at once, as going to a thread takes longer than it does."""
        return work() if self.stores.main.one_writer else await self.in_thread(work)

    async def close(self) -> None:
        """Let go of everything, after the last request."""
        self.connections.close()
        self.release()

    def release(self) -> None:
        """Let go of everything that was taken before the first request."""
        self._settling.close()
        self._threads.shutdown()
        self.stores.close()
        self.journal.close()
        self.log.close()


def _any(_record: Record) -> None:
    """SQLite writes one transaction at a time, so whatever waits goes into the next."""


def _account(record: Record) -> UUID:
    return record.account


def _is_light(record: Record) -> bool:
    keeps = record.conversation is not None and record.at_arrival["chat_history"].stored
    content = record.content.length if record.content else 0
    return not keeps and content + sum(len(step.detail) for step in record.steps) <= _LIGHT_CHARACTERS
