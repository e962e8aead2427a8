"""Every page of the dashboard, plain and by htmx, while the gateway is down, silent, failing or talks nonsense."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.gateway.client import Gateway
from anuma_dash.settings import Settings
from anuma_dash.web.access import SAFE_METHODS
from tests.examples import make_belongings
from tests.faults.conftest import sqlite_only
from tests.faulty import FAULTS
from tests.page import Document
from tests.test_every_route import HTMX, MOST_GATEWAY_CALLS, every_route, gateway_calls, writes

pytestmark = pytest.mark.long
SHORT_BUDGET_SECONDS = 0.1
SAYS_WHAT_IS_MISSING = re.compile(
    r"gateway does not answer|not of the agreed shape|answer is too large|cannot answer right now|without saying why|"
    r"gateway refused|account is suspended",
    re.IGNORECASE,
)
LIVE = {"data_controls": ("canary-prompt",)}
LIVE_ELSEWHERE = ("canary-key", "canary-prompt")
"""Words that only a gateway that answers can tell. Data controls name the key of an earlier test of their own."""
UNSURE = {
    "overview.index": "Prompt loggingUnknown",
    "data_controls.index": "On when last confirmed",
    "data_controls.show": "On when last confirmed",
}
"""What these pages say of the control instead of On or Off."""
TRACES = ("Traceback", "secret", "Captive portal", "Exception", "Error:")
WHAT_OPERATORS_SEE = ("operations.readyz", "operations.metrics")


@pytest.fixture
def own(world):
    return make_belongings(world)


def pages(world, own, browser):
    """Each GET route in both ways of asking, with the answer and the calls while everything works."""
    for route in every_route(world, own):
        if route.method not in SAFE_METHODS or route.endpoint in WHAT_OPERATORS_SEE:
            continue
        for headers in ({}, HTMX):
            with gateway_calls(world) as called:
                answer = browser.request("GET", route.path, headers=headers)
            yield route, headers, answer, list(called)


def comparable(answer) -> str:
    return re.sub(r"req_\w+|nonce[-=]\"?[\w-]+|[0-9a-f]{8}-[0-9a-f-]{27}|value=\"[^\"]+\"", "", answer.text)


def words(answer) -> str:
    text = answer.text if "<html" in answer.text else f"<!doctype html><title>Part</title>{answer.text}"
    return Document(text).text


@sqlite_only
def test_every_page_says_what_is_missing_and_changes_nothing(world, own):
    browser = world.browser(world.olive)
    healthy = list(pages(world, own, browser))
    audited, wrong = len(world.rows(AuditEntry)), []
    for fault in ("down", *FAULTS):
        world.break_gateway(fault)
        if fault in ("silent", "dripping"):
            # They last until the client leaves: that a page answers at all proves that it gave up by itself.
            url = f"{world.server.faulty_url}/{fault}"
            world._use(Gateway(url, world.server.key, budget_seconds=SHORT_BUDGET_SECONDS))
        for route, headers, before, called_before in healthy:
            with writes(world) as written, gateway_calls(world) as called:
                answer = browser.request("GET", route.path, headers=headers)
            name = f"{fault}: {route}{' by htmx' if headers else ''}: "
            found = [*(wrong_with(answer, before, route) if called_before else unlike(answer, before))]
            found += ["500"] if answer.status_code == 500 else []
            found += [f"{len(called)} calls"] if len(called) > MOST_GATEWAY_CALLS else []
            found += [f"writes {written}"] if written else []
            wrong += [name + one for one in found]
    assert len(world.rows(AuditEntry)) == audited
    assert not wrong, "\n" + "\n".join(wrong)
    world.mend_gateway()
    for route, headers, before, _ in healthy:
        assert browser.request("GET", route.path, headers=headers).status_code == before.status_code, route


def unlike(answer, before):
    """A page that needs no gateway is as it was."""
    if (answer.status_code, comparable(answer)) != (before.status_code, comparable(before)):
        yield f"a page that needs no gateway has changed, {answer.status_code}"


def wrong_with(answer, before, route):
    """A page that needs the gateway says so, and shows nothing as if it had been told."""
    said = words(answer)
    yield from (f"shows {trace!r}" for trace in TRACES if trace in answer.text and trace not in before.text)
    told = LIVE.get(route.endpoint.split(".")[0], LIVE_ELSEWHERE)
    yield from (f"shows {live!r} as if it were live" for live in told if live in said)
    if UNSURE.get(route.endpoint, "") not in said:
        yield "is sure of the control"
    if not SAYS_WHAT_IS_MISSING.search(said):
        yield f"does not say what is missing: {said[-300:]!r}"


def test_the_budget_of_a_page_is_two_seconds_unless_somebody_sets_it():
    assert Settings().gateway_budget_seconds == 2.0


@sqlite_only
@pytest.mark.parametrize("used_seconds", [0.0, 1.9])
def test_two_calls_one_after_the_other_share_one_budget(world, own, monkeypatch, used_seconds):
    """By a clock of the test: the first call takes as long as it likes, the second has what is left."""
    passed = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("anuma_dash.gateway.deadline.time", SimpleNamespace(monotonic=lambda: passed.seconds))
    world._use(Gateway(world.server.url, world.server.key, budget_seconds=15))
    real = Gateway.request

    def slow(*arguments):
        found = real(*arguments)
        passed.seconds += used_seconds * 15
        return found

    monkeypatch.setattr(Gateway, "request", slow)
    reads = len(world.rows(AuditEntry, event="content.read"))
    answer = world.browser(world.olive).request("GET", f"/requests/{own.request_id}/content")
    assert answer.status_code == (503 if used_seconds else 200)
    assert len(world.rows(AuditEntry, event="content.read")) == reads + (0 if used_seconds else 1)
    assert ("canary-prompt" in answer.text) == (not used_seconds)
