"""What an account says of itself: read by everybody in it, changed by owners and admins."""

from __future__ import annotations

from anuma_dash.identity import WORKER, Account
from tests.features.account.shared import facts


def test_everybody_reads_it_and_an_admin_changes_it(world, browse):
    page = browse(world.vera).visit("/account")
    assert facts(page)["Your role"] == "Viewer"
    assert facts(page)["Country"] == "not said"
    assert str(world.northwind) in page.text
    assert not page.offers("Change")
    assert not page.offers("Close the account")
    assert world.browser(world.vera).request("GET", "/account/edit").status_code == 403

    page = browse(world.ada).visit("/account").follow("Change")
    page.submit("Save", name=" ", contact_email="no address")
    assert page.status == 422
    assert "2 things need your attention" in page.text
    assert "Give the account a name." in page.text
    assert "This is not an e-mail address to which we can write." in page.text
    page.submit("Save", name="Northwind\tResearch", country="DE", contact_name="Bill", contact_email=world.bill.email)
    assert page.path == "/account"
    assert "Saved." in page.text
    assert facts(page)["Name"] == "Northwind Research"
    assert facts(page)["Country"] == "Germany"
    assert facts(page)["Billing contact"] == f"Bill · {world.bill.email}"
    assert world.gateway.account(WORKER, world.northwind).name == "Northwind Research"
    said = page.visit("/activity").text
    assert "renamed the account from Northwind Labs to Northwind Research" in said
    assert "changed the account's country" in said
    assert "changed the account's billing contact" in said


def test_the_gateway_is_told_of_a_new_name_until_it_knows_it(world, browse):
    world.break_gateway()
    page = browse(world.olive).visit("/account/edit").submit("Save", name="Northwind GmbH")
    assert "The gateway does not know the new name yet" in page.text
    assert "The gateway has not confirmed the latest change of this account." in page.reload().text
    world.mend_gateway()
    assert world.gateway.account(WORKER, world.northwind).name == "Northwind Labs"
    world.run_worker(seconds=25)
    assert "has not confirmed" not in page.reload().text
    assert world.gateway.account(WORKER, world.northwind).name == "Northwind GmbH"


def test_of_two_people_who_change_it_at_once_the_second_is_told(world):
    ada, olive = (world.browser(person).visit("/account/edit") for person in (world.ada, world.olive))
    ada.submit("Save", country="FR")
    answer = olive.submit("Save", country="ES")
    assert answer.status == 409
    assert "Somebody changed the account since you opened this form." in answer.text
    (account,) = world.rows(Account, id=world.northwind)
    assert account.country == "FR"


def test_odd_input_changes_nothing(world):
    page = world.browser(world.olive).visit("/account/edit")
    token = page.csrf_token()
    for name, value in (("country", "XX"), ("revision", "no"), ("revision", "9" * 30), ("name", "n" * 201)):
        form = {"csrf_token": token, "name": "Northwind", "country": "", "revision": "1", name: value}
        assert page.request("POST", "/account", data=form).status_code == 422, name
    (account,) = world.rows(Account, id=world.northwind)
    assert (account.name, account.revision) == ("Northwind Labs", 1)
