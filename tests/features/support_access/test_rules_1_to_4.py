"""PRODUCT.md, *Support access*: the rules, one test each, by their number. How the acts go on pages stands beside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from anuma_dash.domain import support
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.errors import Conflict, Invalid, NotAllowed
from anuma_dash.identity import Account, Membership, Role, StaffMember, StaffRole
from anuma_dash.mail import Mail
from anuma_dash.web.sessions import BrowserSession
from tests.features.support_access.steps import (
    REASON,
    TICKET,
    ask,
    enter,
    inside,
    is_over,
    let_in,
    staff,
)


def test_rule_01_off_unless_the_deployment_turns_it_on(world):
    grant = let_in(world)
    browser = inside(world, grant)
    assert type(world.settings).model_fields["support_access"].default is False
    world.restart(support_access=False)
    for act in (lambda: let_in(world), lambda: ask(world), lambda: enter(world, grant, "sam")):
        with pytest.raises(Conflict, match="switched off"):
            act()
    with pytest.raises(Conflict, match="switched off"):
        support.ask_for_emergency(
            world.services.context, staff(world, "ines"), world.northwind, reason=REASON, ticket=TICKET
        )
    olive = world.browser(world.olive).visit("/support-access")
    assert "Support access is switched off here" in olive.text
    assert not olive.offers("Let support in")
    assert "switched off here" in olive.visit("/support-access/new").text
    assert not olive.offers("Let support in")
    again = world.browser()  # of the process that runs with the new settings
    again.set_cookie(world.session_cookie, browser.own_token)
    again.set_cookie("anuma_support", browser.support_token)
    assert "support access was switched off" in is_over(again, "/keys")


def test_rule_01_staff_need_the_support_role(world):
    grant = let_in(world)
    for name in ("pria", "ines", "olive"):
        with pytest.raises(NotAllowed, match="staff role"):
            enter(world, grant, name)
    with pytest.raises(NotAllowed, match="staff role support"):
        ask(world, "ines")
    browser = inside(world, grant)
    assert browser.visit("/keys").status == 200
    with world.db.transaction() as tx:
        tx.delete(tx.get_one(StaffMember, world.rows(StaffMember, user_id=world.sam.id)[0].id))
    assert "the staff role was taken away" in is_over(browser, "/keys")


def test_rule_02_a_live_grant_by_the_customer(world):
    context, sam = world.services.context, staff(world, "sam")
    assert ask(world, scopes=["billing"]).scopes == ["metadata", "billing"], "metadata is always part of it"
    for hours in (0, 73, -1):
        with pytest.raises(Invalid, match="1 to 72"):
            let_in(world, hours=hours)
    with pytest.raises(Invalid):
        let_in(world, "everything")
    for name in ("dev", "bill", "vera"):
        with pytest.raises(NotAllowed, match="manage support access"):
            let_in(world, by=name)
    grant = let_in(world, hours=1)
    assert grant.scopes == ["metadata"]
    with pytest.raises(Conflict, match="Revoke that first"):
        let_in(world, "content")
    browser = inside(world, grant)
    assert browser.visit("/keys").status == 200
    assert support.revoke_grant(context, world.ada.actor, world.northwind, grant.id) == 1
    assert "the support access was revoked" in is_over(browser, "/keys"), "the next click is refused"
    with pytest.raises(Conflict, match="not live"):
        enter(world, grant)
    expiring = let_in(world, hours=1)
    world.clock.advance(minutes=59)
    late, _, _ = enter(world, expiring)
    assert late.ends_at == expiring.expires_at, "a session never outlives its grant"
    world.clock.advance(minutes=2)
    with pytest.raises(Conflict, match="not live"):
        support.open_support_session(context, sam, late.staff_session_id, expiring.id, reason=REASON, ticket=TICKET)


def test_rule_02_staff_may_ask_and_the_owner_approves_from_the_mail(world):
    grant = ask(world, scopes=["content", "billing"], hours=8)
    with pytest.raises(Conflict, match="already"):
        ask(world)
    with pytest.raises(Conflict, match="not live"):
        enter(world, grant)
    world.run_worker()
    letter = world.mailbox.messages[-1]
    assert letter.recipients == ("olive@northwind.example",)
    path = f"/support-access/requests/{grant.id}"
    assert path in letter.raw.decode().replace("=\r\n", "")
    olive = world.browser(world.olive).visit(path)
    for words in ("Sam Ruiz", "support", REASON, TICKET, "8 hours", "prompts and responses", "costs and billing"):
        assert words in olive.text
    assert world.rows(SupportGrant)[0].state == "asked", "opening the link decides nothing"
    olive.follow("Let them in").submit("Let them in", scopes=["content"], hours="2")
    live = world.rows(SupportGrant)[0]
    assert (live.state, live.scopes, live.hours) == ("live", ["metadata", "content"], 2)
    assert live.granted_by == world.olive.id
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.theo.id, role=StaffRole.SUPPORT.value, created_at=world.clock.now))
    with pytest.raises(NotAllowed, match="to the person who asked"):
        enter(world, live, "theo")
    assert inside(world, live).visit("/keys").status == 200


def test_rule_02_emergency_access_takes_two_administrators_and_tells_the_owner_at_once(world):
    context, ines, theo = world.services.context, staff(world, "ines"), staff(world, "theo")
    for name in ("sam", "pria", "olive"):
        with pytest.raises(NotAllowed, match="administrator"):
            support.ask_for_emergency(context, staff(world, name), world.northwind, reason=REASON, ticket=TICKET)
    grant = support.ask_for_emergency(context, ines, world.northwind, reason=REASON, ticket=TICKET)
    with pytest.raises(NotAllowed, match="Another administrator"):
        support.approve_emergency(context, ines, grant.id)
    with pytest.raises(NotAllowed, match="administrator"):
        support.approve_emergency(context, staff(world, "sam"), grant.id)
    with pytest.raises(Conflict, match="not live"):
        enter(world, grant, "ines")
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.pria.id, role="administrator", created_at=world.clock.now))
    with pytest.raises(NotAllowed, match="administrator for 24 hours when it was asked for"):
        support.approve_emergency(context, staff(world, "pria"), grant.id)
    live = support.approve_emergency(context, theo, grant.id)
    assert (live.scopes, live.hours) == (["metadata"], 4)
    assert {row.user_id for row in world.rows(Mail, letter="support_emergency")} >= {world.olive.id}
    for name in ("sam", "theo"):
        with pytest.raises(NotAllowed):
            enter(world, live, name)
    browser = inside(world, live, "ines")
    assert browser.visit("/keys").status == 200
    assert "Emergency access" not in browser.text
    olive = world.browser(world.olive).visit("/support-access")
    assert "emergency access" in olive.text
    assert "Theo Baum of Anuma approved it" in olive.text
    olive.submit("Revoke the access of Ines Duarte")
    assert "revoked" in is_over(browser, "/keys")
    said = olive.visit("/activity?what=support").text
    for words in (
        f"Ines Duarte asked a second administrator for emergency access, because: {REASON}",
        "Theo Baum approved emergency access of Ines Duarte for 4 hours: metadata",
        "Ines Duarte began to look into the account (metadata)",
        "Olive Lindqvist revoked support access, which ended 1 support session",
        "ended the support session of Ines Duarte: the support access was revoked",
    ):
        assert words in said, said


def test_rule_02_an_identity_of_ones_own_does_not_ask_for_an_emergency(world):
    """Ines gives a second identity of hers the role, asks as that one, and would approve as herself."""
    context, theo, administrator = world.services.context, staff(world, "theo"), {"role": "administrator"}
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.pria.id, created_at=world.clock.now - timedelta(minutes=1), **administrator))
    with pytest.raises(Conflict, match="had the staff role administrator for 24 hours by then"):
        support.ask_for_emergency(context, staff(world, "pria"), world.northwind, reason=REASON, ticket=TICKET)
    assert world.rows(SupportGrant) == [], "nothing waits that nobody may approve"

    world.clock.advance(hours=24)
    asked = support.ask_for_emergency(context, staff(world, "pria"), world.northwind, reason=REASON, ticket=TICKET)
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember).where(StaffMember.user_id == world.pria.id))
    with pytest.raises(Conflict, match="no administrator any more"):
        support.approve_emergency(context, theo, asked.id)
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.pria.id, created_at=world.clock.now, **administrator))
    with pytest.raises(Conflict, match="had the staff role administrator for 24 hours by then"):
        support.approve_emergency(context, theo, asked.id)
    assert world.rows(SupportGrant)[0].state == "asked"


@pytest.mark.parametrize(("reason", "ticket"), [("", TICKET), (REASON, " "), ("x" * 501, TICKET), (REASON, "x" * 61)])
def test_rule_03_a_reason_and_a_ticket(world, reason, ticket):
    """That opening a session asks for a re-authentication is declared by its view; `test_declarations.py` checks it."""
    grant, (own, _) = let_in(world), world.start_session(world.sam)
    context, sam = world.services.context, staff(world, "sam", own.id)
    with pytest.raises(Invalid):
        support.open_support_session(context, sam, own.id, grant.id, reason=reason, ticket=ticket)
    with pytest.raises(Invalid):
        support.ask_for_access(context, sam, world.northwind, scopes=[], hours=1, reason=reason, ticket=ticket)
    assert world.rows(SupportSession) == []


def test_rule_04_never_oneself_staff_or_an_account_that_is_suspended_or_closed(world):
    def join(person, role):
        with world.db.transaction() as tx:
            tx.add(
                Membership(account_id=world.elsewhere, user_id=person.id, role=role.value, created_at=world.clock.now)
            )

    grant = let_in(world, by="strange")
    browser = inside(world, grant)
    for status in ("suspended", "closed"):
        with world.db.transaction() as tx:
            tx.get_one(Account, world.elsewhere).status = status
        with pytest.raises(Conflict, match=status):
            ask(world, account_id=world.elsewhere)
    assert "may not be looked into any more" in is_over(browser, "/keys")
    with world.db.transaction() as tx:
        tx.get_one(Account, world.elsewhere).status = "active"
    inside_again = inside(world, grant)
    join(world.sam, Role.VIEWER)
    assert "may not be looked into any more" in is_over(inside_again, "/keys")
    for act in (lambda: enter(world, grant), lambda: ask(world, account_id=world.elsewhere)):
        with pytest.raises(Conflict, match="their own"):
            act()
    with world.db.transaction() as tx:
        tx.delete(tx.get_one(Membership, world.rows(Membership, user_id=world.sam.id)[0].id))
    join(world.pria, Role.OWNER)
    with pytest.raises(Conflict, match="owned by somebody of staff"):
        enter(world, grant)


def test_rule_04_no_nesting(world):
    browser = inside(world, let_in(world))
    other = let_in(world, by="strange")
    own = world.rows(SupportSession)[0].staff_session_id
    with pytest.raises(Conflict, match="inside an account already"):
        enter(world, other, session=(world.rows(BrowserSession, id=own)[0], ""))
    nested = replace(staff(world, "sam", own), support_session_id=own)
    with pytest.raises(NotAllowed):
        support.open_support_session(world.services.context, nested, own, other.id, reason=REASON, ticket=TICKET)
    for path in ("/staff", "/staff/accounts"):
        assert browser.request("GET", path).status_code in (403, 404)
