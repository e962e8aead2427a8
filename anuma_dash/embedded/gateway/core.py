"""What the gateway is made of, put together once and handed to both of its APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import httpx

from .contents import Vault
from .encryption import KeyRing
from .identifiers import Clock
from .logs import Log
from .metering import Meter
from .settings import Settings
from .stores import Store, Stores

T = TypeVar("T")
_DATABASE_THREADS = 6
_CONNECT_SECONDS = 5.0


class Gateway:
    """The parts: settings, clock, databases, log, vault, meter, and the client of the providers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.now: Callable[[], datetime] = clock
        self.stores = Stores(
            Store("main database", settings.database_url.get_secret_value()),
            Store("key database", settings.keys_database_url.get_secret_value()),
        )
        self.log = Log(settings.log_file, to_stderr=settings.log_to_stderr)
        self.vault = Vault(self.stores, KeyRing(settings.key_encryption_keys))
        self.meter = Meter(self.stores, self.vault)
        self._threads = ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="gateway-database")
        self._client: httpx.AsyncClient | None = None

    @property
    def client(self) -> httpx.AsyncClient:
        """The HTTP client of the providers. It takes no proxy from the environment and follows no redirect."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
                headers={"user-agent": "anuma-gateway", "accept-encoding": "identity"},
            )
        return self._client

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work, mostly a database transaction, away from the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Let go of everything, after the last request."""
        if self._client is not None:
            await self._client.aclose()
        self._threads.shutdown()
        self.stores.close()
        self.log.close()
