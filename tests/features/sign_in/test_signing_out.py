"""Signing out ends the session here, on the server."""

from __future__ import annotations

from anuma_dash.audit import AuditEntry


def test_a_person_signs_out(world, browse):
    page = browse(world.olive).visit("/activity")
    token = page.cookie(world.session_cookie)

    page.submit("Sign out")

    assert (page.heading, page.path) == ("You are signed out", "/signed-out?provider=sandbox")
    assert "You are signed out of Anuma in this browser. You may still be signed in at Sandbox." in page.text
    assert page.follow("Sign in again").heading == "Sign in"
    assert page.cookie(world.session_cookie) is None

    thief = browse()
    thief.set_cookie(world.session_cookie, token)
    assert thief.visit("/activity").heading == "Sign in"


def test_other_sessions_go_on_and_it_is_recorded(world):
    here, there = world.browser(world.olive), world.browser(world.olive)

    here.visit("/").submit("Sign out")

    assert there.visit("/").heading.endswith(", Olive")
    entry = world.rows(AuditEntry, chain=world.northwind)[-1]
    assert (entry.event, entry.actor_id) == ("session.ended", world.olive.id)


def test_the_browser_is_told_to_forget_what_it_kept_but_not_the_cookies_of_other_ports(world):
    browser = world.browser(world.olive).visit("/")

    answer = browser.request("POST", "/sign-out", data={"csrf_token": browser.csrf_token()})

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "anuma_session=;" in " ".join(answer.headers.getlist("Set-Cookie"))


def test_a_link_cannot_sign_anybody_out(world):
    browser = world.browser(world.olive)

    assert browser.request("GET", "/sign-out").status_code == 405
    assert browser.visit("/").heading.endswith(", Olive")
