"""The bounded queues in front of dashboard and gateway, with work that ends when the test says so."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from flask import Flask
from werkzeug.test import Client

from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.shedding import Shedding as GatewayShedding
from anuma_dash.web.shedding import Queue, Shedding
from tests.faults.conftest import sqlite_only
from tests.processes import wait_until
from tests.test_headers import HARDENED

FOREVER_SECONDS = 60


class Work:
    """A WSGI application whose answers wait until the test lets them go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ, start_response):
        self.begun.release()
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("broken")
        if environ["PATH_INFO"] == "/work":
            assert self.go.wait(FOREVER_SECONDS)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]


@pytest.fixture
def work() -> Iterator[Work]:
    found = Work()
    yield found
    found.go.set()


@pytest.fixture
def app(world) -> Flask:
    return world.app


def shedding(app: Flask, work: Work, *, slots: int = 1, waiting: int = 0, wait_seconds: float = FOREVER_SECONDS):
    return Client(Shedding(app, work, Queue(slots, waiting, wait_seconds), secure=True))


@sqlite_only
class TestDashboard:
    def test_beyond_the_slots_a_request_is_refused_in_words_and_is_told_when_to_come_back(self, app, work):
        client = shedding(app, work)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            refused = client.get("/keys")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            assert "Too busy right now" in refused.text
            assert "Nothing was changed" in refused.text
            assert refused.headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in refused.headers
            for name in set(HARDENED) - {"Content-Security-Policy", "X-Request-Id"}:
                assert refused.headers.get(name), name
            assert "default-src 'none'" in refused.headers["Content-Security-Policy"]
            assert client.head("/keys").data == b""
            assert (
                '<a class="btn primary" href="/keys?a=1&amp;b=&#34;">Try again</a>' in client.get('/keys?a=1&b="').text
            )
            back = client.post("/keys/new", headers={"Referer": "https://dash.example/keys"})
            assert '<a class="btn primary" href="/keys">Go back and try again</a>' in back.text
            work.go.set()
            assert first.result().text == "done"
        assert client.get("/keys").text == "done", "the slot is free again"

    def test_htmx_gets_a_note_for_the_page_that_it_stands_on(self, app, work):
        client = shedding(app, work)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
            refused = client.post("/keys", headers=headers)
            assert (refused.status_code, refused.headers["HX-Retarget"]) == (503, "#flash")
            assert "Too busy right now" in refused.text
            assert "<html" not in refused.text
            whole = client.get("/keys", headers=headers | {"HX-Boosted": "true"})
            assert "<h1>Too busy right now</h1>" in whole.text
            work.go.set()
            first.result()

    @pytest.mark.parametrize("path", ["/healthz/", "/readyz-or-not", "/metrics/x", "/static", "//healthz"])
    def test_an_address_that_only_begins_like_them_is(self, app, work, path):
        client = shedding(app, work)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            assert client.get(path).status_code == 503
            work.go.set()
            first.result()

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/css/site.css"])
    def test_health_and_static_files_are_never_refused(self, app, work, path):
        client = shedding(app, work)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            assert client.get(path).text == "done"
            work.go.set()
            first.result()

    def test_one_that_may_wait_is_answered_when_its_turn_comes(self, app, work):
        client = shedding(app, work, waiting=1)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            second = pool.submit(client.get, "/keys")
            wait_until(lambda: client.get("/keys").status_code == 503, "the second waits, so a third is refused")
            work.go.set()
            assert (first.result().text, second.result().text) == ("done", "done")

    def test_nobody_waits_longer_than_the_limit(self, app, work):
        client = shedding(app, work, waiting=1, wait_seconds=0.01)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            assert client.get("/keys").status_code == 503, "while the first still works"
            assert not first.done()
            work.go.set()
            first.result()

    def test_an_application_that_fails_gives_its_slot_back(self, app, work):
        client = shedding(app, work)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                client.get("/broken")
        assert client.get("/keys").text == "done"

    def test_what_was_refused_is_counted(self, world, work):
        client = shedding(world.app, work)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(client.get, "/work")
            work.begun.acquire(timeout=FOREVER_SECONDS)
            client.get("/keys")
            client.get("/keys")
            work.go.set()
            first.result()
        figures = world.browser().request("GET", "/metrics").text
        assert 'anuma_requests_total{endpoint="shed",method="any",status="503"} 2.0' in figures

    def test_the_application_stands_behind_it(self, world):
        assert isinstance(world.app.wsgi_app, Shedding)


class Peer:
    """An ASGI application whose answers wait until the test lets them go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0

    async def __call__(self, scope, receive, send):
        self.begun += 1
        await send({"type": "http.response.start", "status": 200, "headers": []}) if "stream" in scope["path"] else None
        if "stream" in scope["path"]:
            await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        if "health" not in scope["path"] and "quick" not in scope["path"]:
            await self.go.wait()
        if "stream" not in scope["path"]:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


def gateway_client(tmp_path: Path, peer: Peer) -> httpx.AsyncClient:
    environ = {
        "ANUMA_INSTANCE": str(tmp_path),
        "ANUMA_GATEWAY_MAX_INTERNAL_REQUESTS": "1",
        "ANUMA_GATEWAY_MAX_PUBLIC_REQUESTS": "1",
        "ANUMA_GATEWAY_MAX_STREAMS": "2",
    }
    app = GatewayShedding(peer, load_settings(environ))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


async def begun(peer: Peer, count: int) -> None:
    while peer.begun < count:
        await asyncio.sleep(0)


class TestGateway:
    def test_customers_are_refused_in_openais_words_and_the_dashboard_is_not_locked_out(self, tmp_path):
        async def story() -> None:
            peer = Peer()
            async with gateway_client(tmp_path, peer) as client:
                first = asyncio.create_task(client.post("/v1/chat/completions"))
                await begun(peer, 1)
                refused = await client.post("/v1/chat/completions")
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
                assert refused.json()["error"]["code"] == "overloaded"
                assert refused.json()["error"]["type"] == "api_error"
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.get("/internal/v1/quick")).status_code == 200
                peer.go.set()
                assert (await first).text == "done"
                assert (await client.post("/v1/chat/completions")).text == "done"

        asyncio.run(story())

    def test_the_dashboard_is_refused_with_problem_details(self, tmp_path):
        async def story() -> None:
            peer = Peer()
            async with gateway_client(tmp_path, peer) as client:
                first = asyncio.create_task(client.get("/internal/v1/work"))
                await begun(peer, 1)
                refused = await client.get("/internal/v1/work")
                assert refused.status_code == 503
                assert refused.headers["Content-Type"] == "application/problem+json"
                problem = json.loads(refused.text)
                assert (problem["code"], problem["retry_after_seconds"]) == ("overloaded", 1)
                peer.go.set()
                assert (await first).status_code == 200
                assert (await client.get("/internal/v1/work")).status_code == 200

        asyncio.run(story())

    def test_a_stream_that_has_begun_takes_no_place_of_a_request_but_streams_have_a_limit_too(self, tmp_path):
        async def story() -> None:
            peer = Peer()
            async with gateway_client(tmp_path, peer) as client:
                streams = []
                for number in range(2):
                    streams.append(asyncio.create_task(client.post("/v1/stream")))
                    await begun(peer, number + 1)
                    await asyncio.sleep(0)
                assert (await client.post("/v1/quick")).status_code == 503, "two streams are under way"
                peer.go.set()
                assert [(await stream).text for stream in streams] == ["begun done", "begun done"]
                assert (await client.post("/v1/quick")).status_code == 200

        asyncio.run(story())
