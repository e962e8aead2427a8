"""What the gateway counts: every answer, every settled request, streams, deletions; never who or what."""

from __future__ import annotations

from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.conftest import run_gateway, wait_until

TOKEN = "the-one-that-Prometheus-bears-8d1f7a"


def figures(running, **options):
    answer = running.http.get("/metrics", **options)
    assert answer.status_code == 200
    return answer.text, {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_settled_request_is_counted_once(running, dashboard):
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    _, before = figures(running)
    assert running.chat(key["secret"], "words that no figure repeats", model="fake/plain").status_code == 200
    text, after = figures(running)

    def grown(*name):
        return after[name] - before.get(name, 0)

    settled = tuple(sorted(("fake", "fake/plain", "completed")))
    assert grown("anuma_gateway_settled_total", *settled) == 1
    assert grown("anuma_gateway_tokens_total", *sorted(("fake", "fake/plain", "prompt"))) == 11
    assert grown("anuma_gateway_tokens_total", *sorted(("fake", "fake/plain", "completion"))) == 7
    assert grown("anuma_gateway_cost_micro_usd_total", "fake", "fake/plain") == 11 * 2 + 7 * 10
    assert grown("anuma_gateway_content_decisions_total", "account_control", "false") == 1
    assert grown("anuma_gateway_first_byte_seconds_count", "fake") == 1
    assert grown("anuma_gateway_requests_total", "/v1/chat/completions", "200", "POST") == 1
    for secret in (str(account), key["id"], key["secret"], "words that"):
        assert secret not in text


def test_streams_under_way(running, dashboard):
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    running.provider.expect("counted")
    wait_until(lambda: figures(running)[1][("anuma_gateway_streams_open",)] == 0)  # those whom earlier tests left
    body = {"model": "fake/gated", "stream": True, "user": "counted", "messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {key['secret']}"}
    with running.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        assert figures(running)[1][("anuma_gateway_streams_open",)] == 1
        running.provider.gates["counted"].set()
        answer.read()
    wait_until(lambda: figures(running)[1][("anuma_gateway_streams_open",)] == 0)


def test_what_anybody_can_make_up_is_no_figure_of_its_own(running):
    for number in range(2):
        running.http.request(f"MADEUP{number}", "/v1/models")
        running.http.get(f"/made-up-{number}")
    text, found = figures(running)
    assert "made-up" not in text
    assert "MADEUP" not in text
    assert found[("anuma_gateway_requests_total", "404", "none", "other")] >= 2


def test_deletions_that_are_not_finished(running, dashboard):
    account = dashboard.new_account()
    wait_until(lambda: figures(running)[1][("anuma_gateway_unfinished_deletions",)] == 0)
    body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
    assert dashboard.call("POST", account, "/deletions", body=body).status_code in (200, 202)
    wait_until(lambda: dashboard.get(account, f"/deletions/{body['id']}")["finished_at"])
    _, found = figures(running)
    assert found[("anuma_gateway_unfinished_deletions",)] == 0
    assert found[("anuma_gateway_oldest_unfinished_deletion_seconds",)] == 0
    assert found[("anuma_gateway_database_up",)] == 1


def test_who_may_ask(provider, tmp_path):
    with run_gateway(tmp_path, provider, {}) as running:
        assert running.http.get("/metrics").status_code == 200
        assert running.http.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 404
    with run_gateway(tmp_path, provider, {"ANUMA_GATEWAY_METRICS_TOKEN": TOKEN}) as running:
        assert running.http.get("/metrics").status_code == 404
        wrong = running.http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}x"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "not_found")
        text, _ = figures(running, headers={"authorization": f"Bearer {TOKEN}", "x-forwarded-for": "192.0.2.1"})
        assert "anuma_gateway_database_up" in text
