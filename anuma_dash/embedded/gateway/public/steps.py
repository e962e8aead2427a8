"""The steps of one request: attempts at a provider, and calls of tools that the model asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from anuma_dash.gateway.schemas import ToolCall, TraceStep

from .refusals import Refusal
from .words import whole_text

MOST_HEARD_BYTES: Final = 10_000
"""Of what a provider says of its failure."""
_MOST_CALLS: Final = 1000


@dataclass
class Attempt:
    """One attempt at a provider, as it goes.

    Args:
        heeds: whether the provider's words about a failure may be kept.
    """

    request_id: UUID
    heeds: bool
    status: int | None = None
    said: str = ""

    def hear(self, words: bytes) -> None:
        """Take what the provider says of its failure. It goes into the trace and nowhere else."""
        if self.heeds:
            self.said = words[:MOST_HEARD_BYTES].decode(errors="replace")


class Steps:
    """Gathers them, if a trace may be kept.

    Args:
        elapsed_ms: how long ago the request arrived.
        wanted: whether a trace may be kept.
    """

    def __init__(self, request_id: UUID, elapsed_ms: Callable[[], int], *, wanted: bool) -> None:
        self._request_id = request_id
        self._elapsed_ms = elapsed_ms
        self._wanted = wanted
        self._steps: list[TraceStep] = []
        self.attempted: Attempt | None = None

    @contextmanager
    def attempt(self, provider: str) -> Iterator[Attempt]:
        """One attempt, from here to its end."""
        begun = self._elapsed_ms()
        attempt = self.attempted = Attempt(self._request_id, self._wanted)
        detail = ""
        try:
            yield attempt
        except Refusal as refusal:
            detail = refusal.code
            raise
        except asyncio.CancelledError:
            detail = "canceled"
            raise
        finally:
            took = self._elapsed_ms() - begun
            step = TraceStep(
                kind="attempt",
                after_ms=begun,
                took_ms=took,
                name=provider,
                status=attempt.status,
                detail=attempt.said or detail,
            )
            self._add(step)

    def hear(self, words: bytes) -> None:
        """What the provider says of a failure in the middle of its answer."""
        if self.attempted is not None:
            self.attempted.hear(words)

    def called(self, calls: Iterable[ToolCall]) -> None:
        """The model asked for these."""
        if not self._wanted:
            return
        after = self._elapsed_ms()
        for call in list(calls)[:_MOST_CALLS]:
            name, arguments = whole_text(call.name), whole_text(call.arguments)
            self._add(TraceStep(kind="tool_call", after_ms=after, took_ms=None, name=name, detail=arguments))

    def all(self) -> tuple[TraceStep, ...]:
        """In the order in which they began."""
        return tuple(sorted(self._steps, key=lambda step: step.after_ms))

    def _add(self, step: TraceStep) -> None:
        if self._wanted:
            self._steps.append(step)
