"""The raw search: it reads files in a process of its own, and a search that fails proves nothing."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from anuma_dash.embedded.gateway import scanner, search
from anuma_dash.embedded.gateway.logs import Log
from anuma_dash.embedded.gateway.search import Search
from tests.gateway.conftest import finished
from tests.gateway.test_deletions import delete

COMMAND = [sys.executable, "-I", "-S", scanner.__file__]
_watchers: list[list[str]] = []
_hooked: list[bool] = []


def look_for(running, *pieces):
    return Search(running.gateway.stores, running.gateway.log).look_for(pieces, running.gateway.now())


def order(files, *wanted):
    return {"files": [os.fsencode(file).hex() for file in files], "wanted": [piece.hex() for piece in wanted]}


def scan(files, *wanted):
    ended = subprocess.run(
        COMMAND, input=json.dumps(order(files, *wanted)), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(ended.stdout)


@contextmanager
def opened_files():
    """Every file that this process, the gateway's too, opens itself. What SQLite's library opens is not among them."""
    if not _hooked:  # a hook cannot be taken out again
        _hooked.append(True)
        sys.addaudithook(lambda event, args: event == "open" and [seen.append(str(args[0])) for seen in _watchers])
    seen: list[str] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


def test_the_gateway_opens_no_database_file_itself(running, dashboard):
    """Closing one again would drop SQLite's locks on it."""
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    with opened_files() as seen:
        running.chat(key["secret"], "a prompt to be deleted")
        canary = dashboard.call("POST", account, "/canary", body={"key_id": key["id"]}).json()
        assert canary["passed"]
        assert finished(dashboard, account, delete(dashboard, account))["state"] == "verified"
        (running.settings.instance / "watched").touch()
    assert any("watched" in name for name in seen), "it is seen when a file is opened"
    assert [name for name in seen if ".sqlite" in name] == []


def test_the_log_keeps_its_control_strings_whatever_level_the_process_has_set(tmp_path):
    """The command line shows warnings only; a gateway in the same process would else never prove its search."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        log = Log(tmp_path / "gateway.log", to_stderr=False)
        log.info("search_control", planted="control-1")
        log.close()
    finally:
        structlog.configure(**before)
    assert "control-1" in (tmp_path / "gateway.log").read_text()


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Another script in the scanner's place."""

    def put(source):
        path = tmp_path / "scanner.py"
        path.write_text(source)
        monkeypatch.setattr(search, "_SCANNER", path)

    return put


SLEEPS = "import time; time.sleep(600)"
FOUND = 'import json, sys; json.load(sys.stdin); print(\'{"searched_bytes": 1, "found": %s}\')'


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdin.read()",
        FOUND % "[]" + "; raise SystemExit(1)",
        FOUND % "[99]",
        FOUND % "[-1]",
        FOUND % "null",
        SLEEPS,
    ],
)
def test_a_scan_that_fails_proves_nothing(running, script, monkeypatch, source):
    script(source)
    if source == SLEEPS:
        monkeypatch.setattr(search, "_SCAN_SECONDS", 0.5)
    results = {result.store: result for result in look_for(running, b"a piece of text")}
    by_file = [results["log files"]]
    if running.gateway.stores.main.sqlite_file is not None:
        by_file += [results["main database"], results["key database"]]
    for result in by_file:
        assert (result.searched_bytes, result.found, result.control_found) == (0, frozenset(), False)


def test_nothing_passes_on_a_scan_that_failed(running, dashboard, script):
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    running.chat(key["secret"], "a prompt to be deleted")
    script("raise SystemExit(1)")
    canary = dashboard.call("POST", account, "/canary", body={"key_id": key["id"]}).json()
    assert not canary["passed"]
    done = finished(dashboard, account, delete(dashboard, account))
    assert done["state"] == "failed"
    assert "could not be proven" in done["failure"]
    assert "log files" in done["failure"]


def test_a_file_that_cannot_be_read_proves_nothing(running):
    folder = Path(f"{running.settings.log_file}.d")
    folder.mkdir()
    try:
        assert [result.control_found for result in look_for(running, b"a piece of text")][-1] is False
    finally:
        folder.rmdir()
    assert all(result.control_found for result in look_for(running, b"a piece of text"))


def test_what_is_searched_for_stands_in_no_arguments(running, script, tmp_path):
    script("import pathlib, sys; pathlib.Path(__file__).with_name('seen').write_text(repr(sys.orig_argv))")
    piece = secrets.token_hex(8)
    look_for(running, piece.encode())
    seen = (tmp_path / "seen").read_text()
    assert "scanner.py" in seen
    assert piece not in seen
    assert piece.encode().hex() not in seen
    assert ".sqlite" not in seen


@pytest.mark.parametrize("before", [0, (1 << 20) - 4, (1 << 20) - 1, 1 << 20, (2 << 20) - 3])
def test_the_scanner_finds_across_chunks(tmp_path, before):
    (tmp_path / "one").write_bytes(b"x" * before + b"a needle" + b"y" * 100)
    answer = scan([tmp_path / "missing", tmp_path / "one"], b"nowhere to be found", b"a needle")
    assert answer == {"searched_bytes": before + 108, "found": [1]}


def test_the_scanner_takes_any_file_name(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff \xc3\xa9"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"a needle")
    assert scan([path], b"a needle")["found"] == [0]


@pytest.fixture
def pipe(tmp_path):
    """A file that a scan stands still in until somebody writes to it."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_for_all_processes_ends_no_scan(pipe, stop):
    """Else the gateway would write the deletion down as failed, instead of going on with it after the restart."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        running.stdin.write(json.dumps(order([pipe], b"a needle")))
        running.stdin.close()
        with pipe.open("wb") as file:  # opens when the scanner has opened it
            running.send_signal(stop)
            file.write(b"a needle")
        assert json.load(running.stdout) == {"searched_bytes": 8, "found": [0]}


def test_a_scan_that_nobody_waits_for_ends(pipe):
    going = pipe.with_name("going")
    os.mkfifo(going)
    start = (
        "import subprocess, sys; words, going, *command = sys.argv[1:];"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE); child.stdin.write(words.encode());"
        "child.stdin.close(); open(going).read()"
    )
    command = [sys.executable, "-c", start, json.dumps(order([pipe], b"a needle")), going, *COMMAND]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with parent, pipe.open("wb") as file:
        going.write_text("go")
        parent.wait(60)
        file.write(b"a needle")
        file.close()
        assert parent.stdout.read() == b"", "the answer"
