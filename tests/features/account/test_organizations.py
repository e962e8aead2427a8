"""Making an organization, and going from one account to another without mixing them up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete

from anuma_dash.audit import SYSTEM_CHAIN
from anuma_dash.db import new_id
from anuma_dash.errors import Invalid
from anuma_dash.features.account import service
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import WORKER, Account, Membership, StaffMember
from anuma_dash.web.access import rule_of
from anuma_dash.web.sessions import BrowserSession
from tests.examples import EXAMPLES, make_belongings
from tests.features.account.shared import facts

MOVED = "Nothing was done."


def test_somebody_without_an_account_makes_an_organization_and_owns_it(world, browse):
    with world.db.transaction() as tx:  # who works for the service is sent to the staff section
        tx.execute(delete(StaffMember).where(StaffMember.user_id == world.sam.id))
    page = browse(world.sam).visit("/")
    assert "make an organization of your own" in page.text
    page.visit("/organizations/new").submit("Make the organization", name="")
    assert page.status == 422
    assert "Give the account a name." in page.text
    page.submit("Make the organization", name="Sam & sons", country="PT")
    assert page.path == "/"
    assert "Sam & sons is made, and you own it." in page.text
    page.visit("/account")
    assert (facts(page)["Kind"], facts(page)["Your role"]) == ("Organization", "Owner")
    assert (facts(page)["Country"], facts(page)["Billing contact"]) == (
        "Portugal",
        f"{world.sam.name} · {world.sam.email}",
    )
    assert "Sam Ruiz created the account Sam & sons" in page.visit("/activity").text
    (account,) = world.rows(Account, name="Sam & sons")
    assert world.gateway.account(WORKER, account.id).name == "Sam & sons"


def test_one_account_or_more_the_switcher_is_there_and_works_without_script(world, browse):
    page = browse(world.dev).visit("/keys")
    assert page.one(".account b").text == "Northwind Labs"
    page.follow("New organization").submit("Make the organization", name="Kapoor")
    assert page.one(".account b").text == "Kapoor"
    page.submit("Northwind Labs", within="#account-menu")
    assert page.one(".account b").text == "Northwind Labs"
    assert world.browser(world.olive).visit("/keys").offers("New organization")


def new_organization(page, name, token=None):
    page.visit("/organizations/new")
    form = {"csrf_token": page.csrf_token(), "token": token or page.one("input[name=token]")["value"], "name": name}
    return page.request("POST", "/organizations", data=form | {"country": "", "contact_name": "", "contact_email": ""})


def test_the_form_sent_twice_makes_one_and_belongs_to_its_sender(world):
    dev, vera = world.browser(world.dev).visit("/organizations/new"), world.browser(world.vera)
    token = dev.one("input[name=token]")["value"]
    assert new_organization(dev, "Once", token).status_code == 303
    assert new_organization(dev, "Once", token).status_code == 303
    (account,) = world.rows(Account, name="Once")
    assert [one.user_id for one in world.rows(Membership, account_id=account.id)] == [world.dev.id]

    assert new_organization(vera, "Hers", token).status_code == 303, "a token counts for its sender alone"
    (hers,) = world.rows(Account, name="Hers")
    assert [one.user_id for one in world.rows(Membership, account_id=hers.id)] == [world.vera.id]
    assert len(world.rows(Membership, account_id=account.id)) == 1
    assert new_organization(vera, "Hers", "x").status_code == 422


def test_nobody_chooses_the_id_of_an_account(world):
    """A token is no id: with the one of the service's chain, its activity would be the sender's to read."""
    vera, wanted = world.browser(world.vera), new_id()
    for token in (SYSTEM_CHAIN, wanted, world.northwind):
        assert new_organization(vera, "Mine", str(token)).status_code == 303
    made = {account.id for account in world.rows(Account, name="Mine")}
    assert len(made) == 3
    assert made.isdisjoint({SYSTEM_CHAIN, wanted, world.northwind})
    assert world.rows(Membership, account_id=world.northwind, user_id=world.vera.id)[0].role == "viewer"


def test_ten_organizations_a_day_and_twenty_in_all(world):
    vera = world.browser(world.vera)

    def make(name):
        facts = service.Facts(name, "", "", "")
        actor = replace(world.vera.actor, session_id=world.rows(BrowserSession, user_id=world.vera.id)[0].id)
        service.create_organization(world.services.context, actor, new_id(), facts)

    for number in range(10):
        make(f"Mill {number}")
    answer = new_organization(vera, "One more")
    assert answer.status_code == 422
    assert "You made 10 organizations in the last 24 hours. Go on tomorrow." in answer.text
    world.clock.advance(hours=25)
    for number in range(10, 20):
        make(f"Mill {number}")
    world.clock.advance(hours=25)
    with pytest.raises(Invalid, match="Nobody owns more than 20 organizations"):
        make("One more")
    assert world.rows(Account, name="One more") == []


@pytest.fixture
def two_tabs(world):
    """Olive's browser, which knows Northwind Labs and Elsewhere, in which she is an owner too."""
    with world.db.transaction() as tx:
        tx.add(Membership(account_id=world.elsewhere, user_id=world.olive.id, role="owner", created_at=world.clock.now))
    return world.browser(world.olive)


def go_to(page, account_id):
    form = {"csrf_token": page.csrf_token(), "account_id": str(account_id)}
    assert page.request("POST", "/account/selection", data=form).status_code == 303


def test_a_form_of_one_account_is_never_applied_to_another(world, two_tabs):
    """A→B→A: a tab that stayed open, in every view that acts on an account."""
    page, own = two_tabs.visit("/keys"), make_belongings(world)
    token_of_northwind = page.csrf_token()
    go_to(page, world.elsewhere)
    before, faults = world.gateway.data_state(WORKER, world.elsewhere).controls, []
    adapter = world.app.url_map.bind("localhost")
    acts = [one for one in world.app.url_map.iter_rules() if "POST" in one.methods]
    for one in acts:
        rule = rule_of(world.app, one.endpoint)
        if not rule.permissions:
            continue
        path = adapter.build(one.endpoint, EXAMPLES[one.endpoint](own) if one.arguments else {}, method="POST")
        answer = page.request("POST", path, data={"csrf_token": token_of_northwind, "state": "on", "name": "Elsewhere"})
        if answer.status_code != 409 or MOVED not in answer.text:
            faults.append(f"{path}: {answer.status_code}")
    assert faults == []
    assert "You opened this form in Northwind Labs, and you are now in Elsewhere." in answer.text
    assert world.gateway.data_state(WORKER, world.elsewhere).controls == before

    page.visit("/keys")
    token_of_elsewhere = page.csrf_token()
    go_to(page, world.northwind)
    late = page.request(
        "POST", "/data-controls/prompt-logging", data={"csrf_token": token_of_elsewhere, "state": "off"}
    )
    assert late.status_code == 409
    good = page.request(
        "POST", "/data-controls/prompt-logging", data={"csrf_token": token_of_northwind, "state": "off"}
    )
    assert good.status_code == 303, "back in Northwind Labs, its own form is good"


def test_what_belongs_to_the_person_works_from_any_tab(world, two_tabs):
    page = two_tabs.visit("/keys")
    token = page.csrf_token()
    go_to(page, world.elsewhere)
    assert page.request("POST", "/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 303
    form = {"csrf_token": token, "account_id": str(world.northwind)}
    assert page.request("POST", "/account/selection", data=form).status_code == 303
    assert page.request("POST", "/sign-out", data={"csrf_token": token}).status_code == 303


def test_a_part_of_a_page_is_not_drawn_into_a_page_of_another_account(world, two_tabs):
    world.gateway.create_key(
        WORKER, world.elsewhere, NewKey(name="of-elsewhere"), "11111111-1111-7111-8111-111111111111"
    )
    page = two_tabs.visit("/keys")
    assert str(world.northwind) in page.one("body")["hx-headers:inherited"]
    go_to(page, world.elsewhere)
    asked = {"HX-Request": "true", "HX-Request-Type": "partial", "X-Anuma-Account": str(world.northwind)}
    for path in ("/keys", "/data-controls/prompt-logging/edit"):
        answer = page.request("GET", path, headers=asked)
        assert answer.status_code == 409
        assert "This page is of Northwind Labs, and you are now in Elsewhere." in answer.text
        assert "of-elsewhere" not in answer.text
    asked["X-Anuma-Account"] = str(world.elsewhere)
    assert "of-elsewhere" in page.request("GET", "/keys", headers=asked).text
