"""What several benchmarks need and none should start twice: gateway, fake provider, a dashboard with a customer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from benchmarks.dashboard import Customer, customer, send_requests
from benchmarks.provider import MODEL
from benchmarks.servers import CLIENT_CORE, SERVER_CORE, on_core, serving
from tests.processes import Process, Stack, free_port, stack

ROWS = 50
"""Rows of a page."""


class Lab:
    """Starts each part when it is first asked for."""

    def __init__(self, stopping: ExitStack) -> None:
        self._stopping = stopping

    @cached_property
    def provider(self) -> str:
        """The URL of a provider that answers at once."""
        url = f"http://127.0.0.1:{free_port()}"
        port = url.rpartition(":")[2]
        self._stopping.enter_context(serving(CLIENT_CORE, f"{url}/", "-m", "benchmarks.provider", port))
        return url

    @cached_property
    def stack(self) -> Stack:
        """A stack whose gateway runs, in front of that provider."""
        prices = {"input_micro_usd_per_million": 1_000_000, "output_micro_usd_per_million": 2_000_000}
        provider = {"name": "bench", "base_url": f"{self.provider}/v1", "api_key": "a-key"}
        providers = json.dumps([provider | {"models": [{"id": MODEL, **prices}]}])
        folder = Path(self._stopping.enter_context(tempfile.TemporaryDirectory()))
        found = self._stopping.enter_context(stack(folder, ANUMA_GATEWAY_PROVIDERS=providers))
        with on_core(SERVER_CORE):
            self._gateway: Process = found.start_gateway()
        return found

    @cached_property
    def gateway_pid(self) -> int:
        """The gateway's process."""
        assert self.stack
        return self._gateway.popen.pid

    @cached_property
    def customer(self) -> Customer:
        """A signed-in owner, with a page of requests and more."""
        return self._stopping.enter_context(customer(self.stack))

    @cached_property
    def key(self) -> str:
        """The key under which the customer's requests were made."""
        return send_requests(self.customer, self.stack.gateway, ROWS + 5)


@contextmanager
def laboratory() -> Iterator[Lab]:
    """A lab, cleared behind it."""
    with ExitStack() as stopping:
        yield Lab(stopping)
