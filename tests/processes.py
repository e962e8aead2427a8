"""The real processes, started as `make run` starts them, on ports of their own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.nursery import Child, nursery

ROOT = Path(__file__).parent.parent
READY_SECONDS = 180


def _ports() -> Iterator[int]:
    """Ports that the kernel gives to no connection by itself: a slice for each test process, begun anywhere in it."""
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "0"
    first = 20_000 + 1_000 * (int(worker) % 12)
    begin = first + os.getpid() % 1_000
    return itertools.cycle([*range(begin, first + 1_000), *range(first, begin)])


_candidates = _ports()


def free_port() -> int:
    """A port on which nothing listens, and which nobody is given until whoever asked listens on it."""
    for port in itertools.islice(_candidates, 1_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


def wait_until(condition, what: str, seconds: float = 60) -> None:
    """Poll a real condition until it holds; fail naming it when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def answers(url: str, status: int = 200) -> bool:
    """Whether something answers there, with 200 or another status."""
    try:
        return httpx.get(url, timeout=2, trust_env=False, verify=False).status_code == status
    except httpx.HTTPError:
        return False


@dataclass
class Process:
    """One process of ours, with what it wrote."""

    name: str
    popen: subprocess.Popen[bytes] | Child
    log: Path

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(30)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang meanwhile: it accepts connections and answers none (SIGSTOP)."""
        self.popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.popen.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; returns its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
        try:
            return self.popen.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@dataclass
class Stack:
    """Dashboard, gateway, sandbox and worker of one instance folder.

    Its processes come of the nursery, which has imported what they import; `anew` starts each as an operator does.
    """

    folder: Path
    dashboard: str
    gateway: str
    sandbox: str
    environment: dict[str, str]
    anew: bool = False
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str, *command: str, root: Path = ROOT) -> Process:
        """Start one process of the stack."""
        log = self.folder / f"{name}-{len(self.processes)}.log"
        environment = self.environment | {"PYTHONPATH": str(root)}
        popen: subprocess.Popen[bytes] | Child
        if command[0] == "-m" and root == ROOT and not self.anew:
            popen = nursery().start(*command[1:], folder=root, environment=environment, log=log)
        else:
            command = (sys.executable, *command)
            with log.open("wb") as output:
                popen = subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT)
        process = Process(name, popen, log)
        self.processes[f"{name}-{len(self.processes)}"] = process
        return process

    def start_gateway(self) -> Process:
        """The embedded gateway."""
        process = self.start("gateway", "-m", "anuma_dash.embedded.gateway")
        wait_until(lambda: answers(f"{self.gateway}/healthz"), "the gateway answers", READY_SECONDS)
        return process

    def start_worker(self, root: Path = ROOT) -> Process:
        """The worker."""
        process = self.start("worker", "-m", "anuma_dash.worker", root=root)
        wait_until(lambda: b"worker ready" in process.log.read_bytes(), "the worker is ready", READY_SECONDS)
        return process

    def start_dashboard(self) -> Process:
        """The dashboard's web process."""
        process = self.start("dashboard", "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app")
        wait_until(lambda: answers(f"{self.dashboard}/healthz"), "the dashboard answers", READY_SECONDS)
        return process

    def start_everything(self) -> Process:
        """All four at once, as `make run` does; ready when it has said where to go."""
        process = self.start("everything", "app.py")
        said = re.compile(rb"Anuma Dashboard is ready")
        wait_until(lambda: bool(said.search(process.log.read_bytes())), "make run says where to go", READY_SECONDS)
        return process

    def stop(self) -> None:
        """End what is still running; one that does not end keeps none of the others."""
        with ExitStack() as others:
            for process in self.processes.values():
                if process.popen.poll() is None:
                    others.callback(process.stop)


@contextmanager
def stack(folder: Path, *, anew: bool = False, **environment: str) -> Iterator[Stack]:
    """A stack in this folder, nothing started yet; everything it started is ended behind it."""
    dashboard, gateway, sandbox = (f"http://localhost:{free_port()}" for _ in range(3))
    smtp_port = free_port()
    found = Stack(
        folder=folder,
        dashboard=dashboard,
        gateway=gateway,
        sandbox=sandbox,
        anew=anew,
        environment={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")},
            "ANUMA_INSTANCE": str(folder / "instance"),
            "ANUMA_PUBLIC_URL": dashboard,
            "ANUMA_BIND": f"127.0.0.1:{dashboard.rpartition(':')[2]}",
            "ANUMA_GATEWAY_URL": gateway,
            "ANUMA_GATEWAY_PUBLIC_URL": f"{gateway}/v1",
            "ANUMA_GATEWAY_PORT": gateway.rpartition(":")[2],
            "ANUMA_SANDBOX_ISSUER": sandbox,
            "ANUMA_SANDBOX_PORT": sandbox.rpartition(":")[2],
            "ANUMA_SANDBOX_SMTP_PORT": str(smtp_port),
            "ANUMA_SMTP_URL": f"smtp://localhost:{smtp_port}",
            "ANUMA_SANDBOX_REDIRECT_URIS": f"{dashboard}/sign-in/sandbox/callback",
            "ANUMA_SANDBOX_POST_LOGOUT_REDIRECT_URIS": f"{dashboard}/signed-out",
            "ANUMA_SANDBOX_BACK_CHANNEL_LOGOUT_URI": f"{dashboard}/sign-in/sandbox/back-channel-logout",
            "ANUMA_WORKER_POLL_SECONDS": "0.2",
            "ANUMA_WORKER_LEASE_SECONDS": "2",
            **environment,
        },
    )
    try:
        yield found
    finally:
        found.stop()
