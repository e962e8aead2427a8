"""The good journeys through a provider that others have certified: the npm package oidc-provider, a real process."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from anuma_dash.identity import SignInIdentity, User
from anuma_dash.web.limits import limiter
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.conftest import dashboard_on
from tests.peers.oidc_provider import Window, certified_provider
from tests.processes import free_port
from tests.world import Clock, World, make_settings

DASHBOARD = "http://localhost:8000"
ACCEPT = "Create my account"


@pytest.fixture(scope="module")
def certified(tmp_path_factory, engines, gateway_server):
    """The provider and a world, on SQLite, that knows it under two names: one signs with ES256, one with RS256."""
    port, folder, clock = free_port(), tmp_path_factory.mktemp("certified"), Clock()
    with certified_provider(folder, DASHBOARD, f"http://127.0.0.1:{port}") as provider:
        settings = make_settings(
            engines("sqlite").fresh(folder),
            gateway_server,
            folder,
            sign_in_providers=(provider.settings("es256"), provider.settings("rs256")),
            allowed_hosts=("localhost:8000", f"127.0.0.1:{port}"),
        )
        with closing(World(settings, gateway_server, clock)) as world, dashboard_on(port, world.app):
            world.populate()
            yield provider, world


@pytest.fixture
def provider(certified):
    return certified[0]


@pytest.fixture
def world(certified):
    """The world, at the present: the provider's clock is the real one."""
    certified[1].clock.now = datetime.now(UTC)
    limiter.reset()
    return certified[1]


@pytest.fixture
def come(world, provider):
    """Sign in as somebody whom the provider says this about; returns the browser, and the window to the provider."""
    windows = []

    def sign_in(slug="es256", **claims):
        if claims:
            provider.person(**claims)
        windows.append(Window(DASHBOARD))
        page = world.browser().visit("/sign-in").submit(f"Continue with Certified {slug}")
        return page.visit(windows[-1].open(address(page))), windows[-1]

    yield sign_in
    for window in windows:
        window.http.close()


def address(page):
    """Where the page leads."""
    (link,) = {one["href"] for one in page.select("main a[href]") if "client_id" in one["href"]}
    return link


def olive(world):
    return {"sub": world.olive.subject, "name": "Olive Lindqvist", "email": world.olive.email, "email_verified": True}


@pytest.mark.parametrize("slug", ["es256", "rs256"])
def test_a_person_signs_in(world, come, slug):
    page, _ = come(slug, **olive(world))

    assert page.heading.endswith(", Olive")
    assert page.one(".account b").text == "Northwind Labs"
    assert world.rows(BrowserSession)[-1].sid


def test_somebody_new_is_welcomed_by_the_name_that_userinfo_says(come):
    page, _ = come(sub="nora-1", name="Nora Field", email="nora@field.example", email_verified=True)

    assert page.heading == "Welcome"
    assert "You are signing in as nora@field.example." in page.text
    assert page.one("input[name=name]")["value"] == "Nora Field"
    assert page.submit(ACCEPT, thirteen_or_older=True).heading.endswith(", Nora")


@pytest.mark.parametrize("slug", ["es256", "rs256"])
def test_new_keys_between_two_sign_ins_go_unnoticed(world, provider, come, slug):
    assert come(slug, **olive(world))[0].heading.endswith(", Olive")

    provider.rotate()

    assert come(slug)[0].heading.endswith(", Olive")


def test_somebody_without_an_address_gets_in(world, come):
    page, _ = come(sub="quinn-1", name="Quinn Abara")
    assert page.heading == "Welcome"
    page.submit(ACCEPT, thirteen_or_older=True)

    assert page.heading.endswith(", Quinn")
    (identity,) = world.rows(SignInIdentity, subject="quinn-1")
    (user,) = world.rows(User, id=identity.user_id)
    assert (user.email, user.email_verified) == (None, False)


def test_somebody_elses_address_unverified_makes_another_person(world, come):
    page, _ = come(sub="mallory-1", name="Mallory", email=world.olive.email, email_verified=False)
    assert page.heading == "Welcome"
    page.submit(ACCEPT, thirteen_or_older=True)

    assert page.one(".account b").text == "Mallory"
    for path in ("/", "/activity", "/keys", "/data-controls"):
        assert "Northwind" not in page.visit(path).text
    assert {user.email_verified for user in world.rows(User, email=world.olive.email)} == {True, False}


def test_olive_confirms_who_she_is_at_the_provider(world, come):
    page, window = come(**olive(world))
    session = world.rows(BrowserSession)[-1]
    with world.db.transaction() as tx:
        tx.get_one(BrowserSession, session.id).authenticated_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert page.visit("/keys/new").heading == "Confirm that it is you"

    page.submit("Confirm with Certified es256")
    assert {"prompt": ["login"], "max_age": ["0"]}.items() <= parse_qs(urlsplit(address(page)).query).items()
    page.visit(window.open(address(page)))

    assert page.heading == "New key"
    after = world.rows(BrowserSession)[-1]
    assert abs((after.authenticated_at - datetime.now(UTC)).total_seconds()) < 60


def test_signing_out_here_then_there_ends_the_other_windows_session_too(world, provider, come):
    page, window = come(**olive(world))
    other = world.browser().visit("/sign-in").submit("Continue with Certified es256")
    other.visit(window.open(address(other)))
    apart, _ = come()
    heard = len(provider.logouts_heard())
    assert other.visit("/activity").heading == "Activity"

    page.submit("Sign out")
    assert "You may still be signed in at Certified es256." in page.text
    assert other.visit("/activity").heading == "Activity"
    window.open(address(page))
    assert "Do you want to sign-out" in window.page
    back = window.confirm_sign_out()

    assert back == f"{DASHBOARD}/signed-out"
    assert page.visit(back).heading == "You are signed out"
    assert provider.logouts_heard()[heard:] == ["accepted"]
    assert other.visit("/activity").heading == "Sign in"
    assert apart.visit("/activity").heading == "Activity"


def test_it_really_asks_for_pkce(world, provider):
    page = world.browser().visit("/sign-in").submit("Continue with Certified es256")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(address(page)).query).items()}
    del asked["code_challenge"], asked["code_challenge_method"]

    with httpx.Client(trust_env=False, timeout=15) as http:
        answer = http.get(f"{provider.issuer}/auth?{urlencode(asked)}")

    assert "requires PKCE" in parse_qs(urlsplit(answer.headers["Location"]).query)["error_description"][0]
