"""Switching the control while requests are under way, in random orders and all at once."""

from __future__ import annotations

import secrets
import threading

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import wait_until
from tests.gateway.test_storing import Stream, held_keys

STEPS = st.lists(st.sampled_from(["switch", "begin", "end first", "end last"]), min_size=4, max_size=14)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stored_exactly_if_on_at_arrival_and_at_the_write(running, dashboard, steps):
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    on, under_way, expected = False, [], {}

    def end(stream, arrived_on, words):
        stream.finish()
        expected[words] = arrived_on and on

    for step in steps:
        if step == "switch":
            on = not on
            dashboard.switch_logging(account, on)
        elif step == "begin":
            words = f"words {secrets.token_hex(4)}"
            under_way.append((Stream(running, key, words), on, words))
        elif under_way:
            end(*under_way.pop(0 if step == "end first" else -1))
    while under_way:
        end(*under_way.pop())
    stored = dashboard.requests(account, content="stored")
    readable = {dashboard.content(account, row["id"])["prompt"][0]["text"] for row in stored}
    assert readable == {words for words, is_stored in expected.items() if is_stored}
    assert held_keys(running, account) == {row["id"] for row in stored}, "no key without content"
    assert len(dashboard.requests(account)) == len(expected)


def test_nothing_is_stored_after_off_is_in_effect(running, dashboard):
    """Requests race with the switch; from the acknowledgment of "off" on, the stored content is what it was."""
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    stop, answered = threading.Event(), []

    def talk():
        while not stop.is_set():
            answered.append(running.chat(key["secret"]).status_code)

    talkers = [threading.Thread(target=talk) for _ in range(3)]
    for talker in talkers:
        talker.start()
    try:
        for _ in range(8):
            dashboard.switch_logging(account, True)
            wait_for_more(answered, 4)
            dashboard.switch_logging(account, False)
            stored = dashboard.get(account, "/inventory")["rows"][0]["count"]
            wait_for_more(answered, 8)
            assert dashboard.get(account, "/inventory")["rows"][0]["count"] == stored
    finally:
        stop.set()
        for talker in talkers:
            talker.join(30)
    assert set(answered) == {200}
    overview = dashboard.get(account, "/overview")
    assert overview["requests_ever"] == len(answered), "each metered once"
    assert overview["stored_items"] == stored > 0
    assert len(held_keys(running, account)) == stored


def wait_for_more(answered, count):
    goal = len(answered) + count
    wait_until(lambda: len(answered) >= goal)
