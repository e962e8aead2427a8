"""What Prometheus is told, and who may ask."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from anuma_dash.domain.controls import ControlChange
from anuma_dash.settings import Settings
from anuma_dash.worker_status import Status, serve
from tests.processes import free_port

TOKEN = "the-one-that-Prometheus-bears-8d1f7a"
SPOOFED = [{"headers": {"X-Forwarded-For": "127.0.0.1"}}, {"environ_base": {"REMOTE_ADDR": "192.0.2.1"}}]


def figures(text):
    """Every figure by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(world, **options):
    return world.browser().request("GET", "/metrics", **options)


def counted(name, **labels):
    return (name, *sorted(labels.items()))


def test_in_development_this_machine_may_ask(world):
    world.browser(world.olive).visit("/")

    found = figures(scrape(world).text)

    assert found[counted("anuma_requests_total", endpoint="overview.index", method="GET", status="200")] == 1
    assert found[counted("anuma_oldest_unconfirmed_control_seconds")] == 0
    for options in SPOOFED:
        answer = scrape(world, **options)
        assert answer.status_code == 404
        assert "anuma_requests" not in answer.text


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestWhoMayAsk:
    def test_with_a_token_who_bears_it_from_anywhere(self, world):
        world.restart(metrics_token=TOKEN)

        for options in SPOOFED:
            bearing = options | {"headers": options.get("headers", {}) | {"Authorization": f"Bearer {TOKEN}"}}
            assert "anuma_unfinished_rows" in scrape(world, **bearing).text
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}, {"Authorization": "é"}):
            assert scrape(world, headers=wrong).status_code == 404

    def test_in_production_without_a_token_nobody(self, world):
        world.restart(env="production")

        assert scrape(world).status_code == 404

    def test_a_method_that_somebody_made_up_is_no_figure_of_its_own(self, world):
        for number in range(3):
            world.browser().request(f"MADEUP{number}", "/sign-in")

        text = scrape(world).text
        assert "MADEUP" not in text
        assert figures(text)[counted("anuma_requests_total", endpoint="none", method="other", status="405")] == 3


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestWhatIsCounted:
    def test_calls_to_the_gateway_without_identifiers(self, world):
        page = world.browser(world.olive).visit("/keys")
        world.break_gateway()
        world.gateway.observe = world.app.extensions["anuma_metrics"].called
        page.request("GET", "/keys")

        text = scrape(world).text
        calls = {key: value for key, value in figures(text).items() if key[0] == "anuma_gateway_call_seconds_count"}
        call = "GET /accounts/{id}/keys"
        assert calls[counted("anuma_gateway_call_seconds_count", call=call, outcome="ok")] == 1
        assert calls[counted("anuma_gateway_call_seconds_count", call=call, outcome="unavailable")] == 1
        assert str(world.northwind) not in text

    def test_how_long_a_control_is_unconfirmed(self, world):
        world.break_gateway()
        page = world.browser(world.olive).visit("/data-controls/prompt-logging/edit")
        page.submit("Switch it on", accepted=True)
        assert [change.outcome for change in world.rows(ControlChange)] == ["pending"]
        world.clock.advance(seconds=90)

        found = figures(scrape(world).text)
        assert found[counted("anuma_oldest_unconfirmed_control_seconds")] == 90
        assert found[counted("anuma_unfinished_rows", kind="control_change")] == 1

    def test_connections_are_given_back(self, world):
        world.browser(world.olive).visit("/")

        assert figures(scrape(world).text)[counted("anuma_database_connections_in_use")] == 0

    def test_without_the_database_the_rest_is_still_told(self, world):
        world.browser(world.olive).visit("/")
        world.db.dispose()
        Path(world.db.engine.url.database).write_bytes(b"no database at all" * 100)

        found = figures(scrape(world).text)
        assert found[counted("anuma_database_up")] == 0
        assert found[counted("anuma_requests_total", endpoint="overview.index", method="GET", status="200")] == 1


class Seconds:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class TestTheWorker:
    @pytest.fixture
    def seconds(self):
        return Seconds()

    @pytest.fixture
    def status(self, seconds):
        return Status(60, seconds)

    @pytest.fixture
    def ask(self, status):
        """Ask its port as a probe does."""
        settings = Settings(worker_metrics_port=free_port(), metrics_token=TOKEN)
        server = serve(settings, status)
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.worker_metrics_port}", trust_env=False) as client:
            yield client.get
        server.shutdown()
        server.server_close()

    def test_it_is_alive_while_its_loop_turns_and_ready_while_sweeps_succeed(self, status, seconds, ask):
        def answers():
            return ask("/healthz").status_code, ask("/readyz").status_code

        assert answers() == (200, 200)
        seconds.now += 59
        status.turned()
        seconds.now += 2
        assert answers() == (200, 503)
        assert ask("/readyz").text == "sweeps: fail\n"
        seconds.now += 59
        assert answers() == (503, 503)
        status.swept()
        status.turned()
        assert answers() == (200, 200)

    def test_figures_need_the_token_and_nothing_else_is_there(self, status, ask):
        status.attempted("deletion", "ended")
        status.swept()

        assert ask("/metrics").status_code == ask("/other").status_code == 404
        found = figures(ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)
        assert found[counted("anuma_attempts_total", kind="deletion", outcome="ended")] == 1
        assert found[counted("anuma_last_sweep_timestamp_seconds")] > 1_700_000_000
