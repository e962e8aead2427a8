"""More than the dashboard can carry: some are refused in words, everybody else is served, and it is over at once.

How much it still carries then is a figure, not a test: `benchmarks/overload.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.load import press
from tests.faults.site import Site, site
from tests.processes import wait_until

pytestmark = pytest.mark.processes
CLIENTS = 40
BACK_WITHIN_SECONDS = 10


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Site]:
    """Few slots, so that few clients are three times too many."""
    with site(tmp_path, ANUMA_WEB_SLOTS="2", ANUMA_WEB_WAITING="4", ANUMA_WEB_WAIT_SECONDS="0.2") as found:
        found.start("gateway", "web")
        found.sign_in()
        found.sync()
        yield found


def test_three_times_too_much_is_refused_politely_and_leaves_nothing_behind(running: Site) -> None:
    cookie = running.browser.headers["Cookie"]
    heard = press(running.stack.dashboard + "/keys", cookie, clients=CLIENTS, requests=400, must_hold="API keys")

    assert set(heard.statuses) == {200, 503}, heard
    assert heard.told_to_wait == heard.statuses[503], "every refusal says when to come back"
    assert heard.odd == [], "no answer is half, wrong or missing"
    assert running.running["web"].popen.poll() is None
    wait_until(lambda: running.visit("/keys").status_code == 200, "it serves again", BACK_WITHIN_SECONDS)
    assert b"Worker" not in running.running["web"].log.read_bytes(), "no worker process died"
