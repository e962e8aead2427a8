"""From the question to the support session: what staff ask, what customers decide, and what nobody does alone."""

from __future__ import annotations

import pytest

from anuma_dash.domain import support
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.errors import NotAllowed
from anuma_dash.identity import Actor, StaffMember, StaffRole
from anuma_dash.mail import Mail
from tests.features.people.steps import set_address

COOKIE = "anuma_support"
NO_OWNER = "No owner can be written to, because none who can sign in has a verified e-mail address."


@pytest.fixture
def more_settings():
    return {"support_access": True}


def grant(world, *scopes, hours=4):
    return support.grant_access(
        world.services.context, world.olive.actor, world.northwind, scopes=scopes, hours=hours, ticket=""
    )


def account_path(world):
    return f"/staff/accounts/{world.northwind}"


def enter(page, **more):
    page.follow("Look under this support access")
    page.submit("Open the support session", reason="A call about a bill", ticket="T-1", **more)
    return page


def take_role(world, person):
    with world.db.transaction() as tx:
        tx.query(StaffMember).filter_by(user_id=person.id).delete()


def test_sam_asks_and_sees_nothing_before_the_customer_approves(world, browse):
    page = browse(world.sam).visit(account_path(world)).follow("Ask for access")
    page.submit("Ask for access", reason="", ticket="")
    assert page.status == 422
    assert "Say why." in page.text
    assert "Enter the number of the ticket." in page.text
    page.submit("Ask for access", reason="Requests fail since noon", ticket="T-7", hours="8", content=True)

    assert "The customer has been asked. By this request nothing can be seen before they approve." in page.text
    (row,) = page.table("Grants")
    assert row["Grant"] == "Support access asked by Sam Ruiz"
    assert (row["May be seen"], row["State"]) == ("metadata, content, 8 hours", "Waits for an answer")
    assert "Requests fail since noon" in row["Why"]
    assert not page.offers("Look under this support access")
    assert not [word for word in ("Olive", "@northwind") if word in page.one("main").text]
    page.follow("Ask for access").submit("Ask for access", reason="Again", ticket="T-7")
    assert page.status == 409
    assert "You have asked for this already, and it waits for an answer." in page.text
    page.visit("/staff/accounts").submit("Search", by="name", term="Northwind")
    assert page.table("Accounts found")[0]["Grants"] == "1 asked"


def test_sam_looks_under_a_grant_and_stop_leads_back(world, browse):
    grant(world)
    page = browse(world.sam).visit(account_path(world))
    assert page.table("Grants")[0]["State"].startswith("Live until")
    enter(page)

    assert page.path == "/"
    assert "Sam Ruiz of Anuma is looking into Northwind Labs" in page.one(".inside").text
    assert page.cookie(COOKIE)
    page.submit("Stop", within=".inside")
    assert page.path == "/staff"
    assert page.cookie(COOKIE) is None
    assert [row.ended_why for row in world.rows(SupportSession)] == ["stopped"]
    assert page.visit("/keys").status == 403, "outside again: Sam has no account"


def test_opening_asks_for_a_reason_a_ticket_and_a_fresh_sign_in(world):
    live = grant(world)
    page = world.browser(world.sam).visit(f"/staff/grants/{live.id}/session")
    page.submit("Open the support session", reason=" ", ticket="")
    assert page.status == 422
    assert world.rows(SupportSession) == []
    world.clock.advance(minutes=11)
    assert page.visit(f"/staff/grants/{live.id}/session").heading == "Confirm that it is you"


def test_inside_an_account_the_staff_section_is_closed_so_nobody_nests(world):
    grant(world)
    page = enter(world.browser(world.sam).visit(account_path(world)))

    for path in ("/staff", "/staff/accounts", account_path(world)):
        assert page.visit(path).status == 403
        assert "Sam Ruiz of Anuma is looking into Northwind Labs" in page.text
    token = page.visit("/").select("input[name=csrf_token]")[0]["value"]
    form = {"csrf_token": token, "reason": "x", "ticket": "y"}
    answer = page.request("POST", f"/staff/grants/{world.rows(SupportGrant)[0].id}/session", data=form)
    assert answer.status_code == 403
    assert len(world.rows(SupportSession)) == 1


def test_the_same_customer_twice_is_refused_also_without_the_cookie(world):
    grant(world)
    page = enter(world.browser(world.sam).visit(account_path(world)))
    page.drop_cookie(COOKIE)
    enter(page.visit(account_path(world)))
    assert page.status == 409
    assert "You are inside an account already. Stop that support session first." in page.text

    page.visit("/staff")
    assert "You are inside Northwind Labs" in page.text
    page.submit("End it")
    assert "The support session is over." in page.text
    assert not page.offers("End it")


def test_a_role_taken_away_during_a_session_ends_it_with_the_next_click(world):
    grant(world)
    page = enter(world.browser(world.sam).visit(account_path(world)))
    take_role(world, world.sam)

    page.visit("/keys")
    assert "The support session in Northwind Labs is over: the staff role was taken away." in page.text
    assert page.visit("/staff").status == 404
    assert [row.ended_why for row in world.rows(SupportSession)] == ["role"]


def test_what_was_given_to_one_who_asked_is_for_nobody_else(world):
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.pria.id, role="support", created_at=world.clock.now))
    staff = Actor(kind="staff", user_id=world.sam.id, name=world.sam.name, staff_roles=frozenset({StaffRole.SUPPORT}))
    context = world.services.context
    asked = support.ask_for_access(context, staff, world.northwind, scopes=(), hours=1, reason="Why", ticket="T")
    support.approve_request(context, world.olive.actor, world.northwind, asked.id, scopes=(), hours=1)

    assert world.browser(world.sam).visit(account_path(world)).offers("Look under this support access")
    page = world.browser(world.pria).visit(account_path(world))
    assert not page.offers("Look under this support access")
    page.visit(f"/staff/grants/{asked.id}/session")
    page.submit("Open the support session", reason="Why", ticket="T")
    assert page.status == 403


def test_emergency_access_takes_two_administrators_never_the_same(world, browse):
    page = browse(world.ines).visit(account_path(world))
    assert not page.offers("Ask for access"), "an administrator is not support"
    page.follow("Emergency access").submit(
        "Ask for emergency access", reason="Keys leak from this account", ticket="INC-1"
    )
    assert "Another administrator has to approve it, under Approvals." in page.text
    page.follow("Approvals")
    assert page.table("Emergency access")[0]["Asked by"] == "Ines Duarte"
    assert "Yours: another approves" in page.text
    asked = world.rows(SupportGrant)[0]
    page.visit(f"/staff/emergencies/{asked.id}/approval").submit("Approve emergency access")
    assert page.status == 403
    assert "Another administrator has to approve what you asked for." in page.text

    second = browse(world.theo).visit("/staff/approvals")
    second.follow("Approve emergency access to Northwind Labs")
    assert "Keys leak from this account" in second.text
    second.submit("Approve emergency access")
    assert "Approved. Owners and admins of the account are written to now." in second.text
    world.run_worker()
    assert "Emergency access to Northwind Labs" in [one.subject for one in world.mailbox.messages]

    page.visit(account_path(world)).follow("Look under this emergency access")
    page.submit("Open the support session", reason="Keys leak", ticket="INC-1")
    assert "Ines Duarte of Anuma is looking into Northwind Labs" in page.text
    assert not second.visit(account_path(world)).offers("Look under this emergency access")


def test_the_page_of_an_approval_is_there_for_an_emergency_that_waits_and_for_nothing_else(world):
    page, theo = world.browser(world.ines), world.browser(world.theo)
    ordinary = grant(world)
    assert theo.visit(f"/staff/emergencies/{ordinary.id}/approval").status == 404
    page.visit(account_path(world)).follow("Emergency access")
    page.submit("Ask for emergency access", reason="Keys leak from this account", ticket="INC-1")
    asked = next(one for one in world.rows(SupportGrant) if one.kind == "emergency")
    path = f"/staff/emergencies/{asked.id}/approval"
    beside = world.browser(world.theo).visit(path)
    theo.visit(path).submit("Approve emergency access")
    assert theo.visit(path).status == 404
    assert "This request waits for no approval any more." in theo.text
    assert not theo.offers("Approve emergency access")
    beside.submit("Approve emergency access")
    assert beside.status == 409, "a page that was open before says so on its form"


def test_the_page_of_a_support_session_is_there_for_a_live_grant_and_for_nothing_else(world):
    live = grant(world, hours=1)
    page = world.browser(world.sam).visit(f"/staff/grants/{live.id}/session")
    world.clock.advance(minutes=59)
    page = world.browser(world.sam).visit(f"/staff/grants/{live.id}/session")
    assert page.offers("Open the support session")
    world.clock.advance(minutes=2)
    page.submit("Open the support session", reason="A call", ticket="T-1")
    assert page.status == 409
    assert page.visit(f"/staff/grants/{live.id}/session").status == 404
    assert "This support access is not live" in page.text
    support.revoke_grant(world.services.context, world.olive.actor, world.northwind, live.id)
    waiting = support.ask_for_emergency(
        world.services.context,
        Actor(kind="staff", user_id=world.ines.id, name=world.ines.name),
        world.northwind,
        reason="Why",
        ticket="T",
    )
    assert world.browser(world.ines).visit(f"/staff/grants/{waiting.id}/session").status == 404


def test_an_account_without_grants_promises_no_way_in_that_there_is_not(world):
    page = world.browser(world.sam).visit(account_path(world))
    assert "Its owners and admins can allow it, also when asked." in page.text
    world.restart(support_access=False)
    page = world.browser(world.sam).visit(account_path(world))
    assert "Nobody may look into this account." in page.text
    assert "can allow it" not in page.text


def test_pages_that_promise_mail_say_whom_no_mail_reaches(world):
    set_address(world, world.olive, world.olive.email, verified=False)
    page = world.browser(world.sam).visit(f"{account_path(world)}/request")
    assert f"{NO_OWNER} 1 admin can." in page.text
    page.submit("Ask for access", reason="Requests fail", ticket="T-7")
    assert f"{NO_OWNER} 1 admin can." in page.text
    assert [row.user_id for row in world.rows(Mail, letter="support_asked")] == [world.ada.id]

    ines = world.browser(world.ines).visit(f"{account_path(world)}/emergency")
    assert NO_OWNER in ines.text
    ines.submit("Ask for emergency access", reason="Keys leak from this account", ticket="INC-1")
    set_address(world, world.ada, None, verified=False)
    grant = next(one for one in world.rows(SupportGrant) if one.kind == "emergency")
    second = world.browser(world.theo).visit(f"/staff/emergencies/{grant.id}/approval")
    assert f"{NO_OWNER} Nor can any admin." in second.text
    second.submit("Approve emergency access")
    assert f"written to now. {NO_OWNER} Nor can any admin." in second.text
    assert world.rows(Mail, letter="support_emergency") == []

    set_address(world, world.olive, world.olive.email)
    page.visit(f"{account_path(world)}/recovery")
    assert "1 of these 2 people cannot be written to" in page.text
    assert "@northwind" not in page.one("main").text


def test_support_never_asks_for_an_emergency_and_administrators_never_ask_as_support(world):
    assert world.browser(world.sam).visit(f"{account_path(world)}/emergency").status == 404
    assert world.browser(world.ines).visit(f"{account_path(world)}/request").status == 404
    assert not world.browser(world.sam).visit(account_path(world)).offers("Emergency access")


def test_a_suspended_account_and_that_of_staff_are_looked_into_by_nobody(world):
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.strange.id, role="support", created_at=world.clock.now))
    page = world.browser(world.sam).visit(f"/staff/accounts/{world.elsewhere}")

    assert "This account is owned by somebody of staff: nobody looks into it." in page.text
    assert not page.offers("Ask for access")
    page.visit(f"/staff/accounts/{world.elsewhere}/request")
    page.submit("Ask for access", reason="Why", ticket="T")
    assert page.status == 409


def test_where_support_access_is_off_nobody_asks(world):
    world.restart(support_access=False)
    page = world.browser(world.sam).visit(account_path(world))

    assert "Support access is switched off in this deployment" in page.text
    assert not page.offers("Ask for access")
    page.visit(f"{account_path(world)}/request").submit("Ask for access", reason="Why", ticket="T")
    assert page.status == 409
    assert world.rows(SupportGrant) == []


def test_no_page_of_the_staff_section_offers_what_staff_never_do(world):
    grant(world)
    forbidden = ("key", "export", "delete", "consent", "connector", "data control", "prompt logging")
    for person in (world.sam, world.ines):
        page = world.browser(person)
        for path in ("/staff", "/staff/accounts", account_path(world), "/staff/approvals", "/staff/suspensions"):
            page.visit(path)
            offered = " · ".join(one.text.lower() for one in page.select("main a, main button"))
            assert not [word for word in forbidden if word in offered], (path, offered)


def test_nobody_but_staff_does_any_of_it_whatever_they_claim(world):
    for person in (world.olive, world.strange):
        actor = Actor(kind="user", user_id=person.id, name=person.name)
        with pytest.raises(NotAllowed):
            support.ask_for_access(
                world.services.context, actor, world.northwind, scopes=(), hours=1, reason="Why", ticket="T"
            )
