"""Credit: set aside before a request is sent, settled with its row, never overdrawn by requests at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.conftest import wait_until
from tests.gateway.test_disconnects import start

COST = 11 * 2 + 7 * 10
MOST = {"max_tokens": 10}  # of fake's prices: at most 10 * 10 + the prompt's 2 tokens * 2


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def secret(dashboard, account):
    return dashboard.new_key(account)["secret"]


def give(dashboard, account, available, version=1, charged=0):
    body = {"available_micro_usd": available, "charged_micro_usd": charged, "version": version}
    return dashboard.call("PUT", account, "/credit", body=body)


def assert_refused(response):
    assert (response.status_code, response.json()["error"]["code"]) == (402, "out_of_credit")


def test_an_account_without_a_credit_record_is_not_bounded(running, dashboard, account, secret):
    assert running.chat(secret, model="fake/plain").status_code == 200
    missing = dashboard.call("GET", account, "/credit")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_what_is_spent_is_unsettled_until_it_is_charged(running, dashboard, account, secret):
    given = give(dashboard, account, 300).json()
    assert (given["available_micro_usd"], given["spent_micro_usd"], given["unsettled_micro_usd"]) == (300, 0, 0)
    for _ in range(2):
        assert running.chat(secret, model="fake/plain", **MOST).status_code == 200
    spent = dashboard.get(account, "/credit")
    assert (spent["spent_micro_usd"], spent["unsettled_micro_usd"], spent["reserved_micro_usd"]) == (184, 184, 0)
    assert running.chat(secret, model="fake/plain", **MOST).status_code == 200, "116 are left, and 104 wanted"
    assert_refused(running.chat(secret, model="fake/plain", **MOST))
    charged = give(dashboard, account, 300 - 3 * COST, version=2, charged=3 * COST).json()
    assert (charged["unsettled_micro_usd"], charged["available_micro_usd"]) == (0, 24)
    assert_refused(running.chat(secret, model="fake/plain", **MOST))
    give(dashboard, account, 1000, version=3, charged=3 * COST)
    assert running.chat(secret, model="fake/plain", **MOST).status_code == 200


def test_a_refusal_is_metered_and_free(running, dashboard, account, secret):
    dashboard.switch_logging(account, True)
    give(dashboard, account, 0)
    refused = running.chat(secret, model="fake/plain")
    assert_refused(refused)
    assert refused.json()["error"]["type"] == "billing_error"
    (row,) = dashboard.requests(account)
    assert (row["status"], row["error_class"], row["cost_micro_usd"]) == (402, "out_of_credit", 0)
    assert row["content"]["stored"] is False
    assert running.chat(secret).status_code == 200, "the built-in model costs nothing"


def test_a_request_that_does_not_say_its_length_reserves_the_models_most(running, dashboard, account, secret):
    give(dashboard, account, 4096 * 10)
    assert_refused(running.chat(secret, model="fake/plain"))
    give(dashboard, account, 4096 * 10 + 4, version=2)
    assert running.chat(secret, model="fake/plain").status_code == 200


@pytest.mark.parametrize("tokens", [10**30, True, "many", -5, None])
def test_odd_bounds(running, dashboard, account, secret, tokens):
    give(dashboard, account, 10)
    assert_refused(running.chat(secret, model="fake/plain", max_tokens=tokens))


def test_requests_at_once_do_not_overdraw(running, dashboard, account, secret):
    """Twelve at once, of which the credit covers four: the provider holds all that reach it until all were decided."""
    give(dashboard, account, 4 * 104)
    tags = [f"credit-{account}-{number}" for number in range(12)]
    for tag in tags:
        running.provider.expect(tag)

    def ask(tag):
        return running.chat(secret, model="fake/gated", stream=True, user=tag, **MOST).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(ask, tag) for tag in tags]
        wait_until(lambda: len(dashboard.requests(account)) == 8)
        held = dashboard.get(account, "/credit")
        for tag in tags:
            running.provider.gates[tag].set()
        statuses = sorted(answer.result(20) for answer in answers)
    assert statuses == [200] * 4 + [402] * 8
    assert (held["reserved_micro_usd"], held["spent_micro_usd"]) == (4 * 104, 0)
    after = dashboard.get(account, "/credit")
    assert (after["reserved_micro_usd"], after["spent_micro_usd"]) == (0, 4 * COST)
    assert after["spent_micro_usd"] <= after["available_micro_usd"]


@pytest.mark.parametrize("model", ["fake/fails", "fake/silent"])
def test_a_reservation_ends_with_its_request(running, dashboard, account, secret, model):
    give(dashboard, account, 100_000)
    if model == "fake/silent":
        tag, client = start(running, {"secret": secret}, model=model, max_tokens=10)
        assert running.provider.arrived[tag].wait(60)
        assert dashboard.get(account, "/credit")["reserved_micro_usd"] > 0
        client.leave()
        wait_until(lambda: dashboard.requests(account))
    else:
        running.chat(secret, model=model)
    assert dashboard.get(account, "/credit")["reserved_micro_usd"] == 0


def test_a_reservation_whose_process_died_ends_with_its_time(running, dashboard, account, secret):
    """Nobody releases it: it counts until the longest time that a request may take is over."""
    give(dashboard, account, 106)
    tag, client = start(running, {"secret": secret}, model="fake/silent", max_tokens=10)
    assert running.provider.arrived[tag].wait(60)
    assert_refused(running.chat(secret, model="fake/plain", max_tokens=1))
    running.clock.advance(seconds=1800 + 61)
    assert dashboard.get(account, "/credit")["reserved_micro_usd"] == 0
    assert running.chat(secret, model="fake/plain", max_tokens=1).status_code == 200
    client.leave()
    wait_until(lambda: len(dashboard.requests(account)) == 3)


def test_versions_only_go_up(dashboard, account):
    first = give(dashboard, account, 500, version=7).json()
    assert give(dashboard, account, 500, version=7).json() == first, "repeated: the original time"
    for version, available in ((7, 501), (6, 500)):
        conflict = give(dashboard, account, available, version=version)
        assert (conflict.status_code, conflict.json()["code"]) == (409, "version_conflict")
        assert conflict.json()["stored_version"] == 7
    assert give(dashboard, account, -5, version=8).json()["available_micro_usd"] == -5


def test_charged_for_more_than_is_spent_gives_no_credit(running, dashboard, account, secret):
    """As after a restore of the gateway's database."""
    credit = give(dashboard, account, 50, charged=10**9).json()
    assert (credit["spent_micro_usd"], credit["unsettled_micro_usd"]) == (0, 0)
    assert_refused(running.chat(secret, model="fake/plain", **MOST))


def test_two_dashboards_at_once_leave_the_later_version(dashboard, account):
    start_line = threading.Barrier(6)

    def put(version):
        start_line.wait(60)
        return give(dashboard, account, version * 100, version=version).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(put, range(1, 7)))
    assert set(statuses) <= {200, 409}
    assert statuses[-1] == 200
    credit = dashboard.get(account, "/credit")
    assert (credit["version"], credit["available_micro_usd"]) == (6, 600)
