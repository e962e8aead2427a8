"""Rate limits: in memory, and in Redis where several processes share them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.web.limits import by_address, limiter
from tests.browser import Browser
from tests.probes import add_probe
from tests.processes import free_port
from tests.world import World

REDIS = os.environ.get("ANUMA_TEST_REDIS", "redis://127.0.0.1:6379/9")
TRIES_A_MINUTE = 30


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis that answers, its test database emptied."""
    parts = urlsplit(REDIS)
    with socket.socket() as probe:
        probe.settimeout(30)
        if probe.connect_ex((parts.hostname, parts.port)) != 0:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no Redis answers at {parts.netloc}")
    with redis.Redis.from_url(REDIS) as client:
        client.flushdb()
        yield REDIS
        client.flushdb()


def _press(world: World) -> tuple[int, str]:
    # The sandbox of this world is down: whether it was asked at all shows in the status.
    page = world.browser().visit("/sign-in").submit("Continue with Sandbox")
    return page.status, page.text


def test_the_thirty_first_try_in_a_minute_has_to_wait(world: World) -> None:
    assert {_press(world)[0] for _ in range(TRIES_A_MINUTE)} == {503}
    status, text = _press(world)
    assert status == 429
    assert "Too many tries" in text
    assert "Wait a minute, then try again." in text


def test_processes_count_together_through_redis(world: World, redis_url: str) -> None:
    world.restart(redis_url=redis_url)
    assert {_press(world)[0] for _ in range(TRIES_A_MINUTE)} == {503}
    world.restart(redis_url=redis_url)
    assert _press(world)[0] == 429


def test_without_redis_acts_are_refused_and_reading_goes_on(world: World) -> None:
    world.restart(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    status, text = _press(world)
    assert status == 503
    assert "This cannot be done right now" in text
    olive = world.browser(world.olive)
    for path in ("/", "/keys", "/requests", "/data-controls", "/deletions", "/activity", "/sign-in/reauthentication"):
        assert olive.visit(path).status == 200, path
    olive.visit("/sign-in/reauthentication").submit("Confirm with Sandbox")
    assert (olive.status, olive.heading) == (503, "This cannot be done right now")
    answer = world.browser().request("GET", "/sign-in/sandbox/callback?code=x&state=y")
    assert answer.status_code == 503, "the way back from a provider is part of signing in"
    assert world.rows(SignInAttempt) == []


def test_each_person_each_network_and_each_act_is_counted_apart(world: World) -> None:
    add_probe(world, limiter.limit("2 per minute")(lambda: "in"), path="/one", anonymous=True)
    add_probe(world, limiter.limit("2 per minute")(_another), path="/two", anonymous=True)

    def ask(browser: Browser, path: str, address: str) -> int:
        return browser.request("GET", path, environ_base={"REMOTE_ADDR": address}).status_code

    def three(browser: Browser, path: str = "/one", address: str = "203.0.113.1") -> list[int]:
        return [ask(browser, path, address) for _ in range(3)]

    stranger, olive, ada = world.browser(), world.browser(world.olive), world.browser(world.ada)
    within, over = [200, 200, 429], [429, 429, 429]
    assert three(stranger) == within
    assert three(world.browser()) == over, "a new browser is no new network"
    assert three(stranger, address="203.0.113.2") == within
    assert three(stranger, address="2001:db8:0:1::1") == within
    assert three(stranger, address="2001:db8:0:1:ffff::9") == over, "one household"
    assert three(stranger, path="/two") == within
    assert three(olive) == within, "a person does not pay for their network"
    assert three(world.browser(world.olive), address="203.0.113.7") == over, "in whatever browser"
    assert three(ada) == within


def test_a_household_has_one_address_where_addresses_are_counted_too(world: World) -> None:
    add_probe(world, limiter.limit("2 per minute", key_func=by_address)(lambda: "in"))
    browser = world.browser(world.olive)

    def ask(number: int) -> int:
        return browser.request("GET", "/probe", environ_base={"REMOTE_ADDR": f"2001:db8:0:1::{number}"}).status_code

    assert [ask(number) for number in range(1, 4)] == [200, 200, 429]


def _another() -> str:
    return "in"
