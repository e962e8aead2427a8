"""Proxies and hosts: how far the headers of a request are believed, by settings."""

from __future__ import annotations

import pytest
from flask import request

from anuma_dash.web.limits import network
from anuma_dash.web.state import client_address
from tests.probes import add_probe

SPOOFED = "203.0.113.9, 198.51.100.7"


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


def seen(world, **headers):
    """What the application believes of a request: the address, the scheme, the host."""
    view = lambda: "|".join((client_address(), request.scheme, request.host))  # noqa: E731
    add_probe(world, view, anonymous=True)
    return tuple(world.browser().request("GET", "/probe", headers=headers).text.split("|"))


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        *((0, SPOOFED, "127.0.0.1"), (1, SPOOFED, "198.51.100.7"), (2, SPOOFED, "203.0.113.9")),
        *((3, SPOOFED, "127.0.0.1"), (1, "2001:db8::1", "2001:db8::1"), (1, "", "127.0.0.1")),
        *((1, "evil\x1b[31m", ""), (1, "<script>", ""), (1, "a" * 5000, ""), (1, "198.51.100.7:443", "")),
    ],
)
def test_the_address_of_the_browser_is_believed_only_as_far_as_the_proxies_are_ours(world, hops, forwarded, address):
    world.restart(proxy_hops=hops)

    assert seen(world, **{"X-Forwarded-For": forwarded})[0] == address


@pytest.mark.parametrize(
    ("hops", "forwarded", "scheme"),
    [(0, "https", "http"), (1, "https", "https"), (1, "https, http", "http"), (2, "https, http", "https")],
)
def test_so_is_the_scheme(world, hops, forwarded, scheme):
    world.restart(proxy_hops=hops)

    assert seen(world, **{"X-Forwarded-Proto": forwarded})[1] == scheme


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_the_host_is_never_taken_from_a_proxy(world, hops):
    world.restart(proxy_hops=hops)
    hostile = dict.fromkeys(("X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL"), "evil.example")

    assert seen(world, **hostile)[2] == "localhost:8000"
    assert world.browser().request("GET", "/keys", headers=hostile).headers["Location"] == "/sign-in?next=/keys"


def test_only_the_hosts_of_the_settings_are_served(world):
    world.restart(allowed_hosts=("dash.example", "localhost:8000"))
    browser = world.browser()

    for host, status in {
        "dash.example": 200,
        "localhost:8000": 200,
        "other.example": 400,
        "x.dash.example": 400,
    }.items():
        assert browser.request("GET", "/sign-in", headers={"Host": host}).status_code == status, host


def test_a_form_may_come_from_each_host_that_is_served_and_no_other(world):
    world.restart(public_url="https://dash.example", allowed_hosts=("dash.example", "www.dash.example"))
    browser = world.browser().visit("/sign-in")
    form = {"csrf_token": browser.csrf_token(), "theme": "dark"}

    for origin, status in {
        "https://dash.example": 303,
        "https://www.dash.example": 303,
        "http://dash.example": 403,
        "https://dash.example:444": 403,
        "https://evil.example": 403,
    }.items():
        for site in ("same-origin", None):
            headers = {"Origin": origin, "Sec-Fetch-Site": site}
            assert browser.request("POST", "/theme", data=form, headers=headers).status_code == status, origin


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", "unknown"),
    ],
)
def test_limits_count_networks_that_one_visitor_has_to_themselves(address, counted):
    assert network(address) == counted
