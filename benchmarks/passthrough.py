"""The embedded gateway against a bare httpx pass-through: what keys, policy, metering and storing cost a request."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from anuma_dash.db import new_id
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER
from benchmarks import load
from benchmarks.dashboard import Customer
from benchmarks.figures import Effort, Figure, interleaved, ratios
from benchmarks.lab import Lab
from benchmarks.provider import MODEL
from benchmarks.servers import CLIENT_CORE, SERVER_CORE, cpu_seconds, on_core, serving
from tests.processes import free_port

CLIENTS = (1, 8)
_QUESTION = "What is the answer to the question of life, the universe and everything? " * 4
_BODY = {
    "model": MODEL,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": _QUESTION}],
}
_NEXT = (
    "Where the time goes stands in docs/decisions/040-the-hot-path.md. "
    "The next step is the settlement (fewer statements for its sums) and Starlette's middleware on the hot path."
)


@dataclass(frozen=True)
class _Arm:
    """One of the two servers with one request to it."""

    pid: int
    url: str
    request: bytes


@dataclass(frozen=True)
class _Pair:
    ours: _Arm
    bare: _Arm


def measure(effort: Effort, lab: Lab) -> list[Figure]:
    """Time per request, and how much later a stream's first byte comes."""
    figures = []
    with _servers(lab) as pairs:
        for name, pair in pairs.items():
            for clients in CLIENTS:
                figures += _compare(name, pair, clients, effort)
    return figures


def _compare(name: str, pair: _Pair, clients: int, effort: Effort) -> list[Figure]:
    spent: dict[str, list[load.Spent]] = {"ours": [], "bare": []}
    cpu: dict[str, list[float]] = {"ours": [], "bare": []}

    def run(side: str, arm: _Arm) -> float:
        connections = [load.Connection(arm.url) for _ in range(clients)]
        load.run(connections, arm.request, 2 * clients)
        before = cpu_seconds(arm.pid)
        found = load.run(connections, arm.request, effort.calls)
        cpu[side].append((cpu_seconds(arm.pid) - before) / effort.calls)
        for connection in connections:
            connection.close()
        spent[side].append(found)
        return found.seconds / effort.calls

    with on_core(CLIENT_CORE):
        took = interleaved(
            {"ours": lambda: run("ours", pair.ours), "bare": lambda: run("bare", pair.bare)}, effort.rounds
        )
    label = f"{clients} client{'s' if clients > 1 else ''}"
    what = f"gateway ÷ bare pass-through, {name}, {label}"
    figures = [
        Figure(f"{what}: time per request", 1.5, ratios(took["ours"], took["bare"]), next_step=_NEXT),
        Figure(f"{what}: processor time per request", None, ratios(cpu["ours"], cpu["bare"]), next_step=_TOO_SHORT),
    ]
    if name == "stream":
        later = [
            (statistics.median(ours.first_bytes) - statistics.median(bare.first_bytes)) * 1000
            for ours, bare in zip(spent["ours"], spent["bare"], strict=True)
        ]
        figures.append(Figure(f"gateway − bare pass-through, {label}: first byte of a stream", 10, later, unit="ms"))
    return figures


_TOO_SHORT = "The clock of the processor did not move in so few calls: take more."


@contextmanager
def _servers(lab: Lab) -> Iterator[dict[str, _Pair]]:
    bare = f"http://127.0.0.1:{free_port()}"
    arguments = ("-m", "benchmarks.bare", bare.rpartition(":")[2], lab.provider)
    with serving(SERVER_CORE, f"{bare}/healthz", *arguments) as bare_pid:
        url = lab.stack.gateway.replace("localhost", "127.0.0.1")
        pairs = {}
        for name, (logging, body, path) in _CASES.items():
            headers = {"Authorization": f"Bearer {_secret(lab.customer, logging=logging)}"}
            ours = load.post(f"{url}/v1/chat/completions", body, headers)
            its = load.post(f"{bare}/{path}", body, headers)
            pairs[name] = _Pair(_Arm(lab.gateway_pid, url, ours), _Arm(bare_pid, bare, its))
        yield pairs


_CASES = {
    "whole answer": (False, _BODY, "whole"),
    "stream": (False, _BODY | {"stream": True}, "stream"),
    "whole answer, stored": (True, _BODY, "whole"),
}


def _secret(who: Customer, *, logging: bool) -> str:
    """A key of an account of its own, with prompt logging or without."""
    gateway, account = who.services.gateway, new_id()
    gateway.put_account(WORKER, account, "Pass-through", "active")
    created = gateway.create_key(WORKER, account, schemas.NewKey(name="bench"), str(new_id()))
    on = {name: schemas.ControlSetting(enabled=logging, retention_days=30) for name in get_args(schemas.ControlName)}
    gateway.put_controls(WORKER, account, schemas.RequestedControls(epoch=1, controls=on))
    assert created.secret is not None
    return created.secret
