"""A production in small: nginx, two web processes, worker and gateway, looked at from outside."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import psutil
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from anuma_dash.db import Database, new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import OPERATOR, WORKER, User
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.workflows import utc_now
from tests.deploy.front import API, VISITOR, Front, Visitor, nginx
from tests.gateway.provider import FakeProvider
from tests.processes import ROOT, Stack, answers, free_port, stack, wait_until
from tests.servers import serve

pytestmark = pytest.mark.processes
TOKEN = "the-one-that-Prometheus-bears-8d1f7a"
SPOOFED = {"X-Forwarded-For": "203.0.113.9"}
BORROWED = {"up", "node_systemd_unit_state"}
"""Figures that alerts use and others serve: Prometheus itself, and node_exporter."""


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    fake = FakeProvider()
    with serve(fake) as fake.base_url:
        yield fake


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("https", "http", "worker")}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, ports: dict[str, int]) -> Iterator[Stack]:
    """All processes, as behind a proxy."""
    public = f"https://localhost:{ports['https']}"
    environment = {
        "ANUMA_PUBLIC_URL": public,
        "ANUMA_PROXY_HOPS": "1",
        "ANUMA_WEB_WORKERS": "2",
        "ANUMA_GATEWAY_BUDGET_SECONDS": "20",
        "ANUMA_METRICS_TOKEN": TOKEN,
        "ANUMA_WORKER_METRICS_PORT": str(ports["worker"]),
        "ANUMA_GATEWAY_METRICS_TOKEN": TOKEN,
        "ANUMA_GATEWAY_PROVIDERS": provider.configuration(),
        "ANUMA_SANDBOX_REDIRECT_URIS": f"{public}/sign-in/sandbox/callback",
    }
    with stack(tmp_path_factory.mktemp("production"), anew=True, **environment) as found:
        migrate(Settings.from_environment(found.environment).database_url)
        for name in ("gateway", "sandbox"):
            found.start(name, "-m", f"anuma_dash.embedded.{name}")
        found.start_worker()
        found.start_dashboard()
        for url in (f"{found.gateway}/readyz", f"{found.sandbox}/.well-known/openid-configuration"):
            wait_until(lambda url=url: answers(url), f"{url} answers")
        yield found


@pytest.fixture(scope="module")
def front(product: Stack, ports: dict[str, int]) -> Iterator[Front]:
    folder = product.folder / "nginx"
    folder.mkdir()
    with nginx(product, folder, ports["https"], ports["http"]) as found:
        yield found


@pytest.fixture(scope="module")
def secret(product: Stack) -> str:
    """A key of some account."""
    settings = Settings.from_environment(product.environment)
    gateway, account = Gateway.from_settings(settings), new_id()
    gateway.put_account(WORKER, account, "Northwind Labs", "active")
    key = gateway.create_key(WORKER, account, schemas.NewKey(name="ci"), str(new_id()))
    gateway.close()
    assert key.secret is not None
    return key.secret


def test_a_person_signs_in_through_nginx_and_their_own_address_is_recorded(product: Stack, front: Front) -> None:
    public = product.environment["ANUMA_PUBLIC_URL"]
    with front.client(follow_redirects=True, headers=SPOOFED) as http:
        visitor = Visitor(http).visit(f"{public}/sign-in")
        assert visitor.page.heading == "Sign in"
        cookies = visitor.answer.headers.get_list("set-cookie")
        assert cookies
        assert all(cookie.startswith("__Host-") and "; Secure" in cookie for cookie in cookies)
        assert visitor.answer.headers["strict-transport-security"].startswith("max-age=63072000")
        visitor.press("Continue with Sandbox")
        if visitor.page.select("a[data-follow]"):
            visitor.visit(visitor.page.one("a[data-follow]")["href"])
        visitor.press("Sign in as somebody new", name="Robin Abara", email="robin@elsewhere.example")
        visitor.press("Create my account", thirteen_or_older=True)
        assert str(visitor.answer.url) == f"{public}/"
        assert "__Host-anuma_session" in {cookie.name for cookie in http.cookies.jar}
        activity = visitor.visit(f"{public}/activity").page.text
    assert VISITOR in activity
    assert "203.0.113.9" not in activity


def test_built_files_come_from_nginx_compressed_and_for_good(product: Stack, front: Front) -> None:
    public = product.environment["ANUMA_PUBLIC_URL"]
    manifest = json.loads((ROOT / "static/dist/manifest.json").read_text())
    with front.client() as http:
        before = _requests_seen(product)
        for name, built in manifest.items():
            answer = http.get(f"{public}/static/dist/{built}")
            assert answer.status_code == 200
            assert answer.content == (ROOT / "static/dist" / built).read_bytes()
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-type"] != "application/octet-stream", name
            compressed = (ROOT / "static/dist" / f"{built}.gz").is_file()
            assert (answer.headers.get("content-encoding") == "gzip") is compressed
        assert http.get(f"{public}/static/site.js").status_code == 200
        assert _requests_seen(product) - before == 1, "only what is not built was asked of the dashboard"


def test_what_is_for_operators_is_not_for_the_world(product: Stack, front: Front) -> None:
    public = product.environment["ANUMA_PUBLIC_URL"]
    bearing = {"Authorization": f"Bearer {TOKEN}"}
    with front.client(headers=bearing) as http:
        for path in ("/metrics", "/readyz"):
            assert http.get(public + path).status_code == 404
        for path in ("/internal/v1/contract", "/metrics", "/readyz", "/"):
            assert _ask_api(http, front, path).status_code == 404
        answer = httpx.get(
            f"http://127.0.0.1:{front.http}/keys?x=1", headers={"Host": API}, timeout=30, trust_env=False
        )
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://{API}/keys?x=1")
    with front.client() as stranger, pytest.raises(httpx.ConnectError):
        stranger.get(f"https://127.0.0.1:{front.https}/", extensions={"sni_hostname": "other.example"})
    with socket.create_connection(("127.0.0.1", front.https)) as plain:
        front.tls.set_alpn_protocols(["h2"])
        with front.tls.wrap_socket(plain, server_hostname="localhost") as secured:
            assert (secured.selected_alpn_protocol(), secured.version()) == ("h2", "TLSv1.3")
        front.tls.set_alpn_protocols(["http/1.1"])


def test_a_stream_arrives_event_by_event(product: Stack, front: Front, provider: FakeProvider, secret: str) -> None:
    provider.expect("streamed")
    body = {"model": "fake/gated", "stream": True, "user": "streamed", "messages": [{"role": "user", "content": "x"}]}
    with front.client() as http:
        request = http.build_request(
            "POST",
            f"https://127.0.0.1:{front.https}/v1/chat/completions",
            json=body,
            headers={"Host": API, "Authorization": f"Bearer {secret}"},
            extensions={"sni_hostname": API},
        )
        answer = http.send(request, stream=True)
        assert answer.status_code == 200
        events = answer.iter_lines()
        first = next(line for line in events if line)
        assert not provider.gates["streamed"].is_set(), "the provider has not been let go on"
        provider.gates["streamed"].set()
        rest = [line for line in events if line]
        answer.close()
    assert first.startswith("data: {")
    assert rest[-1] == "data: [DONE]"


def test_any_process_tells_the_figures_of_all(product: Stack) -> None:
    web = psutil.Process(product.processes["dashboard-3"].popen.pid)
    assert len(web.children()) == 2
    before = _figure(product, "/under-13")
    for _ in range(12):
        assert httpx.get(f"{product.dashboard}/under-13", timeout=30, trust_env=False).status_code == 200

    assert {_figure(product, "/under-13") - before for _ in range(8)} == {12}


def test_every_figure_that_is_named_exists(product: Stack, secret: str, ports: dict[str, int]) -> None:
    """In the alerts, on the Grafana dashboard, in docs/operations.md: a scrape of the running product has it."""
    _unknown_account(product)
    assert httpx.get(f"{product.dashboard}/readyz", timeout=30, trust_env=False).status_code == 200
    report = [{"type": "csp-violation", "url": product.dashboard, "body": {"effectiveDirective": "img-src"}}]
    assert httpx.post(f"{product.dashboard}/reports", json=report, timeout=30, trust_env=False).status_code == 204
    body = {"model": "fake/plain", "messages": [{"role": "user", "content": "x"}]}
    headers = {"Authorization": f"Bearer {secret}"}
    url = f"{product.gateway}/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers, timeout=30, trust_env=False).status_code == 200
    scraped = [
        f"{product.dashboard}/metrics",
        f"{product.gateway}/metrics",
        f"http://127.0.0.1:{ports['worker']}/metrics",
    ]

    def served() -> set[str]:
        return {
            name
            for url in scraped
            for family in text_string_to_metric_families(_scrape(url))
            for sample in family.samples
            for name in (sample.name, re.sub("_(bucket|count|sum)$", "", sample.name))
        }

    wait_until(lambda: "anuma_attempts_total" in served(), "the worker has told the gateway of the account")
    named = _named()
    assert len(named) > 20
    assert named - served() - BORROWED == set()


def test_probes_of_the_worker(ports: dict[str, int], product: Stack) -> None:
    for path in ("/healthz", "/readyz"):
        assert answers(f"http://127.0.0.1:{ports['worker']}{path}")


def test_a_request_under_way_is_answered_when_the_process_is_told_to_stop(product: Stack) -> None:
    port = free_port()
    environment = product.environment | {"ANUMA_BIND": f"127.0.0.1:{port}", "ANUMA_WEB_WORKERS": "1"}
    other = replace(product, dashboard=f"http://localhost:{port}", environment=environment, processes={})
    process = other.start_dashboard()
    got: list[httpx.Response] = []
    slow = threading.Thread(
        target=lambda: got.append(httpx.get(f"{other.dashboard}/readyz", timeout=60, trust_env=False))
    )
    with product.processes["gateway-0"].paused():
        slow.start()
        wait_until(lambda: _connections_to(product.gateway, process.popen.pid) > 0, "it waits for the gateway")
        process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: not _accepts(port), "nobody new is let in")
        assert process.popen.poll() is None
        assert got == []
    slow.join(60)
    assert [answer.status_code for answer in got] == [200]
    assert got[0].text == "database: ok\ngateway: ok\n"
    assert process.popen.wait(60) == 0
    other.stop()


def _ask_api(http: httpx.Client, front: Front, path: str) -> httpx.Response:
    url = f"https://127.0.0.1:{front.https}{path}"
    return http.get(url, headers={"Host": API}, extensions={"sni_hostname": API})


def _scrape(url: str) -> str:
    answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False)
    assert answer.status_code == 200
    return answer.text


def _counts(product: Stack) -> dict[str, float]:
    families = text_string_to_metric_families(_scrape(f"{product.dashboard}/metrics"))
    samples = [sample for family in families for sample in family.samples if sample.name == "anuma_requests_total"]
    counts: dict[str, float] = {}
    for sample in samples:
        counts[sample.labels["endpoint"]] = counts.get(sample.labels["endpoint"], 0) + sample.value
    return counts


def _figure(product: Stack, path: str) -> float:
    return _counts(product).get({"/under-13": "sign_in.under_13"}[path], 0)


def _requests_seen(product: Stack) -> float:
    return _counts(product).get("static", 0)


def _unknown_account(product: Stack) -> None:
    """An account that the gateway has not been told of: work for the worker."""
    database, now = Database(Settings.from_environment(product.environment).database_url), utc_now()
    with database.transaction() as tx:
        user = User(id=new_id(), name="Ada", email=None, time_zone="UTC", created_at=now, attested_age_at=now)
        tx.add(user)
        tx.flush()
        create_account(tx, OPERATOR, user, "Elsewhere", "organization", now)
    database.dispose()


def _named() -> set[str]:
    alerts = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yaml").read_text())
    texts = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    panels = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())["panels"]
    texts += [target["expr"] for panel in panels for target in panel["targets"]]
    texts += re.findall(r"^\| `(anuma_[a-z_]+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    return {name for text in texts for name in re.findall(r"\b((?:anuma|process|node)_[a-z_]+|up)\b(?!\")", text)}


def _connections_to(url: str, parent: int) -> int:
    port = int(url.rpartition(":")[2])
    family = [psutil.Process(parent), *psutil.Process(parent).children(recursive=True)]
    found = [one for process in family for one in process.net_connections("tcp")]
    return len([one for one in found if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
