"""The real sandbox provider on an ephemeral port, and people who go through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from werkzeug.serving import BaseWSGIServer

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.serving import build_server
from anuma_dash.embedded.sandbox.settings import Settings
from anuma_dash.settings import Provider
from tests.browser import Browser
from tests.features.sign_in.hostile import HostileProvider, Journey
from tests.features.sign_in.hostile import provider_of as hostile_settings
from tests.servers import serve
from tests.world import Clock, World, make_settings

SECRET = "the-secret-of-the-test-sandbox-client"
CONTINUE = "Continue with Sandbox"
LEAVE = "Continue at Sandbox"


class Sandbox:
    """The provider; it can be stopped, as a provider that is down."""

    def __init__(self, server: BaseWSGIServer, listener: socket.socket, issuer: str) -> None:
        self.issuer = issuer
        self._server = server
        self._listener = listener
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._listener.close()


@contextmanager
def running_sandbox(instance: Any, clock: Clock, slug: str = "sandbox", **more: Any) -> Iterator[Sandbox]:
    """A sandbox that lets people come back to the dashboard as this provider."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(
            environment="test",
            port=port,
            instance=instance,
            client_secret=SECRET,
            redirect_uris=(f"http://localhost:8000/sign-in/{slug}/callback",),
            **more,
        )
        sandbox = Sandbox(
            build_server(create_app(settings, clock), port, fd=listener.fileno()), listener, settings.issuer
        )
        try:
            yield sandbox
        finally:
            sandbox.stop()


@pytest.fixture
def sandbox(tmp_path, clock) -> Iterator[Sandbox]:
    """The provider, in the world's time."""
    with running_sandbox(tmp_path / "sandbox", clock) as running:
        yield running


@pytest.fixture
def more_settings(sandbox) -> dict[str, Any]:
    """The world's dashboard knows this sandbox."""
    return {"sign_in_providers": (provider_of(sandbox),)}


def provider_of(sandbox: Sandbox, slug: str = "sandbox", **more: Any) -> Provider:
    """The settings of this provider."""
    return Provider(
        slug=slug,
        label=slug.capitalize(),
        issuer=sandbox.issuer,
        client_id="anuma-dashboard",
        client_secret=SECRET,
        signing_algorithms=("ES256",),
        **more,
    )


@dataclass
class Visitor:
    """Somebody at their browser, on the way through the provider."""

    world: World
    page: Browser

    def leave(self, path: str = "/sign-in") -> Visitor:
        """Press the button of the provider and follow to it."""
        self.page.visit(path).submit(CONTINUE)
        self.page.follow(LEAVE)
        return self

    def choose(self, name: str) -> Visitor:
        """At the provider: be one of the cast."""
        person = self.world.people[name]
        buttons = [one.text for one in self.page.select("button.person") if person.email in one.text]
        self.page.submit(buttons[0])
        return self

    def come_as(self, name: str, email: str, *, verified: bool = True) -> Visitor:
        """At the provider: be somebody new."""
        self.page.submit("Sign in as somebody new", name=name, email=email, email_verified=verified)
        return self

    def answer_of(self, act: Callable[[], Any]) -> dict[str, str]:
        """Stop the browser before it brings the provider's answer back; returns the answer's parameters."""
        held: list[str] = []
        opened = self.page._open

        def hold(method: str, url: str, *rest: Any) -> Any:
            if urlsplit(url).path.endswith("/callback"):
                held.append(url)
                return opened("GET", "http://localhost:8000/signed-out", *rest)
            return opened(method, url, *rest)

        self.page._open = hold  # type: ignore[method-assign]
        act()
        del self.page._open
        return {name: value for name, (value,) in parse_qs(urlsplit(held[0]).query).items()}


@pytest.fixture
def visitor(world, browse) -> Visitor:
    """Somebody who is not signed in, plainly and with htmx."""
    return Visitor(world, browse())


@pytest.fixture
def visit(world) -> Callable[[], Visitor]:
    """Somebody who is not signed in, where htmx changes nothing."""
    return lambda: Visitor(world, world.browser())


@contextmanager
def dashboard_on(port: int, app: Flask) -> Iterator[None]:
    """The dashboard on a port of this machine, for providers that send something to it."""
    server = build_server(app, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def journey(tmp_path_factory, engines, gateway_server) -> Iterator[Journey]:
    """One world of a whole test file, on SQLite, whose provider is the hostile one."""
    clock = Clock()
    hostile = HostileProvider(clock)
    with serve(hostile) as hostile.issuer:
        folder = tmp_path_factory.mktemp("hostile")
        settings = make_settings(
            engines("sqlite").fresh(folder), gateway_server, folder, sign_in_providers=(hostile_settings(hostile),)
        )
        with closing(World(settings, gateway_server, clock)) as world:
            world.populate()
            yield Journey(world, hostile)


@pytest.fixture
def hostile(journey) -> HostileProvider:
    """The provider, right again, asked by a web process that knows nothing of it yet."""
    journey.provider.behave()
    journey.fresh_start()
    return journey.provider
