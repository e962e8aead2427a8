"""What every test can ask for: databases, the real gateway, the world with its cast, the two ways of browsing."""

from __future__ import annotations

import gc
import locale
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from joserfc.jwk import ECKey
from playwright.sync_api import Browser as Chromium

from anuma_dash.db import looking_only
from anuma_dash.embedded.gateway.app import create_app as create_gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.settings import publish_jwks
from tests import databases
from tests.browser import Browser
from tests.e2e.chromium import chromium
from tests.factories import Person
from tests.faulty import faulty
from tests.fragments import checked_against_their_pages
from tests.mailserver import MailboxOfTests, mail_server
from tests.servers import serve
from tests.world import Clock, GatewayServer, World, make_settings

# A busy machine is not a slow function: how long an example takes is measured in benchmarks. The examples are the same
# in every run, so that whoever breaks something is told, and nobody else; `make soak` looks for new ones.
hypothesis_settings.register_profile(
    "here",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="ANUMA_PARTITION_EXAMPLES" not in os.environ,
)
hypothesis_settings.load_profile("here")


def both_ways_once(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of journeys on two engines in two ways those that are plain on SQLite, and by htmx on PostgreSQL.

    What an engine answers and what htmx gets do not depend on each other. A test that is narrowed to an engine or a way
    keeps what it asks for, and where there is no PostgreSQL nothing is left out.
    """
    if databases.postgres_missing():
        return items
    ways = [(item, params_of(item)) for item in items]
    asked: dict[str, set[tuple[object, object]]] = {}
    for item, params in ways:
        asked.setdefault(item.nodeid.partition("[")[0], set()).add((params.get("engine"), params.get("browser_mode")))
    four = {
        name for name, found in asked.items() if len(found) == 4 and None not in {one for way in found for one in way}
    }
    left_out = {("sqlite", "htmx"), ("postgresql", "plain")}
    return [
        item
        for item, params in ways
        if item.nodeid.partition("[")[0] not in four
        or (params.get("engine"), params.get("browser_mode")) not in left_out
    ]


def params_of(item: pytest.Item) -> dict[str, object]:
    """The parameters of a test."""
    return dict(item.callspec.params) if hasattr(item, "callspec") else {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that at the end nobody waits for one of them; otherwise the order stays random.

    Those that share the running product come before all: it stops as soon as a process has no more of them.
    """

    def turn(item: pytest.Item) -> int:
        if item.path.parent.name == "e2e":
            return 0
        return 1 if any(item.get_closest_marker(name) for name in ("processes", "browser", "long")) else 2

    items[:] = both_ways_once(items)
    turns: dict[Path, int] = {}
    for item in items:
        turns[item.path] = min(turns.get(item.path, 2), turn(item))
    items.sort(key=lambda item: turns[item.path])


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it for garbage took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One Chromium for the tests of a file. Playwright's event loop runs as long: nobody else's can meanwhile."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """The engines that were asked for, each made once."""
    made: dict[str, Any] = {}
    with ExitStack() as stack:

        def engine(name: str) -> Any:
            if name not in made:
                folder = tmp_path_factory.mktemp("databases")
                made[name] = databases.SQLite(folder) if name == "sqlite" else stack.enter_context(databases.postgres())
            return made[name]

        yield engine


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine: each test that touches a database runs on both."""
    if request.param == "postgresql" and (missing := databases.postgres_missing()):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return str(request.param)


@pytest.fixture
def database_url(engine: str, engines: Callable[[str], Any], tmp_path: Path) -> str:
    """A migrated, empty database for this test."""
    return engines(engine).fresh(tmp_path)


@pytest.fixture(scope="session")
def gateway_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    """The real embedded gateway on an ephemeral port; tests are apart because their accounts are."""
    instance = tmp_path_factory.mktemp("gateway")
    key_file = instance / "dashboard-jwt.pem"
    key_file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    publish_jwks(key_file, instance / "dashboard-jwks.json")
    settings = load_settings({"ANUMA_INSTANCE": str(instance)})
    gateway = create_gateway(settings)
    with serve(gateway) as url, serve(faulty) as faulty_url:
        server = GatewayServer(url, faulty_url, key_file, gateway.gateway)
        yield server
        server.close()


@pytest.fixture(scope="session")
def mailbox() -> Iterator[MailboxOfTests]:
    """The real SMTP server to which every world mails."""
    with mail_server() as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def fragments_match_their_pages() -> Iterator[None]:
    """Every fragment that htmx gets in any test is compared with its whole page."""
    with checked_against_their_pages():
        yield


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command or an application that a test makes configures the logs of the whole process: only for that test."""
    configured, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(autouse=True)
def the_process_is_left_as_it_was() -> Iterator[None]:
    """The next test, whichever it is, finds the process as this one did."""
    before = what_tests_share()
    yield
    assert what_tests_share() == before, "the test changes what the next one finds"


def what_tests_share() -> dict[str, Any]:
    """What a test could change for all that follow it in the same process."""
    return {
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "folder": Path.cwd(),
        "signals": {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)},
        "time zone": time.tzname,
        "locale": locale.setlocale(locale.LC_ALL),
        "import path": sys.path[:],
        "looking only": looking_only.get(),
    }


@pytest.fixture
def clock() -> Clock:
    """The clock of the world."""
    return Clock()


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Override it to have a world with other settings."""
    return {}


@pytest.fixture
def world(
    database_url: str,
    gateway_server: GatewayServer,
    mailbox: MailboxOfTests,
    clock: Clock,
    tmp_path: Path,
    more_settings: dict[str, Any],
) -> Iterator[World]:
    """The dashboard with its cast, on each engine."""
    settings = make_settings(database_url, gateway_server, tmp_path, **({"smtp_url": mailbox.url} | more_settings))
    with closing(World(settings, gateway_server, clock)) as world:
        world.populate()
        mailbox.reset()
        world.mailbox = mailbox
        yield world


@pytest.fixture(params=["plain", "htmx"])
def browser_mode(request: pytest.FixtureRequest) -> str:
    """Every journey is made without JavaScript and with htmx."""
    return str(request.param)


@pytest.fixture
def browse(world: World, browser_mode: str) -> Callable[..., Browser]:
    """Open a browser in the mode of this run: `browse(world.olive)`, or `browse()` for somebody signed out."""

    def open_browser(person: Person | None = None) -> Browser:
        return world.browser(person, htmx=browser_mode == "htmx")

    return open_browser
