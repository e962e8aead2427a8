"""Rate limits: in memory, and in Redis where several processes share them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from tests.processes import free_port
from tests.world import World

REDIS = os.environ.get("ANUMA_TEST_REDIS", "redis://127.0.0.1:6379/9")
TRIES_A_MINUTE = 30


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis that answers, its test database emptied."""
    parts = urlsplit(REDIS)
    with socket.socket() as probe:
        probe.settimeout(2)
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


def test_without_redis_signing_in_is_refused_and_reading_goes_on(world: World) -> None:
    world.restart(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    status, text = _press(world)
    assert status == 503
    assert "This cannot be done right now" in text
    assert world.browser(world.olive).visit("/").status == 200
