"""Goodput of the dashboard at three times the load that fills it, against its peak."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.figures import Effort, Figure
from benchmarks.lab import Lab
from benchmarks.servers import CLIENT_CORE, SERVER_CORE, on_core
from tests.faults.load import press
from tests.faults.site import site

PATH = "/keys"


def measure(effort: Effort, _lab: Lab) -> list[Figure]:
    """The figure of *3× the load it can carry*.

    Peak: as many clients as there are slots, each asking as soon as it was answered. Overload: three times the requests
    a second that were answered then, by more clients than there are slots and waiting places; none heeds Retry-After.
    """
    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as running:
        with on_core(SERVER_CORE):
            running.start("gateway", "web")
        running.sign_in()
        running.sync()
        settings = running.settings
        ask = partial(press, running.stack.dashboard + PATH, running.browser.headers["Cookie"], must_hold="API keys")
        crowd = 3 * (settings.web_slots + settings.web_waiting)
        calls = 2 * effort.calls
        with on_core(CLIENT_CORE):
            ask(clients=settings.web_slots, requests=calls)
            for _ in range(effort.rounds):
                peak = ask(clients=settings.web_slots, requests=calls).good_a_second
                over = ask(clients=crowd, requests=3 * calls, a_second=3 * peak).good_a_second
                found.append(over / peak)
    name = "goodput at 3 × the load that the dashboard can carry ÷ its peak"
    step = (
        "Refusing is not free: each refusal is read and parsed by the same process that draws pages. "
        "Next: refuse in the worker's accept loop, before a request is read, or in the proxy."
    )
    return [Figure(name, 0.8, found, at_least=True, next_step=step)]
