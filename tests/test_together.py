"""Two calls to the gateway at the same time: within one budget, and with the errors that one after the other had."""

from __future__ import annotations

import threading
import time

import httpcore
import pytest

from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway.deadline import _left
from anuma_dash.gateway.together import together

SECONDS = 10.0


def failing(words):
    def call():
        raise GatewayUnavailable(words)

    return call


def test_both_are_under_way_at_once():
    meeting = threading.Barrier(2, timeout=SECONDS)
    assert together(SECONDS, lambda: ("log", meeting.wait())[0], lambda: ("keys", meeting.wait())[0]) == ("log", "keys")


def test_both_have_the_same_time():
    left = together(SECONDS, lambda: _left(None), lambda: _left(None))
    assert all(0 < one <= SECONDS for one in left)
    assert abs(left[0] - left[1]) < SECONDS / 2


def test_neither_goes_on_beyond_it():
    def beyond():
        while True:
            _left(None)
            time.sleep(0)

    with pytest.raises(httpcore.ReadTimeout):
        together(0.01, lambda: "log", beyond)


def test_the_error_is_the_first_ones_and_nothing_is_left_behind():
    ended = threading.Event()

    def slow():
        ended.set()
        raise GatewayUnavailable("the keys")

    with pytest.raises(GatewayUnavailable, match="the log"):
        together(SECONDS, failing("the log"), slow)
    assert ended.is_set()


def test_the_error_of_the_second_alone():
    with pytest.raises(GatewayUnavailable, match="the keys"):
        together(SECONDS, lambda: "log", failing("the keys"))
