"""The export of a long activity against that of a short one: the memory that making and sending it takes.

Each is made and sent by a process of its own, because what a process once took it keeps. On SQLite; how much of the
activity is in memory at a time is not for the database to say.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

from anuma_dash import create_app, features
from anuma_dash.db import Database, new_id
from anuma_dash.features.activity.export import list_exports, read_export, request_export
from anuma_dash.features.activity.export_making import advance_export
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import Actor, Role, User
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.web.state import Services
from anuma_dash.workflows import Context, utc_now
from benchmarks.dashboard import COOKIE
from benchmarks.figures import Effort, Figure
from benchmarks.lab import Lab
from tests.forms import fill
from tests.long_activity import lengthen
from tests.page import Document
from tests.processes import ROOT
from tests.signed_in import session_of, sign_in_olive

FORMATS = {"jsonl": "JSON Lines", "csv": "CSV"}
_STATUS = Path("/proc/self/status")
_NEXT = "Next: find what grows with the entries, such as a list of stretches or a cache without a bound."


def measure(effort: Effort, _lab: Lab) -> list[Figure]:
    """One round: the peak of a process hardly depends on chance, and a million entries take their time."""
    with _activity(effort.many_rows) as many, _activity(effort.few_rows) as few, ThreadPoolExecutor(2) as pool:
        peaks = [list(pool.map(lambda format, size=size: _peak(size, format), FORMATS)) for size in (few, many)]
    what = (
        f"export of {effort.many_rows:,} ÷ {effort.few_rows:,} entries, peak memory of a process that makes and sends"
    )
    return [
        Figure(f"{what} {label}", 1.1, [of_many / of_few], next_step=_NEXT)
        for label, of_few, of_many in zip(FORMATS.values(), *peaks, strict=True)
    ]


@contextmanager
def _activity(count: int) -> Iterator[dict[str, str]]:
    """The environment of an installation with one account, whose activity has so many entries and a few."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")}
        environment |= {"ANUMA_INSTANCE": folder, "ANUMA_LOG_LEVEL": "ERROR"}
        settings = Settings.from_environment(environment)
        migrate(settings.database_url)
        db = Database(settings.database_url)
        try:
            olive, _ = sign_in_olive(db, settings, utc_now())
            assert olive.account_id is not None
            lengthen(db, olive.account_id, count)
        finally:
            db.dispose()
        yield environment | {"ANUMA_BENCH_OF": f"{olive.user_id} {olive.account_id}"}


def _peak(environment: dict[str, str], format: str) -> float:
    """The most memory, in bytes, that a process held which made such an export and sent it."""
    command = [sys.executable, "-m", "benchmarks.exports", format]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return float(done.stdout)


def make(context: Context, olive: Actor, account_id: UUID, format: str) -> None:
    """What the worker does for an export, from being asked to the last stretch."""
    export = request_export(context, olive, account_id, format, {}, "UTC", token=new_id())
    advance_export(context, export.id, export.attempt)
    assert read_export(context, olive, account_id, export.id).state == "ready"


def send(context: Context, olive: Actor, account_id: UUID, format: str) -> None:
    """What a web process does for a download, from the page to the last byte."""
    export = next(one for one in list_exports(context, olive, account_id) if one.format == format)
    app = create_app(services=Services(context.settings, context.db, context.gateway, utc_now))
    client, base = app.test_client(), context.settings.public_url
    with context.db.transaction() as tx:
        token = session_of(tx, context.settings, tx.get_one(User, olive.user_id), account_id, utc_now())
    client.set_cookie(COOKIE, token, domain="localhost")
    page = Document(client.get(f"/activity/exports/{export.id}", base_url=base).text)
    form = fill(page, "Download", {})
    answer = client.post(form.action, data=dict(form.fields), base_url=base, headers={"Origin": base})
    with closing(answer):
        assert answer.status_code == 200, answer.text
        assert sum(len(chunk) for chunk in answer.iter_encoded()) == export.size_bytes


def _own_peak_bytes() -> int:
    # What `getrusage` tells begins with the peak of whoever started the process; the kernel's own note does not.
    if _STATUS.exists():
        (peak,) = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Make and send an export in the format of the argument, and print the process's peak."""
    features.load_models()
    settings = Settings.from_environment()
    user_id, account_id = (UUID(one) for one in os.environ["ANUMA_BENCH_OF"].split())
    olive = Actor(kind="user", user_id=user_id, name="Olive", role=Role.OWNER, account_id=account_id)
    context = Context(Database(settings.database_url), Gateway.from_settings(settings), utc_now, settings)
    for act in (make, send):
        act(context, olive, account_id, sys.argv[1])
    sys.stdout.write(str(_own_peak_bytes()))


if __name__ == "__main__":
    main()
