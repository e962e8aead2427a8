"""An account at a standstill offers nothing that it would refuse: every link and every form that its people see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

import pytest

from anuma_dash.domain.closings import request_closing
from anuma_dash.domain.suspensions import suspend_account
from anuma_dash.identity import StaffRole
from tests.examples import make_belongings
from tests.features.support_access.steps import ask, let_in, staff
from tests.forms import current_values
from tests.page import Document, words

FILLED = {"name": "Northwind Labs"}
"""What a person types where a form needs words, beyond what it holds already."""
LAST = ("/people/leaving", "/account/reopening", "/account/closing", "/sign-out")
"""What ends or changes the standstill, or who may look: sent when all others are."""
MOST_PAGES = 150


@dataclass(frozen=True)
class Offer:
    """A form with one of its buttons, and the page on which it stands."""

    page: str
    button: str
    action: str
    fields: tuple[tuple[str, str], ...]


def halt(world, state):
    make_belongings(world)
    context = world.services.context
    if state == "suspended":
        ines = replace(world.ines.actor, staff_roles=frozenset({StaffRole.ADMINISTRATOR}))
        reason = "Payment with a card that its holder reports as stolen."
        suspend_account(context, ines, world.northwind, reason=reason, contest="appeals@anuma.example")
    else:
        request_closing(context, world.olive.actor, world.northwind, typed_name="Northwind Labs")


def walk(browser):
    """Every page that somebody reaches by links from the first one: its address, and the document."""
    waiting, seen, found = [("", "/")], set(), {}
    faults = []
    while waiting:
        origin, address = waiting.pop(0)
        path = urlsplit(address).path
        if path in seen:
            continue
        seen.add(path)
        assert len(seen) < MOST_PAGES
        answer = browser.request("GET", address)
        if answer.status_code == 303 or answer.mimetype != "text/html":
            continue
        if answer.status_code != 200:
            faults.append(f"{address} is a link of {origin}, and answers {answer.status_code}")
            continue
        found[path] = Document(answer.text)
        for link in found[path].select("body a[href]"):
            goal = urljoin(browser.origin + address, link["href"])
            if goal.startswith(f"{browser.origin}/"):
                waiting.append((path, goal.removeprefix(browser.origin)))
    return found, faults


def offers(path, document):
    """The forms of a page, one for each button."""
    for form in document.select("form[method=post]"):
        values = current_values(form.element)
        fields = [
            (name, FILLED.get(name, "") if value == "" else value) for name, all in values.items() for value in all
        ]
        for button in Document.select(document, "button"):
            if button.element not in set(form.element.iter()) or button.get("type", "submit") != "submit":
                continue
            pressed = [(button["name"], button.get("value", ""))] if button.get("name") else []
            sent = [field for field in fields if field[0] != "csrf_token"] + pressed
            yield Offer(path, button.text, form["action"], tuple(sent))


def as_it_stands_now(browser, offer):
    """The form on its page as it is now: what was sent before may have changed a number in it."""
    same = [
        one for one in offers(offer.page, browser.document) if (one.action, one.button) == (offer.action, offer.button)
    ]
    return same[0] if same else offer


def said(answer):
    """The words of an answer without those of the banners, which name the standstill on every page."""
    document = Document(answer.text)
    for banners in document.select(".banners"):
        banners.element.clear()
    return words(document.root)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["olive", "dev"])
@pytest.mark.parametrize("state", ["suspended", "being closed"])
def test_every_link_opens_and_every_form_is_taken(world, state, name):
    halt(world, state)
    person = world.people[name]
    found, faults = walk(world.browser(person))
    assert {"/keys", "/people", "/account", "/activity", "/data-controls", "/your-data", "/profile"} <= set(found)
    forms = {(one.action, one.fields): one for path, document in found.items() for one in offers(path, document)}
    assert len(forms) > 10
    for one in sorted(forms.values(), key=lambda one: LAST.index(one.action) if one.action in LAST else -1):
        browser = world.browser(person).visit("/profile")
        data = {"csrf_token": browser.csrf_token()}
        for field, value in as_it_stands_now(browser.visit(one.page), one).fields:
            data.setdefault(field, []).append(value)
        answer = browser.request("POST", one.action, data=data)
        refused = answer.status_code in (400, 403, 404, 500) or (
            answer.status_code in (409, 422) and state in said(answer)
        )
        if refused or answer.status_code == 422:
            faults.append(f"“{one.button}” of {one.page} is offered, and answered {answer.status_code}: {one.fields}")
    assert not faults, "\n" + "\n".join(faults)


def test_a_suspended_account_lets_nobody_of_support_in_and_says_so(world, browse):
    asked = ask(world)
    let_in(world)
    halt_ines = staff(world, "ines")
    reason = "Payment with a card that its holder reports as stolen."
    suspend_account(world.services.context, halt_ines, world.northwind, reason=reason, contest="a@anuma.example")

    page = browse(world.olive).visit("/support-access")
    assert "This account is suspended: nobody looks into it. That holds whatever was granted" in page.text
    assert not page.offers("Let support in")
    assert not page.offers("Let them in: Sam Ruiz")
    page.visit(f"/support-access/requests/{asked.id}")
    assert not page.offers("Let them in")
    form = {"csrf_token": page.csrf_token(), "hours": "2"}
    assert page.visit(f"/support-access/requests/{asked.id}/approval").status == 409
    refused = page.request("POST", f"/support-access/requests/{asked.id}/approval", data=form)
    assert (refused.status_code, "nobody looks into it" in refused.text) == (409, True)
    assert page.request("POST", "/support-access", data=form).status_code == 409

    page.visit("/support-access").submit("Decline: Sam Ruiz")
    assert "You declined." in page.text
    page.submit("Revoke the access of everybody of support")
    assert "Revoked." in page.text
