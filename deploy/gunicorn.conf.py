"""gunicorn's configuration: `gunicorn --config deploy/gunicorn.conf.py wsgi:app`.

What differs from one machine to another is read from the environment; the rest is decided here, once for `make run`,
the tests and production.
"""

from __future__ import annotations

import os
import select
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """A process that, told to stop, lets nobody in any more.

    gunicorn's own keeps its sockets open while it finishes what is under way: whoever comes meanwhile is let in by the
    kernel, never answered, and cut off at the end. This one takes in who is already there, then closes the door, so
    that a proxy is refused at once and can ask elsewhere.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin or end accepting connections; the end is final when the process stops."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        while waiting := select.select(self.sockets, [], [], 0)[0]:
            for listener in waiting:
                self.accept(listener)
        for listener in self.sockets:
            listener.close()


bind = os.environ.get("ANUMA_BIND", "127.0.0.1:8000")

# One process, as many threads: a thread mostly waits for the database or the gateway. More processes need Redis, so
# that they count limits together.
worker_class = Worker
workers = int(os.environ.get("ANUMA_WEB_WORKERS", "1"))
threads = int(os.environ.get("ANUMA_WEB_THREADS", "32"))

# The versions of database and gateway are checked once, at the start: a process that is replaced while an upgrade is
# under way must not be refused by the newer schema. wsgi.py closes what it opened for that, so nothing is shared.
preload_app = True

# A process that gives no sign of life is replaced after `timeout`; at SIGTERM requests under way have the other.
timeout = 60
graceful_timeout = 30
# Longer than a proxy keeps an idle connection (nginx: 60 s), so that the proxy is the one that closes it.
keepalive = 75
max_requests = 20_000
max_requests_jitter = 2_000

limit_request_line = 8190
limit_request_fields = 60
limit_request_field_size = 8190

# Only ANUMA_PROXY_HOPS says what a proxy may tell us; gunicorn itself believes nobody.
forwarded_allow_ips = ""
control_socket_disable = True

# No access log: it would hold addresses and full paths. The application writes a line a request, without them.
accesslog = None
errorlog = "-"
# Its warnings quote the requests that it refuses.
loglevel = "error"

# The sign of life is a file: on a disk that hangs it would kill processes that work.
_memory = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file there that has no name
worker_tmp_dir = str(_memory) if os.access(_memory, os.W_OK) else None

# With several processes each writes its figures to a file of its own, and whoever is asked adds them up.
_figures = Path(tempfile.mkdtemp(prefix="anuma-metrics-")) if workers > 1 else None
if _figures is not None:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_figures)


def child_exit(_server: Any, worker: Any) -> None:
    """Gauges of a process that has ended no longer count; its counters do."""
    if _figures is not None:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Any) -> None:
    """Leave nothing behind."""
    if _figures is not None:
        shutil.rmtree(_figures, ignore_errors=True)
