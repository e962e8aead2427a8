"""The gateway's own work beside requests: deletions, the scheduled purge, and the hourly sweep. One thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

from .core import Gateway
from .deleting import Deleting
from .deletions import unfinished
from .purging import Purging
from .schedule import due_in_seconds, schedule_after, schedule_first
from .sweep import sweep

_SWEEP_SECONDS: Final = 3600.0
_IDLE_SECONDS: Final = 60.0
_AFTER_ERROR_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 10.0


class UnfinishedWork(Exception):
    """Some deletion could not be carried out this time."""


class Background:
    """Starts where the last process stopped: the rows say what is unfinished."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="gateway-background", daemon=True)
        self._next_sweep = 0.0
        self._swept: UUID | None = None
        self._until_purge = _IDLE_SECONDS

    def start(self) -> None:
        """Begin, unfinished deletions first."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """End after the step under way; what is left, the next process does."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            done = [self._attempt(work) for work in (self._delete, self._purge, self._sweep)]
            self._wake.wait(min(_IDLE_SECONDS, self._until_purge) if all(done) else _AFTER_ERROR_SECONDS)

    def _attempt(self, work: Callable[[], object]) -> bool:
        """Whatever goes wrong is logged and tried again later; the rest of the work goes on."""
        try:
            work()
        except Exception as error:
            self._gateway.log.error("background_failed", error)
            return False
        return True

    def _delete(self) -> None:
        with self._gateway.stores.main.read() as connection:
            waiting = [Deleting(self._gateway, deletion_id) for deletion_id in unfinished(connection)]
        done = [self._attempt(deleting.run) for deleting in waiting if not self._stopping]
        if not all(done):
            raise UnfinishedWork

    def _purge(self) -> None:
        gateway = self._gateway
        if not gateway.settings.purge_minutes or self._stopping:
            return
        schedule_first(gateway)
        if due_in_seconds(gateway) <= 0 and Purging(gateway, lambda: self._stopping).run():
            schedule_after(gateway)
        self._until_purge = max(due_in_seconds(gateway), 0.0)

    def _sweep(self) -> None:
        if time.monotonic() >= self._next_sweep and not self._stopping:
            self._swept = sweep(self._gateway, self._swept)
            self._gateway.metrics.last_sweep.set_to_current_time()
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
