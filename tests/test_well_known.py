"""Addresses that programs know by heart."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


def security_txt(world):
    answer = world.browser().request("GET", "/.well-known/security.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    return dict(line.split(": ", 1) for line in answer.text.splitlines())


def test_security_txt_says_whom_to_tell_and_never_runs_out(world):
    world.restart(security_contact="mailto:security@dash.example", security_policy_url="https://dash.example/security")
    for _ in range(2):
        fields = security_txt(world)
        expires = datetime.fromisoformat(fields.pop("Expires"))
        assert timedelta(days=30) < expires - world.clock.now <= timedelta(days=365)
        assert fields == {
            "Contact": "mailto:security@dash.example",
            "Preferred-Languages": "en",
            "Canonical": "http://localhost:8000/.well-known/security.txt",
            "Policy": "https://dash.example/security",
        }
        world.clock.advance(days=400)


def test_without_a_contact_of_its_own_it_names_support(world):
    fields = security_txt(world)

    assert fields["Contact"] == "mailto:support@anuma.example"
    assert "Policy" not in fields


def test_changing_a_password_leads_to_the_ways_to_sign_in(world):
    browser = world.browser(world.olive)

    answer = browser.request("GET", "/.well-known/change-password")
    assert answer.status_code == 303
    assert browser.visit(answer.headers["Location"]).status == 200
    missing = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert browser.request("GET", missing).status_code == 404, "as the specification asks, to tell that it is here"


def test_it_leads_to_the_page_of_sign_in_methods(world):
    goal = world.browser().request("GET", "/.well-known/change-password").headers["Location"]

    assert urlsplit(goal).path == "/sign-in-methods"


def test_crawlers_may_ask_and_are_sent_to_the_sign_in_page_like_everybody(world):
    browser = world.browser()

    assert browser.request("GET", "/robots.txt").text.splitlines() == ["User-agent: *", "Disallow:"]
    for path in ("/keys", "/requests", "/activity"):
        assert browser.request("GET", path).headers["Location"].startswith("/sign-in?next=")
