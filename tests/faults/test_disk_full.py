"""The disk is full under web, worker and gateway: no false success, nothing acknowledged is lost, and they go on.

The limit is RLIMIT_FSIZE, set on the running processes from outside: every write to a file fails, log files too, and
works again when the limit is lifted. Nothing has to be mounted for it, and SQLite meets it as it meets ENOSPC: a write
that fails.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anuma_dash.db import new_id
from anuma_dash.gateway import schemas
from tests.faults.site import Site, site
from tests.processes import wait_until

pytestmark = pytest.mark.processes
BACK_WITHIN_SECONDS = 10


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        found.start("gateway", "web", "worker")
        found.sign_in()
        found.sync()
        yield found


def processes(running: Site) -> list[int]:
    """Their identifiers, with those of their children."""
    found = [process.popen.pid for process in running.running.values()]
    for pid in found:
        found += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found


@contextmanager
def full_disk(running: Site) -> Iterator[None]:
    """None of them can write to any file meanwhile."""
    pids = processes(running)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[pid][1]))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before[pid])


def pill(running: Site) -> str:
    assert running.page is not None
    return running.page.one("#prompt-logging-state").text


def test_a_full_disk_costs_no_acknowledged_write_and_no_process(running: Site) -> None:
    gateway, olive, account_id = running.context.gateway, running.olive, running.account_id
    running.visit("/data-controls/prompt-logging/edit")
    running.submit("Switch it on", accepted=True)
    key = gateway.create_key(olive, account_id, schemas.NewKey(name="kept"), str(new_id()))
    assert running.chat(key.secret or "").headers["X-Anuma-Content-Stored"] == "true"
    running.visit("/data-controls")
    assert pill(running) == "On"
    controls, events = running.page, running.count("control.requested")
    running.visit("/keys/new")
    new_key = running.page

    with full_disk(running):
        running.page = controls
        assert running.submit("Prompt logging", within="#prompt-logging").status_code == 503
        assert "database does not answer" in running.text
        running.page = new_key
        assert running.submit("Make the key", name="never").status_code == 503
        assert running.page is not None
        assert not running.page.select("#secret")
        refused = running.chat(key.secret or "")
        assert refused.status_code == 503, "what cannot be recorded is not served"
        assert running.visit("/activity").status_code == 200, "reading goes on"
        assert running.browser.get(running.stack.dashboard + "/healthz").text == "ok\n"
        assert running.count("control.requested") == events
        assert [one.name for one in gateway.keys(olive, account_id).data] == ["kept"]

    wait_until(lambda: running.chat(key.secret or "").status_code == 200, "the gateway is back", BACK_WITHIN_SECONDS)
    running.visit("/data-controls")
    assert pill(running) == "On", "what was acknowledged is there"
    assert running.count("control.in_effect") == 1
    running.submit("Prompt logging", within="#prompt-logging")
    running.settled()
    running.visit("/data-controls")
    assert pill(running) == "Off"
    running.sign_in()
    running.settled()  # only the worker tells the gateway of the new account
    assert all(one.popen.poll() is None for one in running.running.values()), "nobody was restarted"
    assert running.audit_holds()
