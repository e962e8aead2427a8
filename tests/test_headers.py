"""The headers of every answer, and what operators can ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import request

from anuma_dash.web.observe import check_versions
from tests.hygiene import nonce_of
from tests.probes import add_probe

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
HARDENED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer of a view carries; `test_every_route.py` asks it of all of them."""


def directives(policy):
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


@pytest.mark.parametrize("path", ["/", "/sign-in", "/no-such-page", "/healthz", "/readyz"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_every_answer_is_hardened(world, path, headers):
    answer = world.browser().request("GET", path, headers=headers)

    assert {name: answer.headers.get(name) for name in HARDENED} == HARDENED
    assert {"HX-Request", "Cookie"} <= set(answer.vary)
    assert "Strict-Transport-Security" not in answer.headers


def test_only_scripts_of_this_very_answer_run_and_nothing_else_is_loaded(world):
    browser = world.browser()
    policies = [browser.request("GET", "/sign-in").headers["Content-Security-Policy"] for _ in range(2)]

    found = directives(policies[0])
    assert found.pop("script-src") == f"'nonce-{nonce_of(policies[0])}'"
    assert found == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "object-src": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "htmx",
    }
    assert nonce_of(policies[0]) != nonce_of(policies[1])


def test_on_https_cookies_are_secure_and_the_browser_is_told_to_stay_there(world):
    world.restart(public_url="https://dashboard.example")
    browser = world.browser()
    answer = browser.request("GET", "/sign-in")
    posted = browser.request(
        "POST", "/theme", data={"csrf_token": browser.visit("/sign-in").csrf_token(), "theme": "dark"}
    )

    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    cookies = answer.headers.getlist("Set-Cookie") + posted.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all({"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")) for cookie in cookies)


def test_built_files_are_kept_by_browsers_for_a_year_because_their_names_change(world):
    manifest = json.loads((Path(world.app.static_folder) / "dist" / "manifest.json").read_text())

    for name in manifest.values():
        answer = world.browser().request("GET", f"/static/dist/{name}")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Set-Cookie" not in answer.headers
        answer.close()


def test_the_address_of_the_browser_is_believed_only_as_far_as_the_proxies_are_ours(world):
    spoofed = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    for hops, address in ((0, "127.0.0.1"), (1, "198.51.100.7"), (2, "203.0.113.9")):
        world.restart(proxy_hops=hops)
        add_probe(world, lambda: str(request.remote_addr), anonymous=True)
        assert world.browser().request("GET", "/probe", headers=spoofed).text == address


def test_operators_are_told_what_the_process_depends_on(world):
    browser = world.browser()
    assert browser.request("GET", "/healthz").text == "ok\n"
    assert browser.request("GET", "/readyz").text == "database: ok\ngateway: ok\n"

    world.break_gateway()

    answer = browser.request("GET", "/readyz")
    assert (answer.status_code, answer.text) == (200, "database: ok\ngateway: does not answer\n")


def test_figures_are_for_this_machine_only(world):
    browser = world.browser(world.olive).visit("/")

    figures = browser.request("GET", "/metrics").text
    assert 'anuma_requests_total{endpoint="overview.index",method="GET",status="200"} 1.0' in figures
    assert "anuma_oldest_unconfirmed_control_seconds 0.0" in figures
    elsewhere = [{"headers": {"X-Forwarded-For": "127.0.0.1"}}, {"environ_base": {"REMOTE_ADDR": "192.0.2.1"}}]
    for options in elsewhere:
        answer = browser.request("GET", "/metrics", **options)
        assert answer.status_code == 404
        assert "anuma_" not in answer.text


def test_a_gateway_of_another_contract_keeps_the_dashboard_from_starting(world, monkeypatch):
    check_versions(world.app)
    monkeypatch.setattr("anuma_dash.web.observe.CONTRACT_VERSION", "9.9")

    with pytest.raises(RuntimeError, match=r"speaks contract 1\.0, this dashboard speaks 9\.9"):
        check_versions(world.app)
    assert "gateway: speaks contract 1.0, this dashboard 9.9" in world.browser().request("GET", "/readyz").text
    world.break_gateway()
    check_versions(world.app)
