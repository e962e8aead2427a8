"""Processes to measure: each on a core of its own as far as there are cores, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.processes import ROOT, answers, wait_until

SERVER_CORE, CLIENT_CORE = 0, 1
_CPU_CLOCK_OF_A_PROCESS = 2


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile runs on this core; without a second one, or on a system without this, anywhere."""
    if not hasattr(os, "sched_getaffinity") or not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def serving(core: int, ready_url: str, *arguments: str) -> Iterator[int]:
    """A Python process on this core, ended behind it; yields its process id once it answers."""
    with on_core(core):
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: answers(ready_url), f"{arguments[1]} answers")
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, all its threads together; wall-clock time where it is not told."""
    if sys.platform != "linux":
        return time.perf_counter()
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_A_PROCESS)  # as clock_getcpuclockid(3) makes it
