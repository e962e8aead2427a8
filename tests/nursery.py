"""A process that has imported what our processes import, and lets others come of it: a start without the second that
imports take. `python -m tests.nursery FD` is that process; it ends when the other end of its socket is closed.

What comes of it runs like `python -m MODULE`: an environment, a folder and an output of its own, `__main__` made anew.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from anuma_dash import features

PRELOADED = (
    "anuma_dash.application",
    "anuma_dash.embedded.gateway.app",
    "anuma_dash.embedded.gateway.background",
    "anuma_dash.versions",
    "anuma_dash.worker_status",
    "dbos",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.protocols.http.h11_impl",
)
LOOK_SECONDS = 0.01


class Nursery:
    """The other end, in the process that runs the tests."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.nursery", str(theirs.fileno())]
        root = Path(__file__).parent.parent
        environment = os.environ | {"PYTHONPATH": str(root)}
        self._process = subprocess.Popen(command, cwd=root, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()
        self._lines = ours.makefile("rw", encoding="utf-8")
        self._socket = ours
        self._turn = threading.Lock()

    def start(self, module: str, *arguments: str, folder: Path, environment: Mapping[str, str], log: Path) -> Child:
        """Run a module as a process of its own, whose output goes to a new file."""
        log.open("wb").close()
        asked = {"module": module, "arguments": arguments, "folder": str(folder)}
        return Child(self, self.ask({"start": asked | {"environment": dict(environment), "log": str(log)}}))

    def ask(self, question: Mapping[str, Any]) -> Any:
        """One question, and its answer."""
        with self._turn:
            self._lines.write(json.dumps(question) + "\n")
            self._lines.flush()
            return json.loads(self._lines.readline())

    def close(self) -> None:
        """Let it end; what came of it goes on."""
        self._lines.close()
        self._socket.close()
        self._process.wait(60)


class Child:
    """A process that came of the nursery; as much of `subprocess.Popen` as tests use."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, once it has ended."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The same, as soon as there is one; raises `TimeoutExpired` if that takes longer than so many seconds."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@cache
def nursery() -> Nursery:
    """The one of this test process, made when somebody first wants it."""
    made = Nursery()
    atexit.register(made.close)
    return made


def _serve(descriptor: int) -> dict[str, Any] | None:
    """Answer until the other end is closed; in a process that came of this one, return at once what it is to do."""
    with socket.socket(fileno=descriptor) as own, own.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            question = json.loads(line)
            if "start" in question:
                answer: int | None = os.fork()
                if not answer:
                    return dict(question["start"])
            else:
                answer = _status(question["ended"])
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
    return None


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become(wanted: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    os.chdir(wanted["folder"])
    sys.argv = [wanted["module"], *wanted["arguments"]]
    runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    for found in pkgutil.walk_packages(features.__path__, f"{features.__name__}."):
        importlib.import_module(found.name)
    assert threading.active_count() == 1, "a thread would not come along"
    gc.collect()
    gc.freeze()


def main() -> None:
    """Import everything, then wait for what is asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who run the tests
    _preload()
    wanted = _serve(int(sys.argv[1]))
    if wanted is not None:
        _become(wanted)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
