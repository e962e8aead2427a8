"""When something goes wrong: plain words, a request id, nothing changed, nothing given away."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr

import pytest
import structlog
from flask import request
from sqlalchemy import text

from anuma_dash import logs
from anuma_dash.db import Database
from anuma_dash.errors import (
    Conflict,
    Forged,
    GatewayRefused,
    GatewayUnavailable,
    Invalid,
    NotAllowed,
    NotFound,
    SignInRefused,
)
from anuma_dash.web.state import account, actor, services
from tests.faulty import FAULTS
from tests.page import Document
from tests.probes import add_probe

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
CANARY = "canary@northwind.example"
ERRORS = [
    (NotFound("There is no such key."), 404, "Page not found"),
    (NotAllowed("Your role here is viewer."), 403, "You may not do this"),
    (Forged("This form is out of date."), 403, "This form was not accepted"),
    (Invalid("Enter a name.", "name"), 422, "Something is missing or wrong"),
    (Conflict("Ada was quicker."), 409, "This has changed in the meantime"),
    (SignInRefused("The provider said no."), 403, "You could not be signed in"),
    (GatewayRefused("No more keys.", status=409, code="too_many"), 502, "The gateway refused"),
    (GatewayUnavailable("The gateway does not answer."), 503, "The gateway does not answer"),
]


def fail_with(world, error, **options):
    def view():
        raise error

    add_probe(world, view, anonymous=True, **options)


@pytest.mark.parametrize(("error", "status", "title"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_is_answered_in_words_with_the_id_of_the_request(world, error, status, title):
    fail_with(world, error)
    browser = world.browser().visit("/probe")

    assert (browser.status, browser.heading) == (status, title)
    assert str(error) in browser.text
    assert f"Request {browser.headers['X-Request-Id']}" in browser.text
    assert browser.offers("Go to the start page")


def send(world, referer):
    """What comes of a form that this page sent."""
    browser = world.browser().visit("/sign-in")
    headers = {"Referer": referer, "Origin": browser.origin}
    return browser.request("POST", "/probe", headers=headers, data={"csrf_token": browser.csrf_token()})


def test_what_may_work_later_offers_to_try_again_and_what_will_not_does_not(world):
    fail_with(world, GatewayUnavailable("The gateway does not answer."))
    browser = world.browser().visit("/probe?model=a&from=2026-01-01")
    assert browser.headers["Retry-After"] == "5"
    assert browser.one("main a.primary").text == "Try again"
    assert browser.one("main a.primary")["href"] == "/probe?model=a&from=2026-01-01"

    sent = send(world, referer="https://dash.example/keys?after=1")
    link = Document(sent.text).select("main a.primary")[0]
    assert (link.text, link["href"]) == ("Go back and try again", "/keys?after=1")
    assert sent.headers["Retry-After"] == "5"

    assert not world.browser().visit("/no-such-page").offers("Try again")


@pytest.mark.parametrize("path", ["//evil.example/", "/%2f%2fevil.example", "/\\evil.example"])
def test_trying_again_never_leads_to_another_site(world, path):
    fail_with(world, GatewayUnavailable("The gateway does not answer."))
    sent = send(world, referer=f"https://dash.example{path}")
    assert Document(sent.text).select("main a.primary")[0]["href"] == "/"


@pytest.mark.parametrize(("error", "status", "title"), ERRORS, ids=lambda value: type(value).__name__)
def test_htmx_gets_the_same_words_for_the_message_region_of_the_page(world, error, status, title):
    fail_with(world, error)
    answer = world.browser().request("GET", "/probe", headers=HTMX)

    assert answer.status_code == status
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#flash", "innerHTML")
    assert "<html" not in answer.text
    assert title in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_an_unexpected_error_gives_nothing_away(world):
    fail_with(world, RuntimeError(f"secret of {CANARY}"))
    browser = world.browser(world.olive).visit("/probe")

    assert (browser.status, browser.heading) == (500, "Something went wrong on our side")
    assert CANARY not in browser.text
    assert "RuntimeError" not in browser.text


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("path", ["/no-such-page", "/keys/not-an-id", "/%00", "/" + "a" * 3000])
def test_a_page_that_does_not_exist_is_not_found(world, path, headers):
    answer = world.browser(world.olive).request("GET", path, headers=headers)

    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_a_page_that_cannot_be_used_that_way_says_how_it_can(world):
    answer = world.browser().request("GET", "/sign-out")

    assert answer.status_code == 405
    assert "This page cannot be used that way" in answer.text
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_too_large_a_form_is_refused_before_it_is_read(world):
    browser = world.browser().visit("/sign-in")
    answer = browser.request("POST", "/theme", data={"csrf_token": browser.csrf_token(), "theme": "d" * 1_000_001})

    assert answer.status_code == 413
    assert "That is too large" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "localhost:8000.evil.example", "localhost@evil.example"])
def test_a_host_that_is_not_served_here_is_refused(world, host):
    answer = world.browser().request("GET", "/sign-in", headers={"Host": host})

    assert answer.status_code == 400
    assert "This address is not served here" in answer.text
    assert "evil" not in answer.text


def ask_the_gateway():
    return str(services().gateway.overview(actor(), account().id).requests_today)


@pytest.mark.parametrize("fault", ["down", *(fault for fault in FAULTS if fault != "refusing")])
def test_no_usable_answer_of_the_gateway_is_a_503_in_words(world, fault):
    add_probe(world, ask_the_gateway)
    browser = world.browser(world.olive)
    assert browser.request("GET", "/probe").text == "0"

    world.break_gateway(fault)
    browser.visit("/probe")

    assert (browser.status, browser.heading) == (503, "The gateway does not answer")
    assert browser.headers["Retry-After"] == "5"
    assert "Activity and deletions still open." in browser.text
    assert "Traceback" not in browser.text
    world.mend_gateway()
    assert browser.request("GET", "/probe").text == "0"


def test_a_refusal_of_the_gateway_is_passed_on_in_its_words(world):
    add_probe(world, ask_the_gateway)
    world.break_gateway("refusing")
    browser = world.browser(world.olive).visit("/probe")

    assert (browser.status, browser.heading) == (502, "The gateway refused")
    assert "This account is suspended." in browser.text


@pytest.fixture
def no_database(world):
    """The dashboard's database is gone."""
    db = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    world.app.extensions["anuma"] = type(world.services)(
        world.settings, db, world.services.gateway, world.services.clock
    )
    yield
    db.dispose()


def test_without_the_database_a_person_is_told_so_and_strangers_still_see_the_way_in(world, no_database):
    browser = world.browser(world.olive).visit("/signed-out")

    assert (browser.status, browser.heading) == (503, "The dashboard's database does not answer")
    assert "Nothing was changed." in browser.text
    assert world.browser().visit("/sign-in").heading == "Sign in"


class TestLogs:
    """One JSON object a line, for operators: who, what, how long - and nothing personal."""

    @pytest.fixture
    def lines(self, world):
        """What has been logged."""
        written = io.StringIO()
        with redirect_stderr(written):
            logs.configure("DEBUG", "web")
        return lambda: [json.loads(line) for line in written.getvalue().splitlines()]

    def test_a_request_is_one_line_that_can_be_found_by_its_id(self, world, lines):
        browser = world.browser(world.olive).visit("/signed-out")

        (line,) = lines()
        assert (
            line.items()
            >= {
                "event": "request",
                "process": "web",
                "request_id": browser.headers["X-Request-Id"],
                "method": "GET",
                "endpoint": "sign_in.signed_out",
                "status": 200,
                "user": str(world.olive.id),
                "account": str(world.northwind),
            }.items()
        )
        assert line["timestamp"].endswith("Z")

    def test_neither_addresses_nor_tokens_nor_forms_are_logged(self, world, lines):
        def view():
            request.form.to_dict()
            raise RuntimeError(CANARY)

        add_probe(world, view)
        browser = world.browser(world.olive).visit(f"/signed-out?q={CANARY}")
        form = {"csrf_token": browser.csrf_token(), "prompt": "canary-prompt"}
        browser.request("POST", "/probe", data=form, headers={"User-Agent": "canary-agent\x1b[31m"})
        browser.request("POST", "/probe", data=form | {"csrf_token": "canary-token"})

        logged = json.dumps(lines())
        assert "unexpected fault" in logged
        assert "canary" not in logged
        assert browser.cookie("anuma_session") not in logged

    def test_a_fault_of_the_database_does_not_log_its_statement(self, world, lines):
        def view():
            with services().db.reading() as tx:
                tx.execute(text("SELECT * FROM nothing WHERE email = :email"), {"email": CANARY})

        add_probe(world, view)
        assert world.browser(world.olive).visit("/probe").status == 503

        logged = lines()
        assert [line["event"] for line in logged] == ["database fault", "request"]
        assert "canary" not in json.dumps(logged)

    def test_what_slips_through_is_masked_and_can_break_no_line(self, lines):
        structlog.get_logger().info(
            "note",
            who="Olive <olive@northwind.example>",
            key="anuma_live_abc123SECRETSECRET",
            token="eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            agent='x\n{"event": "forged"}\x1b[31m\r',
        )

        (line,) = lines()
        assert (line["who"], line["key"], line["token"]) == ("Olive <…@…>", "anuma_live_abc123…", "…")
        assert line["event"] == "note"


def test_a_fault_in_the_middle_of_an_act_does_not_claim_that_nothing_happened(world):
    def view():
        with services().db.transaction() as tx:
            tx.execute(text("SELECT * FROM nowhere"))

    add_probe(world, view, methods=["GET", "POST"], anonymous=True)
    browser = world.browser().visit("/sign-in")
    act = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": browser.csrf_token()}

    looked = browser.request("GET", "/probe")
    acted = browser.request("POST", "/probe", headers=act)

    assert looked.status_code == acted.status_code == 503
    assert "Nothing was changed." in looked.text
    assert "Nothing was changed." not in acted.text
    assert "What you just did may or may not have happened" in acted.text
