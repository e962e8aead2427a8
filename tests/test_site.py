"""What belongs to the whole site: the theme, the account that is looked at, messages, who stands in the menu."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import redirect

from anuma_dash.domain.accounts import add_member
from anuma_dash.identity import Account, Role, User
from anuma_dash.web.flashes import COOKIE, flash
from anuma_dash.web.render import page
from tests.probes import add_probe


def test_a_person_chooses_light_dark_or_what_the_system_says(browse):
    page = browse().visit("/sign-in?next=/keys")
    assert page.one("html").get("data-theme") is None

    page.submit("Dark")
    assert page.path == "/sign-in?next=/keys"
    assert page.one("html")["data-theme"] == "dark"
    assert page.one("button[aria-pressed=true]").text == "Dark"

    page.submit("System")
    assert page.one("html").get("data-theme") is None


def test_a_theme_that_does_not_exist_is_not_kept(world):
    browser = world.browser().visit("/signed-out")

    answer = browser.request("POST", "/theme", data={"csrf_token": browser.csrf_token(), "theme": "x;evil"})

    assert answer.status_code == 303
    assert browser.cookie("anuma_theme") is None


def test_the_page_after_choosing_a_theme_is_always_one_of_ours(world):
    browser = world.browser().visit("/signed-out")
    form = {"csrf_token": browser.csrf_token(), "theme": "dark"}

    answer = browser.request("POST", "/theme", data=form, headers={"Referer": "http://localhost:8000//evil.example/"})

    assert answer.headers["Location"] == "/"


@pytest.fixture
def dev_of_two(world):
    """Dev, who is also a viewer at Elsewhere."""
    with world.db.transaction() as tx:
        elsewhere, dev = tx.get_one(Account, world.elsewhere), tx.get_one(User, world.dev.id)
        later = world.clock.now + timedelta(seconds=1)
        add_member(tx, world.strange.actor, elsewhere, dev, Role.VIEWER, later)
    return world.dev


def test_a_person_with_two_accounts_looks_at_one_of_them(browse, dev_of_two):
    page = browse(dev_of_two).visit("/")
    assert page.one(".account b").text == "Northwind Labs"

    page.submit("Elsewhere", within="#account-menu")

    assert page.path == "/"
    assert page.one(".account b").text == "Elsewhere"


def test_an_account_of_others_does_not_exist(world):
    browser = world.browser(world.dev).visit("/")
    form = {"csrf_token": browser.csrf_token(), "account_id": str(world.elsewhere)}

    answer = browser.request("POST", "/account/selection", data=form)

    assert answer.status_code == 404
    assert "Elsewhere" not in answer.text
    assert "Elsewhere" not in browser.visit("/").text


def test_the_menu_names_only_pages_that_the_person_may_open(world):
    for name in ("olive", "dev", "bill", "vera"):
        browser = world.browser(world.people[name]).visit("/")
        links = [link["href"] for link in browser.select("nav#menu ul a")]
        assert links[0] == "/"
        for link in links:
            assert browser.visit(link).status == 200
            assert [one["href"] for one in browser.select("nav#menu a[aria-current=page]")] == [link]


class TestMessages:
    """A message survives one redirect and is shown once."""

    @pytest.fixture(autouse=True)
    def views(self, world):
        def tell():
            flash("ok", "The key <b>Laptop</b> was revoked.")
            return redirect("/signed-out", 303)

        def tell_here():
            flash("ok", "Shown at once.")
            return page("sign_in/waiting.html")

        add_probe(world, tell, path="/tell", anonymous=True)
        add_probe(world, tell_here, path="/tell-here", anonymous=True)

    @pytest.mark.parametrize("name", ["olive", "nobody"])
    def test_it_is_shown_on_the_next_page_and_then_no_more(self, world, name):
        browser = world.browser(world.people.get(name)).visit("/tell")

        assert browser.one("#flash").text == "The key <b>Laptop</b> was revoked."
        assert browser.reload().one("#flash").text == ""

    def test_it_is_shown_at_once_where_the_page_is_drawn_at_once(self, world):
        browser = world.browser().visit("/tell-here")

        assert browser.one("#flash").text == "Shown at once."
        assert browser.visit("/signed-out").one("#flash").text == ""

    def test_several_wait_together(self, world):
        browser = world.browser()
        browser.request("GET", "/tell")
        browser.request("GET", "/tell")

        assert len(browser.visit("/signed-out").select("#flash .note")) == 2

    def test_a_message_that_was_tampered_with_is_not_shown(self, world):
        browser = world.browser()
        browser.set_cookie(COOKIE, "WyJvayIsICJZb3VyIHBhc3N3b3JkPyJd.aaaa.bbbb")

        assert browser.visit("/signed-out").one("#flash").text == ""
