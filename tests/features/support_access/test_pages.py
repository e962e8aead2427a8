"""The customer's pages of support access: granting, answering, taking back, and reading what staff looked at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain import support
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.errors import Conflict, DashboardError, NotFound
from anuma_dash.features.support_access import service
from tests.features.support_access.steps import REASON, ask, enter, inside, let_in, staff

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@ONE_ENGINE
def test_ada_lets_support_in_and_takes_it_back(world, browse):
    page = browse(world.ada).visit("/support-access")
    assert "Nothing is granted" in page.text
    page.follow("Let support in")
    for hours in ("", "0", "73", "2.5", "many", "9" * 40):
        page.submit("Let support in", hours=hours, scopes=["content"], ticket="T-9")
        assert page.status == 422
        assert page.one("#hours-error").text
        assert page.one("input[value=content]").get("checked") is not None, "nothing is lost"
        assert page.one("input[name=ticket]")["value"] == "T-9"
    page.submit("Let support in", hours="12", ticket="x" * 61)
    assert "Use 60 characters at most." in page.text
    assert world.rows(SupportGrant) == []
    page.submit("Let support in", hours="12", ticket="T-9")
    assert "Support may look into this account for 12 hours." in page.text
    (row,) = page.table("Live support access")
    assert row["To"].startswith("Everybody of support")
    assert row["May see"] == "metadata prompts and responses"
    assert "12 hours left at most" in row["Until"]
    page.visit("/support-access/new").submit("Let support in", hours="1", scopes=[])
    assert page.status == 409
    assert "Revoke that first" in page.text
    enter(world, world.rows(SupportGrant)[0])
    page.visit("/support-access").submit("Revoke the access of everybody of support")
    assert "It ended 1 support session." in page.text
    assert "Nobody of support is inside" in page.text
    assert "The support access was revoked" in page.text
    events = [entry.event for entry in world.rows(AuditEntry, chain=world.northwind) if entry.event.startswith("supp")]
    assert events == ["support.granted", "support.session_started", "support.session_ended", "support.revoked"]


@ONE_ENGINE
def test_olive_answers_those_who_ask(world, browse):
    first = ask(world, scopes=["content"], hours=8)
    page = browse(world.olive).visit("/")
    assert "support asks to look into the account" in page.text
    page.visit("/support-access").submit("Decline: Sam Ruiz")
    assert "You declined. By this request Sam Ruiz sees nothing of this account." in page.text
    assert world.rows(SupportGrant)[0].state == "declined"
    page.visit(f"/support-access/requests/{first.id}")
    assert "declined" in page.text
    assert not page.offers("Let them in")
    assert page.request("GET", f"/support-access/requests/{first.id}/approval").status_code == 404
    again = {"csrf_token": page.csrf_token()}
    for _ in range(2):
        answer = page.request("POST", f"/support-access/requests/{first.id}/refusal", data=again)
        assert answer.status_code == 303, "saying no again is saying it once"
    assert len(world.rows(AuditEntry, event="support.declined")) == 1
    other = ask(world)
    page.visit(f"/support-access/requests/{other.id}").submit("Decline")
    assert page.path == "/support-access"
    assert "You declined. By this request Sam Ruiz sees nothing of this account." in page.text
    assert [row.state for row in world.rows(SupportGrant)] == ["declined", "declined"]
    second = ask(world, scopes=["content"], hours=8)
    page.visit(f"/support-access/requests/{second.id}").follow("Let them in")
    page.submit("Let them in", hours="9")
    assert page.status == 422
    assert "Enter a whole number from 1 to 8." in page.text
    assert not page.select("input[value=billing]"), "nothing is offered that was not asked for"
    page.submit("Let them in", hours="8")
    assert "Sam Ruiz may look into this account for 8 hours." in page.text
    third = ask(world)
    world.clock.advance(days=8)
    page.visit(f"/support-access/requests/{third.id}")
    assert "Nobody answered in time, so it lapsed." in page.text
    with pytest.raises(Conflict, match="no answer any more"):
        support.approve_request(
            world.services.context, world.olive.actor, world.northwind, third.id, scopes=[], hours=1
        )
    said = page.visit("/activity?what=support").text
    assert said.count("Olive Lindqvist declined to let Sam Ruiz look into the account") == 2
    assert said.count(f"Sam Ruiz asked to look into the account for 8 hours: metadata, content, because: {REASON}") == 2
    assert "Olive Lindqvist let Sam Ruiz look into the account for 8 hours: metadata" in said


@ONE_ENGINE
def test_olive_reads_what_is_seen_without_her_and_what_an_emergency_is(world):
    page = world.browser(world.olive).visit("/support-access")
    assert "Support sees the name and the state of this account and what stands here, and nothing more" in page.text
    assert "In an emergency two administrators of Anuma can let one of them see metadata for 4 hours" in page.text
    let_in(world)
    ask(world)
    assert "By what they ask for here they see nothing until you say yes." in page.reload().text
    assert "support may look into this account" in page.visit("/support-access/new").text

    world.restart(support_access=False)
    page = world.browser(world.olive).visit("/support-access")
    assert "In an emergency" not in page.text
    assert "support may look into this account" not in page.visit("/support-access/new").text


@ONE_ENGINE
def test_others_neither_decide_nor_are_pointed_at_it(world):
    ask(world)
    for name in ("dev", "bill", "vera"):
        page = world.browser(world.people[name])
        assert page.request("GET", "/support-access").status_code == 403
        assert "support asks" not in page.visit("/").text
    context, question = world.services.context, world.rows(SupportGrant)[0]
    with pytest.raises(NotFound):
        support.approve_request(context, world.strange.actor, world.elsewhere, question.id, scopes=[], hours=1)
    with pytest.raises(NotFound):
        support.revoke_grant(context, world.strange.actor, world.elsewhere, question.id)


@ONE_ENGINE
def test_each_page_opened_is_listed_a_page_at_a_time(world):
    grant, context, olive = let_in(world), world.services.context, world.olive.actor
    browser = inside(world, grant)
    for path in ("/", "/keys", "/requests"):
        browser.visit(path)
    session_id = browser.support_session.id
    _, newest, following = service.read_session(context, olive, world.northwind, session_id, None, 2)
    _, oldest, last = service.read_session(context, olive, world.northwind, session_id, int(following), 2)
    assert [one.path for one in (*newest, *oldest)] == ["/requests", "/keys", "/"]
    assert last is None
    browser.submit("Stop")
    enter(world, grant)
    (line,), after = service.list_sessions(context, olive, world.northwind, None, 1)
    assert line.live
    (line,), after = service.list_sessions(context, olive, world.northwind, line.session.id, 1)
    assert (line.pages, line.live, after) == (3, False, None)
    page = world.browser(world.olive).visit(f"/support-access/sessions/{session_id}")
    assert REASON in page.text
    assert page.request("GET", f"/support-access/sessions/{session_id}?after=x").status_code == 404
    with world.behind_the_triggers() as tx:
        entry = world.rows(AuditEntry, event="support.page_opened")[0]
        tx.execute(service.AuditDetail.__table__.delete().where(service.AuditDetail.entry_id == entry.id))
    assert "details erased" in page.reload().text


def test_two_answers_at_once_are_one_answer(world):
    question, context, olive = ask(world), world.services.context, world.olive.actor

    def answer(yes):
        try:
            if yes:
                support.approve_request(context, olive, world.northwind, question.id, scopes=[], hours=1)
            else:
                support.decline_request(context, world.ada.actor, world.northwind, question.id)
        except DashboardError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(answer, (True, False)))
    assert sorted(isinstance(result, Conflict) for result in results) == [False, True]


def test_whoever_opens_while_it_is_revoked_is_not_inside_afterwards(world):
    grant, context = let_in(world), world.services.context

    def attempt(act):
        with suppress(Conflict):
            act()

    with ThreadPoolExecutor(2) as pool:
        acts = (
            lambda: enter(world, grant),
            lambda: support.revoke_grant(context, world.olive.actor, world.northwind, grant.id),
        )
        list(pool.map(attempt, acts))
    assert world.rows(SupportGrant)[0].state == "ended"
    assert all(row.ended_at is not None for row in world.rows(SupportSession))
    with world.db.reading() as tx:
        assert support.live_sessions_of(tx, staff(world, "sam").user_id, world.clock.now) == []
