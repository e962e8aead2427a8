"""PRODUCT.md, *Support access*: the rules from the masking on, one test each, by their number."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import delete, text

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.domain import support
from anuma_dash.domain.support import SupportSession
from anuma_dash.features.keys import presentation
from anuma_dash.identity import StaffMember, User
from anuma_dash.mail import Mail
from anuma_dash.web import support as web_support
from anuma_dash.web.access import rule_of
from anuma_dash.web.sessions import BrowserSession, end_session
from tests.features.support_access.steps import REASON, TICKET, belongings, inside, is_over, let_in
from tests.test_every_route import HTMX

READABLE = {
    "overview.index",
    "keys.index",
    "keys.show",
    "requests.index",
    "requests.show",
    "requests.content",
    "requests.trace",
    "requests.evaluations",
    "apps.index",
    "data_controls.list_rules",
    "data_controls.index",
    "data_controls.show",
    "data_controls.show_test",
    "activity.index",
    "activity.verification",
}
"""Every page that a support session opens."""
ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
BANNER = "Sam Ruiz of Anuma is looking into Northwind Labs"


def opened(world):
    """What was recorded of pages opened by staff: entry, and its details."""
    entries = world.rows(AuditEntry, event="support.page_opened")
    details = {detail.entry_id: detail.body for detail in world.rows(AuditDetail)}
    return [(entry, details[entry.id]) for entry in sorted(entries, key=lambda entry: entry.number)]


def tx_fails(world):
    with world.db.reading() as tx:
        tx.execute(text("SELECT nothing FROM nowhere"))


def end_own_session(world, browser):
    with world.db.transaction() as tx:
        end_session(tx, browser.support_session.staff_session_id, world.clock.now)


@ONE_ENGINE
def test_rule_08_tails_are_always_masked_content_and_billing_without_their_scope(world):
    """That no page anywhere shows a tail is in `test_every_route.py`; here is what each scope adds."""
    own = belongings(world)
    show, read = f"/requests/{own.request_id}", f"/requests/{own.request_id}/content"
    pages = ("/", "/keys", f"/keys/{own.key_id}", "/requests", show, "/data-controls", "/activity")
    meta = inside(world, let_in(world))
    for path in pages:
        shown = meta.visit(path)
        assert "canary-prompt" not in shown.text
        assert "costs hidden" in shown.text
        assert not re.search(r"\$\d", shown.text), path
    prefix = world.gateway.key(world.olive.actor, world.northwind, own.key_id).prefix
    for path in ("/keys", f"/keys/{own.key_id}"):
        shown = meta.visit(path).text
        assert "anuma_live_…••••" in shown
        assert prefix not in shown, "four of its characters are the secret's"
    assert "•••" in meta.visit(show).one("#price").text
    assert meta.request("GET", read).status_code == 403
    assert not meta.visit(show).select(f'a[href="{read}"]')
    support.stop_support_session(world.services.context, world.sam.actor, meta.support_session.id)
    grant_id = meta.support_session.grant_id
    support.revoke_grant(world.services.context, world.olive.actor, world.northwind, grant_id)
    full = inside(world, let_in(world, "content", "billing"))
    assert "canary-prompt" in full.visit(read).text
    assert re.search(r"\$\d", full.visit("/requests").text)
    assert "costs hidden" not in full.text
    assert "••••" in full.visit("/keys").text


@ONE_ENGINE
def test_rule_09_never_what_acts(world):
    readable = [
        name for name in world.app.view_functions if (rule := rule_of(world.app, name)) and rule.support == "read"
    ]
    acts = ("new", "create", "edit", "update", "delete", "export", "content_export", "download")
    for name in readable:
        rule = rule_of(world.app, name)
        methods = set().union(*(one.methods for one in world.app.url_map.iter_rules(name)))
        assert methods <= {"GET", "HEAD", "OPTIONS"}, name
        assert not name.partition(".")[2].startswith(acts), name
        assert not rule.reauth, name
        assert not rule.staff, name
    assert set(readable) == READABLE, "what staff may read is decided here, page by page"
    browser = inside(world, let_in(world, "content", "billing"))
    for path in ("/keys/new", "/data-controls/prompt-logging/edit", "/deletions", "/deletions/new", "/support-access"):
        assert browser.request("GET", path).status_code == 403, path
    for path in ("/sign-in-methods", "/sign-in", "/sign-in/reauthentication", "/waiting"):
        answer = browser.request("GET", path)
        assert answer.status_code == 403, path
        assert BANNER in answer.text


def test_rule_10_everything_is_checked_anew_on_every_request(world):
    """Role, grant and target: rules 1, 2 and 4. Here the staff member's own session, and the staff member."""
    grant = let_in(world)
    signed_out = inside(world, grant)
    assert signed_out.visit("/keys").status == 200
    end_own_session(world, signed_out)
    assert "own session is over" in is_over(signed_out, "/keys")
    assert signed_out.request("GET", "/keys").status_code == 303, "and after that it is a stranger's browser"
    other = inside(world, grant)
    other.set_cookie(world.session_cookie, world.start_session(world.sam)[1])
    assert "own session is over" in is_over(other, "/keys")
    suspended = inside(world, grant)
    with world.db.transaction() as tx:
        tx.get_one(User, world.sam.id).status = "suspended"
    assert "own session is over" in is_over(suspended, "/keys")
    assert [row.ended_why for row in world.rows(SupportSession)] == ["signed_out"] * 3


@ONE_ENGINE
def test_rule_11_a_banner_on_every_page_and_error_page_and_a_header(world, monkeypatch):
    browser = inside(world, let_in(world, "content", ticket="T-1"))
    session_id = str(browser.support_session.id)
    world.clock.advance(minutes=3, seconds=10)
    token = browser.visit("/keys").csrf_token()
    ends = browser.support_session.ends_at
    for words in (BANNER, "metadata, content", TICKET, f"until {ends:%b} {ends.day}, {ends:%H:%M:%S}"):
        assert words in browser.one(".inside").text
    assert browser.one(".inside [data-seconds-left]")["data-seconds-left"] == str(26 * 60 + 50)
    monkeypatch.setattr(presentation, "key_rows", None)
    asked = [
        ("GET", "/", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/keys/00000000-0000-0000-0000-000000000007", 404),
        ("PUT", "/keys", 405),
        ("GET", "/deletions", 403),
        ("POST", "/keys", 403),
        ("GET", "/requests?after=x", 404),
        ("GET", "/keys", 500),
    ]
    for method, path, status in asked:
        answer = browser.request(method, path, data={"csrf_token": token} if method == "POST" else None)
        assert answer.status_code == status, path
        assert BANNER in answer.text, path
        assert 'action="/support-access/stop"' in answer.text, path
        assert answer.headers["X-Anuma-Support-Session"] == session_id
    fragment = browser.request("GET", "/requests", headers=HTMX)
    assert fragment.headers["X-Anuma-Support-Session"] == session_id
    with monkeypatch.context() as patched:
        patched.setattr(web_support, "_find", lambda: tx_fails(world))
        lost = browser.request("GET", "/requests")
    assert lost.status_code == 503
    assert 'action="/support-access/stop"' in lost.text
    too_long = browser.request("GET", "/keys?" + "x" * 20_000)
    assert too_long.status_code == 414, "before the guard: it says less, and the button is there"
    assert "Support session" in too_long.text
    assert 'action="/support-access/stop"' in too_long.text
    assert "Support session" not in world.browser(world.olive).visit("/keys").text


def test_rule_12_every_page_is_recorded_with_both_ids(world):
    browser = inside(world, let_in(world))
    browser.visit("/keys")
    browser.request("GET", "/requests?model=secret-words", headers=HTMX)
    browser.request("GET", "/keys/new")
    assert browser.visit("/").heading == "Overview of Northwind Labs"
    found = opened(world)
    assert [body["fields"]["path"] for _, body in found] == ["/keys", "/requests", "/"]
    assert [body["fields"]["page"] for _, body in found] == ["API keys", "Request log", "Overview"]
    for entry, body in found:
        assert (entry.actor_id, entry.actor_kind, entry.chain) == (world.sam.id, "staff", world.northwind)
        assert entry.support_session_id == browser.support_session.id
        assert body["fields"]["granted_by_id"] == str(world.olive.id)
        assert "secret-words" not in str(body)


def test_rule_12_if_the_record_cannot_be_written_the_page_is_refused(world):
    belongings(world)
    browser = inside(world, let_in(world, "content"))
    act = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    with world.db.transaction() as tx:
        if not world.db.sqlite:
            raises = "BEGIN RAISE EXCEPTION 'disk full'; END"
            tx.execute(text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {raises} $$"))
            act = "FOR EACH ROW EXECUTE FUNCTION refuse()"
        tx.execute(text(f"CREATE TRIGGER refuse BEFORE INSERT ON audit_entries {act}"))
    for headers in ({}, HTMX):
        answer = browser.request("GET", "/keys", headers=headers)
        assert answer.status_code == 503
        assert "canary-key" not in answer.text
    assert BANNER in browser.request("GET", "/keys").text
    with world.db.transaction() as tx:
        tx.execute(text("DROP TRIGGER refuse" if world.db.sqlite else "DROP FUNCTION refuse() CASCADE"))
    assert "canary-key" in browser.visit("/keys").text


def test_rule_13_the_customer_is_mailed_sees_the_entries_and_either_side_ends_it(world):
    grant = let_in(world, by="ada")
    browser = inside(world, grant)
    world.run_worker()
    assert {letter.recipients for letter in world.mailbox.messages} == {
        ("olive@northwind.example",),
        ("ada@northwind.example",),
    }
    assert REASON.encode() in world.mailbox.messages[0].raw
    browser.visit("/keys")
    olive = world.browser(world.olive)
    assert "support staff is inside the account now" in olive.visit("/").text
    assert "1 page opened" in olive.visit("/support-access").text
    watching = world.browser(world.olive, htmx=True).visit("/support-access")
    browser.visit("/requests")
    assert "2 pages opened" in watching.poll("#standing").text, "the page asks again by itself while somebody is inside"
    assert olive.visit("/support-access").follow("2 pages opened").table("Pages opened, newest first")[1][
        "Address"
    ] == ("/keys")
    assert "Sam Ruiz opened API keys at /keys" in olive.visit("/activity?what=support").text
    olive.visit("/support-access").submit("End now: Sam Ruiz")
    assert "Nobody of support is inside" in olive.text
    assert "Nobody of support is inside" in watching.poll("#standing").text
    assert not watching.one("#standing").get("hx-trigger"), "nothing is left to be asked for"
    assert "ended by the customer" in is_over(browser, "/keys")
    again = inside(world, grant)
    again.visit("/keys").submit("Stop")
    assert [row.ended_why for row in world.rows(SupportSession)] == ["customer", "stopped"]
    assert "Stopped by the staff member" in olive.visit("/support-access/sessions").text


def test_rule_14_stop_always_works_and_returns_only_after_a_check(world):
    context, grant = world.services.context, let_in(world)

    def press_stop(browser, token):
        answer = browser.request("POST", "/support-access/stop", data={"csrf_token": token})
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/staff"
        assert not browser.cookie("anuma_support")
        assert world.rows(SupportSession)[-1].ended_at is not None

    ended = inside(world, grant)
    token = ended.visit("/keys").csrf_token()
    support.end_support_session(context, world.olive.actor, world.northwind, ended.support_session.id)
    press_stop(ended, token)
    press_stop(ended, token)
    expired = inside(world, grant)
    token = expired.visit("/keys").csrf_token()
    world.clock.advance(minutes=40)
    press_stop(expired, token)
    signed_out = inside(world, grant)
    token = signed_out.visit("/keys").csrf_token()
    end_own_session(world, signed_out)
    press_stop(signed_out, token)
    assert signed_out.request("GET", "/sign-in-methods").status_code == 303, "nobody is signed in there any more"
    stale = inside(world, grant)
    answer = stale.request("POST", "/support-access/stop", data={})
    assert answer.status_code == 403, "like every form it takes a token"
    assert world.rows(SupportSession)[-1].ended_at is None
    assert BANNER in answer.text
    press_stop(stale, re.search(r'name="csrf_token" value="([^"]+)"', answer.text).group(1))
    demoted = inside(world, grant)
    token = demoted.visit("/keys").csrf_token()
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember).where(StaffMember.user_id == world.sam.id))
    press_stop(demoted, token)
    assert world.rows(SupportSession)[-1].ended_why == "role"
    assert demoted.request("GET", "/staff").status_code == 404, "the staff section checks anew"


@ONE_ENGINE
def test_rule_15_no_trace_on_the_customers_own(world):
    own = belongings(world)
    world.start_session(world.olive)
    world.run_worker()

    olive = world.browser(world.olive)

    def traces():
        members = [row for row in world.rows(BrowserSession) if row.user_id != world.sam.id]
        keys = world.gateway.keys(world.olive.actor, world.northwind).data
        people = olive.visit("/people").table("Members")
        return (
            [row.last_seen_at for row in members],
            [(row["Name"], row["Last seen here"]) for row in people],
            [(key.id, key.last_used_at) for key in keys],
        )

    grant = let_in(world, "content")
    enter_at = len(world.rows(Mail))
    browser = inside(world, grant)
    told = len(world.rows(Mail))
    assert told - enter_at == 2, "the two who decide are told of the session, once"
    before = traces()
    assert "Dev Kapoor" in str(before)
    assert [at for _, at in before[2] if at], "a key that was used"
    world.clock.advance(minutes=5)
    for path in ("/", "/keys", f"/requests/{own.request_id}/content", "/activity"):
        assert browser.visit(path).status == 200
    assert traces() == before
    assert len(world.rows(Mail)) == told
