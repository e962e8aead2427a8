"""Support access where something goes wrong in between: two customers in turn, clocks, backups, pages that update."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain import support
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.domain.restoring import reconcile
from anuma_dash.domain.support import SupportGrant
from anuma_dash.errors import Conflict
from anuma_dash.web import support as web_support
from tests.features.support_access.steps import enter, inside, is_over, let_in
from tests.test_every_route import HTMX

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_customer_and_then_another_nothing_of_one_inside_the_other(world):
    """A, then B, then A again, in one browser."""
    a, b = let_in(world), let_in(world, by="strange")
    own, own_token = world.start_session(world.sam)
    browser = world.browser()
    browser.set_cookie(world.session_cookie, own_token)
    for grant, name, other in ((a, "Northwind Labs", "Elsewhere"), (b, "Elsewhere", "Northwind Labs")) * 2:
        _, token, _ = enter(world, grant, session=(own, own_token))
        browser.set_cookie("anuma_support", token)
        for path in ("/", "/keys", "/activity"):
            shown = browser.visit(path).text
            assert f"is looking into {name}" in shown
            assert other not in shown
        browser.submit("Stop")
    for chain in (world.northwind, world.elsewhere):
        assert len(world.rows(AuditEntry, event="support.page_opened", chain=chain)) == 6


@ONE_ENGINE
def test_a_clock_that_jumps_back_lengthens_nothing(world):
    grant = let_in(world, hours=1)
    browser = inside(world, grant)
    browser.visit("/keys")
    world.clock.advance(minutes=9)
    browser.visit("/keys")
    world.clock.advance(seconds=-3)
    assert browser.visit("/keys").status == 200, "two hosts may differ by a little"
    world.clock.advance(minutes=-6)
    assert "the clock was set back" in is_over(browser, "/keys")
    with pytest.raises(Conflict, match="set back"):
        enter(world, grant)


def test_a_grant_that_is_revoked_between_the_check_and_the_record_opens_no_page(world, monkeypatch):
    grant = let_in(world)
    browser, find = inside(world, grant), web_support._find

    def revoked_right_after():
        found = find()
        support.revoke_grant(world.services.context, world.olive.actor, world.northwind, grant.id)
        return found

    monkeypatch.setattr(web_support, "_find", revoked_right_after)
    assert "the support access was revoked" in is_over(browser, "/keys")
    assert world.rows(AuditEntry, event="support.page_opened") == []


def test_a_page_that_was_recorded_before_the_revocation_is_drawn_and_listed_and_the_next_is_not(world, monkeypatch):
    grant = let_in(world)
    browser, context, keys = inside(world, grant), world.services.context, world.gateway.keys

    def revoked_meanwhile(*args, **more):
        # By somebody else, in a web process of their own: what this request is looking at does not hold them up.
        with ThreadPoolExecutor(1) as pool:
            act = (context, world.olive.actor, world.northwind, grant.id)
            assert pool.submit(support.revoke_grant, *act).result(timeout=60) == 1
        return keys(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(world.gateway, "keys", revoked_meanwhile)
        assert browser.visit("/keys").heading == "API keys"
    assert "the support access was revoked" in is_over(browser, "/keys")
    (opened,) = world.rows(AuditEntry, event="support.page_opened")
    (revoked,) = world.rows(AuditEntry, event="support.revoked")
    assert opened.number < revoked.number


@ONE_ENGINE
def test_a_page_that_htmx_would_update_is_loaded_anew_and_says_that_it_is_over(world):
    browser = inside(world, let_in(world))
    browser.visit("/requests")
    support.end_support_session(world.services.context, world.olive.actor, world.northwind, browser.support_session.id)
    answer = browser.request("GET", "/requests", headers=HTMX)
    assert (answer.status_code, answer.text, answer.headers["HX-Refresh"]) == (200, "", "true")
    assert "ended by the customer" in is_over(browser, "/requests")


@ONE_ENGINE
def test_no_page_asks_again_by_itself_and_keeps_the_session_from_being_idle(world):
    browser = inside(world, let_in(world))
    control = CONTROLS["prompt_logging"]
    world.break_gateway()
    accepted = current_disclosure(control.name).sha256
    request_control(
        world.services.context, world.olive.actor, world.northwind, control, enabled=True, accepted_sha256=accepted
    )
    assert world.browser(world.olive).visit("/data-controls").select("[hx-trigger]")
    assert not browser.visit("/data-controls").select("[hx-trigger]")


@ONE_ENGINE
def test_what_a_restored_backup_holds_lets_nobody_in(world):
    """A grant that was revoked after the backup was made is live in it: all have to be given anew."""
    browser = inside(world, let_in(world))
    browser.visit("/keys")
    reconcile(world.services.context, world.northwind)
    assert [grant.state for grant in world.rows(SupportGrant)] == ["ended"]
    assert "the support access was revoked" in is_over(browser, "/keys")
    reconcile(world.services.context, world.northwind)
    assert len(world.rows(AuditEntry, event="support.revoked")) == 1
