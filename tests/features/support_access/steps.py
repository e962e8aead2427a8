"""What the stories of support access have in common: staff as services know them, grants, sessions."""

from __future__ import annotations

from dataclasses import replace

from anuma_dash.domain import support
from anuma_dash.identity import StaffMember, StaffRole
from tests.examples import make_belongings

REASON = "The customer cannot see any requests."
TICKET = "T-1204"


def staff(world, name, browser_session_id=None):
    """A member of staff as services know them, by the roles that they hold now."""
    person = world.people[name]
    roles = frozenset(StaffRole(row.role) for row in world.rows(StaffMember, user_id=person.id))
    return replace(person.actor, staff_roles=roles, session_id=browser_session_id)


def belongings(world):
    """What Northwind Labs owns, with nobody of support let in any more."""
    own = make_belongings(world)
    support.revoke_grant(world.services.context, world.olive.actor, world.northwind, own.grant_id)
    return own


def let_in(world, *scopes, hours=4, by="olive", ticket=""):
    """A customer lets support look."""
    who = world.people[by]
    return support.grant_access(
        world.services.context, who.actor, who.account_id, scopes=scopes, hours=hours, ticket=ticket
    )


def ask(world, name="sam", account_id=None, scopes=("metadata",), hours=8):
    """Staff asks to be let in."""
    context, actor = world.services.context, staff(world, name)
    account_id = account_id or world.northwind
    return support.ask_for_access(context, actor, account_id, scopes=scopes, hours=hours, reason=REASON, ticket=TICKET)


def enter(world, grant, name="sam", session=None):
    """Staff opens a support session; returns it with its token and the staff member's own browser session token."""
    own, own_token = session or world.start_session(world.people[name])
    actor = staff(world, name, own.id)
    opened, token = support.open_support_session(
        world.services.context, actor, own.id, grant.id, reason=REASON, ticket=TICKET
    )
    return opened, token, own_token


def inside(world, grant, name="sam", *, htmx=False):
    """A browser in which a member of staff is inside the account of this grant."""
    opened, token, own_token = enter(world, grant, name)
    browser = world.browser(htmx=htmx)
    browser.set_cookie(world.session_cookie, own_token)
    browser.set_cookie("anuma_support", token)
    browser.support_session, browser.support_token, browser.own_token = opened, token, own_token
    return browser


def is_over(browser, path):
    """Ask for a page in a support session that must be over now; the words of what is shown instead."""
    answer = browser.request("GET", path)
    assert answer.status_code == 403, answer.text
    assert "The support session is over" in answer.text
    assert "X-Anuma-Support-Session" not in answer.headers
    assert browser.cookie("anuma_support") in (None, "")
    return answer.text
