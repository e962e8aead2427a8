"""The headers of every answer, and what operators can ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anuma_dash.gateway.schemas import CONTRACT_VERSION
from anuma_dash.versions import OtherContract
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
FIRM = {name: value for name, value in HARDENED.items() if name != "Cache-Control"}
"""What built files carry as well."""


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
        "report-uri": "/reports",
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
    assert directives(answer.headers["Content-Security-Policy"])["report-to"] == "default"
    assert answer.headers["Reporting-Endpoints"] == 'default="/reports"'
    assert answer.headers["Cross-Origin-Opener-Policy"] == 'same-origin; report-to="default"'
    cookies = answer.headers.getlist("Set-Cookie") + posted.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all({"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")) for cookie in cookies)


def test_built_files_are_kept_by_browsers_for_a_year_because_their_names_change(world):
    manifest = json.loads((Path(world.app.static_folder) / "dist" / "manifest.json").read_text())
    browser = world.browser()

    for name in manifest.values():
        answer = browser.request("GET", f"/static/dist/{name}")
        again = browser.request("GET", f"/static/dist/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        part = browser.request("GET", f"/static/dist/{name}", headers={"Range": "bytes=0-3"})
        assert (answer.status_code, again.status_code, part.status_code) == (200, 304, 206)
        for one in (answer, again, part):
            assert one.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert {header: one.headers.get(header) for header in FIRM} == FIRM
            assert "Set-Cookie" not in one.headers
            one.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("HEAD", "/sign-in", 200), ("OPTIONS", "/sign-in", 200), ("GET", "/keys", 303), ("GET", "/sign-out", 405)),
        *(("GET", "/static/dist/none.css", 404), ("GET", "/static/../settings.py", 404), ("POST", "/static/x", 405)),
        *(("GET", "/" + "a" * 9000, 414), ("POST", "/theme", 403), ("TRACE", "/sign-in", 405), ("BREW", "/", 405)),
        *(("GET", "/robots.txt", 200), ("POST", "/reports", 400), ("GET", "/.well-known/change-password", 303)),
    ],
)
def test_so_is_every_other_kind_of_answer(world, method, path, status):
    for headers in ({}, HTMX):
        answer = world.browser().request(method, path, headers=headers)

        assert answer.status_code in (status, 200 if headers and status == 303 else status)
        assert {name: answer.headers.get(name) for name in HARDENED} == HARDENED
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Permissions-Policy"].startswith("camera=(), microphone=()")
        assert answer.headers["X-Request-Id"].startswith("req_")


def test_an_answer_to_a_foreign_host_or_in_a_fault_is_hardened_too(world):
    def broken():
        raise RuntimeError

    add_probe(world, broken, anonymous=True)
    answers = [
        world.browser().request("GET", "/sign-in", headers={"Host": "evil.example"}),
        world.browser().request("GET", "/probe"),
    ]

    assert [answer.status_code for answer in answers] == [400, 500]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HARDENED} == HARDENED


def test_operators_are_told_what_the_process_depends_on(world):
    browser = world.browser()
    assert browser.request("GET", "/healthz").text == "ok\n"
    assert browser.request("GET", "/readyz").text == "database: ok\ngateway: ok\n"

    world.break_gateway()

    answer = browser.request("GET", "/readyz")
    assert (answer.status_code, answer.text) == (200, "database: ok\ngateway: does not answer\n")


def test_a_gateway_of_another_contract_keeps_the_dashboard_from_starting(world, monkeypatch):
    check_versions(world.app)
    for module in ("anuma_dash.web.observe", "anuma_dash.versions"):
        monkeypatch.setattr(f"{module}.CONTRACT_VERSION", "9.9")

    with pytest.raises(OtherContract, match=rf"speaks contract {CONTRACT_VERSION}, this dashboard speaks 9\.9"):
        check_versions(world.app)
    assert (
        f"gateway: speaks contract {CONTRACT_VERSION}, this dashboard 9.9"
        in world.browser().request("GET", "/readyz").text
    )
    world.break_gateway()
    check_versions(world.app)
