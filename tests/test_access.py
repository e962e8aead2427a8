"""The guard: who is let in, who is sent to sign in or to confirm who they are, and where they come back to."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import pytest
from flask import request
from hypothesis import given
from hypothesis import strategies as st

from anuma_dash.identity import PERMISSIONS, Permission, Role
from anuma_dash.web import access
from anuma_dash.web.access import local_path
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.sessions import BrowserSession, Draft, renew_token
from tests.probes import add_probe

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
PIECES = st.lists(
    st.sampled_from(("/", "//", "%2f", "%2F", "%5c", "%252f", "%25252f", "%09", "%0d%0a", "%00", "https:", "e.example"))
    | st.sampled_from("\\.@:?#aé%\t\n\r\0 \u2028"),
    max_size=8,
)
NO_PATHS = (
    *(
        "",
        "keys",
        "//e",
        "/\\e",
        "\\\\e",
        "/%2f%2fe",
        "%2f%2fe",
        "/%2fe",
        "/%5ce",
        "/%252fe",
        "/\t/e",
        "/%09/e",
        "/\r\n",
    ),
    *("/" + "a" * 1000, "/%25%32%66%2fe", "/%u002fe/\\", "/.%09/e", "/\x85", "/%c2%85", "/\u2028/e", "/\ud800"),
    *("/a%0d%0aSet-Cookie:x", "https://e", "javascript:alert(1)", "/\0", "/%00", "\t/e", " /e", "/a\\b"),
)


@given(PIECES.map("".join) | st.text())
def test_a_next_path_never_leads_to_another_site(value):
    accepted = local_path(value)
    if accepted is None:
        return
    assert accepted == value
    for _ in range(4):
        as_browsers_read_it = value.translate({9: None, 10: None, 13: None}).strip().replace("\\", "/")
        assert as_browsers_read_it.startswith("/")
        assert not as_browsers_read_it.startswith("//")
        assert urlsplit(urljoin("http://here.example/page", as_browsers_read_it)).netloc == "here.example"
        value = unquote(value)


@pytest.mark.parametrize("value", NO_PATHS)
def test_these_are_no_local_paths(value):
    assert local_path(value) is None


@pytest.mark.parametrize("value", ["/", "/keys", "/requests?status=429&app=a%20b", "/keys/new?draft=1#form", "/é"])
def test_these_are_local_paths(value):
    assert local_path(value) == value


@pytest.fixture
def probe(world):
    """A page for signed-in people, at /probe."""
    add_probe(world, lambda: "in")


def next_of(address):
    assert urlsplit(address).path == "/sign-in"
    return parse_qs(urlsplit(address).query)["next"]


def test_a_stranger_is_sent_to_sign_in_and_back_to_the_page(world, probe):
    answer = world.browser().request("GET", "/probe?status=429&app=x")

    assert answer.status_code == 303
    assert next_of(answer.headers["Location"]) == ["/probe?status=429&app=x"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_expired_session_takes_the_whole_page_away_not_a_part_of_it(world, probe, method):
    headers = HTMX | {"HX-Current-URL": "http://localhost:8000/keys?after=1"}
    answer = world.browser().request(method, "/probe", headers=headers)

    assert (answer.status_code, answer.text) == (200, "")
    assert next_of(answer.headers["HX-Redirect"]) == ["/keys?after=1"]


def test_a_stranger_who_sends_a_form_comes_back_to_the_page_of_the_form(world, probe):
    answer = world.browser().request("POST", "/probe", headers={"Referer": "http://localhost:8000/keys/new"})

    assert answer.status_code == 303
    assert next_of(answer.headers["Location"]) == ["/keys/new"]


@pytest.mark.parametrize("current", ["http://localhost:8000//evil.example", "nonsense", "", "http://localhost:8000"])
def test_a_page_that_cannot_be_named_becomes_the_start_page(world, probe, current):
    answer = world.browser().request("GET", "/probe", headers=HTMX | {"HX-Current-URL": current})

    assert next_of(answer.headers["HX-Redirect"]) == ["/"]


def test_a_view_without_a_rule_keeps_the_application_from_starting(world):
    world.app.add_url_rule("/bare", "bare", lambda: "")

    with pytest.raises(RuntimeError, match="views without an access rule: bare"):
        access.require_rules(world.app)


def test_a_view_without_a_rule_is_opened_for_nobody(world):
    world.app.add_url_rule("/bare", "bare", lambda: "in")

    assert world.browser(world.olive).visit("/bare").status == 403


@pytest.mark.parametrize("permission", Permission)
def test_each_role_is_let_in_exactly_where_its_permissions_say(world, permission):
    add_probe(world, lambda: "in", permission)

    for name in ("olive", "ada", "dev", "bill", "vera"):
        person = world.people[name]
        answer = world.browser(person).request("GET", "/probe")
        allowed = permission in PERMISSIONS[person.role]
        assert answer.status_code == (200 if allowed else 403)
        if not allowed:
            assert f"Your role here is {person.role}, which may not {permission}." in answer.text.replace("&#39;", "'")


def test_somebody_without_an_account_may_open_no_page_of_one(world):
    add_probe(world, lambda: "in", Permission.READ_OVERVIEW)

    assert "Your role here is visitor" in world.browser(world.sam).visit("/probe").text


def test_roles_only_ever_add_to_what_everybody_may(world):
    assert PERMISSIONS[Role.OWNER] > PERMISSIONS[Role.ADMIN] > PERMISSIONS[Role.DEVELOPER] > PERMISSIONS[Role.VIEWER]
    assert PERMISSIONS[Role.BILLING] < PERMISSIONS[Role.VIEWER]


class TestReauthentication:
    """Dangerous acts ask for a fresh proof of who is there."""

    @pytest.fixture(autouse=True)
    def dangerous(self, world):
        """A page that needs a fresh proof, and says what was sent to it or kept for it."""
        add_probe(world, self.view, reauth=True)

    @staticmethod
    def view():
        kept = draft_fields() or {}
        return "in: " + ", ".join(f"{name}={value}" for name, value in sorted({**kept, **request.form}.items()))

    def test_a_person_who_just_signed_in_is_let_in(self, world):
        assert world.browser(world.olive).request("GET", "/probe").text == "in: "

    def test_later_they_are_asked_to_confirm_who_they_are_and_come_back(self, world):
        browser = world.browser(world.olive)
        world.clock.advance(minutes=11)

        browser.visit("/probe?app=x")

        assert browser.heading == "Confirm that it is you"
        assert browser.one("main input[name=next]")["value"] == "/probe?app=x"

    @pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Current-URL": "http://localhost:8000/probe"}])
    def test_what_was_typed_is_kept_but_no_secret(self, world, headers):
        browser = world.browser(world.olive).visit("/signed-out")
        world.clock.advance(minutes=11)
        sent = {
            "csrf_token": browser.csrf_token(),
            "name": "Laptop",
            "client_secret": "canary",
            "new_password": "canary",
            "Confirmation-Code": "canary",
            "note": "my key is anuma_live_canaryCANARYcanaryCANARYcanary012345",
            "token2": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2ln",
        }
        answer = browser.request(
            "POST", "/probe", data=sent, headers={"Referer": "http://localhost:8000/probe"} | headers
        )

        goal = urlsplit(answer.headers.get("HX-Redirect") or answer.headers["Location"])
        assert goal.path == "/sign-in/reauthentication"
        (draft,) = world.rows(Draft)
        assert draft.fields == {"name": ["Laptop"]}
        assert parse_qs(goal.query)["next"] == [f"/probe?draft={draft.id}"]

    def test_what_was_typed_stands_in_the_form_again_after_the_confirmation(self, world):
        browser = world.browser(world.olive).visit("/signed-out")
        world.clock.advance(minutes=11)
        form = {"csrf_token": browser.csrf_token(), "name": "Laptop"}
        answer = browser.request("POST", "/probe", data=form, headers={"Referer": "http://localhost:8000/probe"})
        (back,) = parse_qs(urlsplit(answer.headers["Location"]).query)["next"]

        (session,) = world.rows(BrowserSession)
        with world.db.transaction() as tx:
            browser.set_cookie(world.session_cookie, renew_token(tx, world.settings, session.id, world.clock.now))

        assert browser.request("GET", back).text == "in: name=Laptop"
        assert world.browser(world.olive).request("GET", back).text == "in: "

    def test_of_an_absurdly_large_form_nothing_is_kept(self, world):
        browser = world.browser(world.olive).visit("/signed-out")
        world.clock.advance(minutes=11)
        browser.request("POST", "/probe", data={"csrf_token": browser.csrf_token(), "name": "x" * 60_000})

        (draft,) = world.rows(Draft)
        assert draft.fields == {}

    def test_a_stale_form_with_a_forged_token_keeps_nothing(self, world):
        browser = world.browser(world.olive)
        world.clock.advance(minutes=11)

        assert browser.request("POST", "/probe", data={"name": "x"}).status_code == 403
        assert world.rows(Draft) == []
