"""The worker: sweeps for unfinished rows, and runs one attempt after another on the workflow engine (DBOS).

Each process has an executor id of its own, and no attempt is ever resumed by another process or another version of the
code: a row that its process left unfinished is swept into a new attempt when its lease ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import FrameType
from uuid import UUID, uuid4

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.exc import SQLAlchemyError

from anuma_dash import features, logs, versions, worker_status
from anuma_dash.db import Database
from anuma_dash.errors import DashboardError
from anuma_dash.gateway.client import Gateway
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context, Kind, Schedule, sweep, utc_now

QUEUE = "anuma"
FORGET_EVERY = timedelta(hours=1)
ATTEMPTS_KEPT = timedelta(days=7)
log = structlog.get_logger()
_context: Context
_status: worker_status.Status
_kinds: Mapping[str, Kind] = {kind.name: kind for kind in features.kinds()}


@DBOS.step()
def _step(kind: str, row_id: str, attempt: int) -> None:
    try:
        _kinds[kind].step(_context, UUID(row_id), attempt)
        _status.attempted(kind, "ended")
    except SQLAlchemyError as error:
        _status.attempted(kind, "fault")
        # The lease ends and the row is swept again; the statement may hold personal data, so only its kind is logged.
        log.error("attempt failed", kind=kind, row=row_id, attempt=attempt, fault=type(error).__name__)


@DBOS.workflow()
def run_attempt(kind: str, row_id: str, attempt: int) -> None:
    """One attempt on one row. Its identifier says which, so that it is never enqueued twice."""
    _step(kind, row_id, attempt)


def _enqueue(kind: str, row_id: UUID, attempt: int) -> None:
    with SetWorkflowID(f"{kind}:{row_id}:{attempt}"):
        DBOS.enqueue_workflow(QUEUE, run_attempt, kind, str(row_id), attempt)


def main() -> int:
    """Run until told to stop (SIGTERM or SIGINT).

    Returns the exit status: 1 if database or gateway are of another version, which standard error then names.
    """
    global _context, _status
    settings = Settings.from_environment()
    logs.configure(settings.log_level, "worker")
    _context = Context(Database(settings.database_url), Gateway.from_settings(settings), utc_now, settings)
    _status = worker_status.Status(settings.worker_stale_seconds)
    _context.gateway.observe = _status.called
    try:
        versions.check(_context.db, _context.gateway)
    except DashboardError as error:
        sys.stderr.write(f"the worker refuses to start: {error}\n")
        _context.gateway.close()
        _context.db.dispose()
        return 1
    stop = threading.Event()

    def _stop(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    _launch(settings)
    worker_status.serve(settings, _status)
    log.info("worker ready")
    schedules = [*features.schedules(), Schedule("attempts", FORGET_EVERY, _forget_old_attempts)]
    due_at = {schedule.name: 0.0 for schedule in schedules}
    while not stop.is_set():
        _run_schedules(schedules, due_at)
        _sweep_once(timedelta(seconds=settings.worker_lease_seconds))
        _status.turned()
        stop.wait(settings.worker_poll_seconds)
    DBOS.destroy()
    return 0


def _launch(settings: Settings) -> None:
    config: DBOSConfig = {
        "name": "anuma-dash",
        "system_database_url": settings.workflows_database_url,
        "executor_id": f"{os.getpid()}-{uuid4()}",
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()
    # A limit across processes would count the attempts of processes that died.
    DBOS.register_queue(QUEUE, worker_concurrency=8, polling_interval_sec=0.5)


def _sweep_once(lease: timedelta) -> None:
    try:
        begun = sweep(_context.db, _kinds.values(), _enqueue, utc_now(), lease)
    except SQLAlchemyError as error:
        log.error("sweep failed", fault=type(error).__name__)
        return
    _status.swept()
    if begun:
        log.info("swept", begun=begun)


def _run_schedules(schedules: Iterable[Schedule], due_at: dict[str, float]) -> None:
    for schedule in schedules:
        if time.monotonic() < due_at[schedule.name]:
            continue
        due_at[schedule.name] = time.monotonic() + schedule.every.total_seconds()
        try:
            schedule.run(_context)
        except SQLAlchemyError as error:
            log.error("schedule failed", schedule=schedule.name, fault=type(error).__name__)


def _forget_old_attempts(context: Context) -> None:
    # The engine's own records of attempts are of no use once they are old: the rows hold what is true.
    before = (context.clock() - ATTEMPTS_KEPT).isoformat()
    old = DBOS.list_workflows(end_time=before, limit=1000, load_input=False, load_output=False)
    if old:
        DBOS.delete_workflows([status.workflow_id for status in old])


if __name__ == "__main__":
    sys.exit(main())
