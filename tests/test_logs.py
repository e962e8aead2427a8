"""What is logged while hostile requests come in: one JSON object a line, and nothing of what they said."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stderr
from datetime import UTC, datetime

import pytest
import structlog

from anuma_dash import logs
from tests.examples import make_belongings
from tests.probes import add_probe
from tests.test_every_route import every_route

CANARY = "canaryCANARY"
SECRET = f"anuma_live_{CANARY}canaryCANARYcanaryCANARY01"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnlDQU5BUlkifQ.c2ln"
ADDRESS = f"{CANARY}@northwind.example"
BREAKING = '\r\n{"event": "forged"}\x1b[2J\x1b]0;x\x07\x7f\x9b31m\u2028'
ALLOWED = {
    "event",
    "level",
    "timestamp",
    "process",
    "request_id",
    "method",
    "endpoint",
    "status",
    "milliseconds",
    "user",
    "account",
    "fault",
    "where",
}


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


@pytest.fixture
def written(world):
    """The raw log."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        logs.configure("DEBUG", "web")
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().split("\n") if line]


def test_hostile_requests_leave_nothing_of_themselves_in_the_log(world, written):
    browser = world.browser(world.olive).visit("/signed-out")
    token = browser.csrf_token()
    said = f"{CANARY} {SECRET} {TOKEN} {ADDRESS}{BREAKING}"
    header = said.translate(dict.fromkeys((10, 13))).encode("utf-8").decode("latin-1")
    form = {"csrf_token": token, "name": said, "token": said, "prompt": said, "theme": said}
    headers = {"User-Agent": header, "X-Request-Id": header, "X-Forwarded-For": header, "Accept-Language": header}
    for path in ("/no-such", "/keys", "/requests", "/activity", "/sign-in/sandbox/callback", "/static/x", "/metrics"):
        for method in ("GET", "POST", "PUT"):
            browser.request(method, f"{path}/{ADDRESS}?q={SECRET}&state={TOKEN}", data=form, headers=headers)
            browser.request(method, path, data=form, headers=headers, query_string={"q": said})
    browser.request("POST", "/reports", data=json.dumps([{"type": said, "url": said, "body": {"blockedURL": said}}]))

    found = lines(written)
    assert len(found) > 30
    assert CANARY not in written.getvalue()
    assert "forged" not in written.getvalue()
    assert {name for line in found for name in line} <= ALLOWED | {
        "type",
        "directive",
        "blocked",
        "page",
        "disposition",
    }


def test_every_view_logs_who_and_what_and_only_that(world, written):
    own = make_belongings(world)
    browser = world.browser(world.olive)
    routes = [route for route in every_route(world, own) if route.method == "GET"]
    for route in routes:
        browser.request("GET", route.path)

    found = [
        line
        for line in lines(written)
        if line["event"] == "request" and line["endpoint"] in {r.endpoint for r in routes}
    ]
    for line in found:
        assert set(line) <= ALLOWED
        assert datetime.fromisoformat(str(line["timestamp"])).utcoffset() == UTC.utcoffset(None)
        assert line["user"] in (None, str(world.olive.id))
        assert line["account"] in (None, str(world.northwind))
    text = written.getvalue()
    for word in (
        "Olive",
        "northwind.example",
        "canary-key",
        "canary-prompt",
        "127.0.0.1",
        browser.cookie(world.session_cookie),
    ):
        assert word not in text


def test_what_is_logged_can_break_no_line_and_color_no_terminal(world, written):
    nested = {"note": [BREAKING, {"who": ADDRESS}], "key": SECRET, BREAKING: "x"}
    structlog.get_logger().warning("note", text=BREAKING, nested=nested, secret=SECRET, token=TOKEN, who=ADDRESS)

    text = written.getvalue()
    assert text.count("\n") == 1
    assert all(" " <= character <= "~" for character in text.rstrip("\n"))
    assert CANARY not in text
    (line,) = lines(written)
    assert line["who"] == "…@…"


def test_libraries_are_logged_as_json_without_their_values(world, written):
    def view():
        logging.getLogger("some.library").warning("cannot reach %s of %s", ADDRESS, BREAKING)
        logging.getLogger("another").error(f"broken: {SECRET} {ADDRESS}{BREAKING}")
        logging.getLogger("quiet").info("said %s", CANARY)
        return "ok"

    add_probe(world, view, anonymous=True)
    world.browser().request("GET", "/probe")

    found = [line for line in lines(written) if line["event"] == "library"]
    assert [(line["logger"], line["level"]) for line in found] == [("some.library", "warning"), ("another", "error")]
    assert found[0]["message"] == "cannot reach %s of %s"
    assert CANARY not in written.getvalue()
    assert all(" " <= character <= "~" for line in written.getvalue().splitlines() for character in line)
