"""A string through every input, then looked for everywhere: with logging off, and after a deletion with logging on.

What may be found, and where, stands in `KEPT` with the reason. Everything else is a leak.
"""

from __future__ import annotations

import base64
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from joserfc.jwk import ECKey

from anuma_dash.db import Database
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from tests.canary.gateway_inputs import content_of, internal_inputs, public_inputs
from tests.canary.marks import Marks, search_files, search_tables
from tests.canary.place import Place, databases_on
from tests.canary.site_inputs import raw_inputs, sign_up, walk
from tests.gateway.dashboard import Dashboard, Signer
from tests.gateway.provider import SECRET_WORDS, FakeProvider
from tests.processes import Stack, free_port, stack, wait_until
from tests.servers import serve

pytestmark = pytest.mark.processes


@dataclass(frozen=True)
class Kept:
    """Inputs, by a pattern of their names, that are meant to be kept: why, and in which columns and other files.

    `stays` is False for what the next input of its kind overwrites, so that it need not be there in the end.
    """

    inputs: str
    reason: str
    places: frozenset[str]
    stays: bool = True


KEPT = (
    Kept(
        r"address at the provider",
        "the address that a person signs in with",
        frozenset({"dashboard.users.email", "dashboard.sign_in_identities.claims", "dashboard.accounts.contact_email"}),
    ),
    Kept(
        r"name at the provider",
        "what the provider says of a person",
        frozenset({"dashboard.sign_in_identities.claims"}),
    ),
    Kept(
        r"site form /welcome name",
        "what a person wants to be called, in what they did too",
        frozenset(
            {
                "dashboard.users.name",
                "dashboard.accounts.name",
                "dashboard.accounts.contact_name",
                "dashboard.audit_details.body",
                "dashboard.control_changes.requested_by_name",
                "dashboard.control_tests.tested_by_name",
                "dashboard.control_notices.switched_on_by",
                "dashboard.key_revocations.requested_by_name",
                "gateway.accounts.name",
            }
        ),
    ),
    Kept(
        r"site form /profile name",
        "what a person wanted to be called for a while: a change says old and new",
        frozenset({"dashboard.audit_details.body"}),
    ),
    Kept(
        r"site form /(organizations|account) name",
        "what an account is called",
        frozenset({"dashboard.accounts.name", "dashboard.audit_details.body", "gateway.accounts.name"}),
    ),
    Kept(
        r"site form /apps(/ID)? name",
        "what a person calls an app",
        frozenset({"dashboard.audit_details.body", "gateway.apps.name", "gateway.idempotency_keys.response"}),
    ),
    Kept(
        r"site form /keys name",
        "what a person calls a key",
        frozenset(
            {
                "dashboard.key_intents.name",
                "dashboard.audit_details.body",
                "gateway.api_keys.name",
                "gateway.idempotency_keys.response",
            }
        ),
    ),
    Kept(
        r"internal (POST /keys|POST /apps|PUT ) name",
        "names, as the dashboard sends them",
        frozenset(
            {
                "gateway.accounts.name",
                "gateway.api_keys.name",
                "gateway.apps.name",
                "gateway.idempotency_keys.response",
            }
        ),
    ),
    Kept(
        r"site form /support-access ticket",
        "the number of a ticket, for support to find",
        frozenset({"dashboard.support_grants.ticket", "dashboard.audit_details.body"}),
    ),
    Kept(
        r"site form /sign-in-methods/passkeys/new name",
        "what a person calls a passkey, while the browser makes it",
        frozenset({"dashboard.passkey_challenges.name"}),
        stays=False,
    ),
    Kept(r"internal claim jti", "a token is good for one write", frozenset({"gateway.used_tokens.jti"})),
    Kept(
        r"internal POST .* header idempotency-key",
        "the same request is carried out once",
        frozenset({"gateway.idempotency_keys.key"}),
    ),
    Kept(
        r"internal .* header x-request-id",
        "the dashboard's own identifier of a request joins the two logs",
        frozenset({"gateway.log", "gateway-1.log"}),
    ),
)
"""Files of a database whose columns are named here may of course hold the same."""


@dataclass
class Walked:
    """What was found when everything had been sent: while all ran, and after all had stopped."""

    marks: Marks
    tables: dict[str, set[str]] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)
    figures: set[str] = field(default_factory=set)
    logging_on: LoggingOn | None = None
    engine: str = "sqlite"


@dataclass
class LoggingOn:
    """What was seen of prompts that were stored, before and after they were deleted."""

    marks: Marks
    read: list[str]
    files_before: dict[str, set[str]]
    files_after: dict[str, set[str]]
    pieces_before: set[str]
    pieces_after: set[str]
    deletion: dict[str, object]
    content_after: list[str]
    figures_after: set[str]
    tables_after: dict[str, set[str]] = field(default_factory=dict)


# The long runs look on PostgreSQL too: the same search of other tables.
ENGINES = ["sqlite", "postgresql"] if "ANUMA_KILL_SEEDS" in os.environ else ["sqlite"]


@pytest.fixture(scope="module", params=ENGINES)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """The whole stack in one folder, temporary files too; everything is sent, then everything is searched."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "tmp").mkdir()
    provider, found, metrics = FakeProvider(), Walked(Marks(), engine=request.param), free_port()
    with serve(provider) as provider.base_url, databases_on(request.param, folder) as (databases, names):
        more = {
            "TMPDIR": str(folder / "tmp"),
            "ANUMA_GATEWAY_PROVIDERS": provider.configuration(),
            "ANUMA_GATEWAY_BUDGET_SECONDS": "20",
            "ANUMA_WORKER_METRICS_PORT": str(metrics),
            **names,
        }
        with stack(folder, **more) as running:
            settings = Settings.from_environment(running.environment)
            migrate(settings.database_url)
            running.start("sandbox", "-m", "anuma_dash.embedded.sandbox")
            running.start_gateway()
            running.start_worker()
            running.start_dashboard()
            place = Place(
                running, settings, databases, (running.dashboard, running.gateway, f"http://127.0.0.1:{metrics}")
            )
            send_everything(found.marks, running, settings)
            found.figures = place.figures(found.marks)
            found.files = search_files(found.marks, folder, SECRET_WORDS.encode())
            found.logging_on = store_and_delete(place)
        files = {path.stem for path in (folder / "instance").glob("*.sqlite")}
        assert files == (databases.keys() if request.param == "sqlite" else set())
        found.tables = search_tables(found.marks, databases)
        found.logging_on.tables_after = search_tables(found.logging_on.marks, databases)
    for name, inputs in search_files(found.marks, folder, SECRET_WORDS.encode()).items():
        found.files.setdefault(name, set()).update(inputs)
    return found


def send_everything(marks: Marks, running: Stack, settings: Settings) -> None:
    """Send a mark through every input, with logging off."""
    with (
        closing(sign_up(marks, running.dashboard)) as visitor,
        closing(dashboard_of(running, settings)) as dashboard,
    ):
        account = account_of(settings)
        key = dashboard.new_key(account)
        assert not dashboard.get(account, "/controls")["controls"]["prompt_logging"]["enabled"]
        statuses = public_inputs(marks, running.gateway, key["secret"])
        assert {200, 404, 422, 429, 502, 504} <= statuses, statuses
        assert dashboard.requests(account, content="stored") == []
        actions = walk(marks, visitor)
        assert {"/keys", "/sign-out", "/theme", "/data-controls/prompt-logging"} <= actions, actions
        assert not visitor.statuses & {500, 502, 503}
        statuses = internal_inputs(marks, dashboard, account)
        assert {200, 404, 422} <= statuses
        assert not statuses & {500, 503}
    with closing(sign_up(marks, running.dashboard)) as visitor:
        raw_inputs(marks, visitor, settings)


def store_and_delete(place: Place) -> LoggingOn:
    """Send marks with logging on, read them, look for them, delete them, and look again."""
    marks, running, settings = Marks(), place.stack, place.settings
    with closing(dashboard_of(running, settings)) as dashboard:
        account = dashboard.new_account()  # whatever the inputs did to the other one
        dashboard.switch_logging(account, True)
        bearer = {"authorization": f"Bearer {dashboard.new_key(account)['secret']}"}
        requests = []
        for model in ("anuma/echo", "fake/plain"):
            for stream in (False, True):
                messages = [{"role": "user", "content": marks.new(f"prompt {model} {stream}")}]
                body = {"model": model, "stream": stream, "messages": messages}
                url = f"{running.gateway}/v1/chat/completions"
                answer = httpx.post(url, json=body, headers=bearer, timeout=30, trust_env=False)
                assert answer.status_code == 200, answer.text
                requests.append(answer.headers["X-Request-Id"])
        read = [content_of(dashboard, account, request) for request in requests]
        pieces = place.encrypted()
        before = search_files(marks, running.folder), place.holds(pieces)
        deletion = {"id": str(uuid4()), "scope": {"category": "request_content"}}
        assert dashboard.call("POST", account, "/deletions", body=deletion).status_code == 202
        path = f"/deletions/{deletion['id']}"
        wait_until(lambda: dashboard.get(account, path)["finished_at"], "the deletion has ended")
        return LoggingOn(
            marks=marks,
            read=read,
            files_before=before[0],
            pieces_before=before[1],
            files_after=search_files(marks, running.folder),
            pieces_after=place.holds(pieces),
            deletion=dashboard.get(account, path),
            content_after=[content_of(dashboard, account, request) for request in requests],
            figures_after=place.figures(marks),
        )


def account_of(settings: Settings) -> UUID:
    database = Database(settings.database_url)
    with closing(database.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT id FROM accounts ORDER BY created_at LIMIT 1")
        found = cursor.fetchone()
    database.dispose()
    return found[0] if isinstance(found[0], UUID) else UUID(found[0])


def dashboard_of(running: Stack, settings: Settings) -> Dashboard:
    signer = Signer()
    signer.key = ECKey.import_key(settings.jwt_key_file.read_text())
    signer.kid = signer.key.thumbprint()
    return Dashboard(running.gateway, signer)


def allowed(place: str, name: str) -> bool:
    """Whether this input may be found there: in a column of the table above, or in the files of such a database."""
    for kept in KEPT:
        if re.fullmatch(kept.inputs, name):
            databases = {f"{one.partition('.')[0]}.sqlite" for one in kept.places}
            file = place.rpartition("/")[2].removesuffix("-wal")
            return place in kept.places or file in databases or file in kept.places
    return False


def leaks(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """What was found where it may not be."""
    outside = {place: {name for name in names if not allowed(place, name)} for place, names in found.items()}
    return {place: names for place, names in outside.items() if names}


def listed(found: dict[str, set[str]]) -> str:
    return "\n".join(f"{place}: {name}" for place, names in sorted(found.items()) for name in sorted(names))


def test_with_logging_off_nothing_is_anywhere_in_any_table(walked: Walked) -> None:
    assert len(walked.marks.inputs) > 1000
    assert not leaks(walked.tables), listed(leaks(walked.tables))


def test_with_logging_off_nothing_is_in_any_file_log_or_figure(walked: Walked) -> None:
    assert not leaks(walked.files), listed(leaks(walked.files))
    assert walked.figures == set()


@pytest.mark.parametrize("kept", [kept for kept in KEPT if kept.stays], ids=lambda kept: kept.reason)
def test_what_is_meant_to_be_kept_is_found_where_it_is_said_to_be(walked: Walked, kept: Kept) -> None:
    """So the search finds what is there, and the table above names no place that is not needed."""
    found = walked.tables | {name.rpartition("/")[2]: names for name, names in walked.files.items()}
    for place in kept.places:
        assert any(re.fullmatch(kept.inputs, name) for name in found.get(place, ())), place


def test_with_logging_on_only_the_api_can_read_what_was_stored(walked: Walked) -> None:
    found = walked.logging_on
    assert found is not None
    for number, read in enumerate(found.read):
        assert f"{found.marks.start}{number:05}" in read
    assert found.files_before == {}, "no file holds a readable word"
    assert {"gateway", "gateway-keys"} <= found.pieces_before, "the ciphertext is found in both databases"
    if walked.engine == "sqlite":
        assert {"gateway.sqlite-wal", "gateway-keys.sqlite-wal"} & found.pieces_before, "and raw in their files"


def test_after_a_deletion_not_even_the_ciphertext_is_found(walked: Walked) -> None:
    found = walked.logging_on
    assert found is not None
    assert (found.deletion["state"], found.deletion["failure"]) == ("verified", None)
    assert (found.files_after, found.pieces_after) == ({}, set())
    assert (found.tables_after, found.figures_after) == ({}, set())
    assert not [read for read in found.content_after if found.marks.start in read or '"stored": true' in read]


ENCODINGS = {
    "plain": lambda raw: raw,
    "capitals": lambda raw: raw.upper(),
    "percent": lambda raw: b"q=%7B" + raw + b"%7D",
    "JSON": lambda raw: b'{"text": "\\u00fc ' + raw + b'"}',
    "base64": base64.b64encode,
    "base64, shifted by one": lambda raw: base64.b64encode(b"." + raw),
    "base64, shifted by two": lambda raw: base64.urlsafe_b64encode(b".." + raw),
    "hex": lambda raw: raw.hex().encode(),
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_search_finds(tmp_path: Path, encoding: str) -> None:
    marks = Marks()
    hidden = ENCODINGS[encoding](f"before {marks.new('control')} after".encode())
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "some.log").write_bytes(b"x" * 5000 + hidden)
    database = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (id INTEGER, body BLOB)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("INSERT INTO t VALUES (1, ?)", (hidden,))
        assert set(search_files(marks, tmp_path)) == {"below/some.log", "some.sqlite-wal"}
        assert set(search_tables(marks, {"some": f"sqlite:///{database}"})) == {"some.t.body"}
