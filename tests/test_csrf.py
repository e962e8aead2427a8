"""Forged forms: no other site, no other session, and no other browser can make somebody do something."""

from __future__ import annotations

import base64

import pytest

from anuma_dash.web.render import THEME_COOKIE

THEME = {"theme": "dark"}
OUT_OF_DATE = "This form is out of date"
ANOTHER_SITE = "This form was sent from another site, so nothing was done."


def post(browser, token, headers=None, data=THEME):
    return browser.request("POST", "/theme", data={**data, "csrf_token": token}, headers=headers or {})


@pytest.fixture(params=["olive", "somebody signed out"])
def browser(world, request):
    """A browser on a page with forms; signed in, and not."""
    person = world.people.get(request.param)
    return world.browser(person).visit("/signed-out")


def test_a_form_of_the_page_is_accepted(browser):
    assert post(browser, browser.csrf_token()).status_code == 303
    assert browser.cookie(THEME_COOKIE) == "dark"


@pytest.mark.parametrize("token", ["", "x", "!!!", "é", "AAAA", base64.urlsafe_b64encode(bytes(64)).decode()])
def test_a_form_without_a_true_token_changes_nothing(browser, token):
    answer = post(browser, token)

    assert answer.status_code == 403
    assert OUT_OF_DATE in answer.text
    assert browser.cookie(THEME_COOKIE) is None


def test_the_token_may_come_in_a_header(browser):
    token = browser.csrf_token()

    assert browser.request("POST", "/theme", data=THEME, headers={"X-CSRF-Token": token}).status_code == 303


def test_every_page_masks_the_token_anew_and_each_mask_is_good(browser):
    tokens = {browser.reload().csrf_token() for _ in range(3)}

    assert len(tokens) == 3
    assert {post(browser, token).status_code for token in tokens} == {303}


def test_a_token_of_another_session_is_worthless(world):
    olive, strange = (world.browser(person).visit("/signed-out") for person in (world.olive, world.strange))

    assert post(olive, strange.csrf_token()).status_code == 403


def test_a_token_from_before_sign_in_is_worthless_afterwards(world):
    browser = world.browser().visit("/signed-out")
    before = browser.csrf_token()
    browser.set_cookie(world.session_cookie, world.start_session(world.olive)[1])

    assert post(browser, before).status_code == 403


def test_a_token_of_another_browser_is_worthless(world):
    one, other = (world.browser().visit("/signed-out") for _ in range(2))

    assert post(one, other.csrf_token()).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_of_another_site_is_refused_even_with_a_token(browser, site):
    answer = post(browser, browser.csrf_token(), {"Sec-Fetch-Site": site})

    assert answer.status_code == 403
    assert ANOTHER_SITE in answer.text
    assert browser.cookie(THEME_COOKIE) is None


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9999", "null", "http://localhost:8000.e"])
def test_a_form_with_another_origin_is_refused_even_with_a_token(browser, origin):
    answer = post(browser, browser.csrf_token(), {"Origin": origin})

    assert answer.status_code == 403
    assert ANOTHER_SITE in answer.text


def test_a_browser_that_says_nothing_of_where_a_form_comes_from_is_refused(browser):
    answer = post(browser, browser.csrf_token(), {"Sec-Fetch-Site": None})

    assert answer.status_code == 403
    assert "did not say where this form comes from" in answer.text


def test_an_older_browser_that_sends_only_the_origin_is_accepted(browser):
    headers = {"Sec-Fetch-Site": None, "Origin": "http://localhost:8000"}

    assert post(browser, browser.csrf_token(), headers).status_code == 303


def test_forms_outlive_a_change_of_the_secret_until_the_old_one_is_taken_away(world):
    (old,) = world.settings.csrf_secrets
    new = "forms-09fa4bd2c6e7135a8b0c4d92e6f7a135"
    page = world.browser().visit("/signed-out")
    token, cookie = page.csrf_token(), page.cookie("anuma_browser")

    for secrets, status in (((new, old), 303), ((new,), 403)):
        world.restart(csrf_secrets=secrets)
        browser = world.browser()
        browser.set_cookie("anuma_browser", cookie)
        assert post(browser, token).status_code == status
