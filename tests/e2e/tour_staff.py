"""The pages of staff, of a support session, and what the customer sees of both."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page, expect

from tests.e2e.stops import Stop, addresses, fill_in, path_of, sign_in_as

NEW_OWNER = "robin@elsewhere.example"
WORDS = {"Reason": "Requests fail since noon", "Ticket": "T-7"}
SUSPENSION = {
    "Reason": "Thousands of requests a minute since Monday, from keys that were published",
    "Where to contest it": "appeals@anuma.example",
}


def support_access(page: Page, at: str) -> Iterator[Stop]:
    """The customer lets support in."""
    yield from addresses(at, {"support-access-first": "/support-access", "support-access-new": "/support-access/new"})
    page.goto(f"{at}/support-access/new")
    page.get_by_label("For how many hours").fill("12")
    page.get_by_role("button", name="Let support in").click()
    expect(page.get_by_text("Support may look into this account for 12 hours.")).to_be_visible()
    yield from addresses(
        at, {"support-access": "/support-access", "support-sessions-first": "/support-access/sessions"}
    )


def staff(page: Page, at: str, customer: str) -> Iterator[Stop]:
    """Support finds the customer's account, looks into it and asks for more; an administrator suspends it."""
    sign_in_as(page, at, "Sam Ruiz")
    yield from addresses(at, {"staff": "/staff", "staff-accounts": "/staff/accounts"})
    yield Stop("staff-search", lambda shown: _find(shown, at, customer))
    _find(page, at, customer)
    account = path_of(page, "#found tbody a")
    fill_in(page, at + account + "/request", "Ask for access", WORDS)
    recovery = {"E-mail address of the new owner": NEW_OWNER, "Reason": "Their provider is gone", "Ticket": "T-8"}
    fill_in(page, f"{at}{account}/recovery", "Ask for a new owner", recovery)
    page.goto(at + account)
    looking = path_of(page, "#grants a[href$=session]")
    yield from addresses(
        at, {"staff-account": account, "staff-request": f"{account}/request", "staff-session-new": looking}
    )
    yield from _inside(page, at, looking)
    sign_in_as(page, at, "Ines Duarte")
    yield from _administrator(page, at, account)
    sign_in_as(page, at, customer)
    yield from _what_the_customer_sees(page, at)


def _inside(page: Page, at: str, looking: str) -> Iterator[Stop]:
    fill_in(page, at + looking, "Open the support session", WORDS)
    yield from addresses(
        at,
        {
            "support-session-overview": "/",
            "support-session-keys": "/keys",
            "support-session-refused": "/profile",
        },
    )
    page.goto(at)
    page.get_by_role("region", name="Support session").get_by_role("button", name="Stop").click()
    page.wait_for_url(f"{at}/staff**")


def _administrator(page: Page, at: str, account: str) -> Iterator[Stop]:
    fill_in(page, f"{at}{account}/emergency", "Ask for emergency access", WORDS)
    page.goto(f"{at}/staff/people")
    yield from addresses(
        at,
        {
            "staff-emergency": f"{account}/emergency",
            "staff-suspension": f"{account}/suspension",
            "staff-approvals": "/staff/approvals",
            "staff-suspended": "/staff/suspensions",
            "staff-people": "/staff/people",
            "staff-role": "/staff/people/new",
            "staff-role-removal": path_of(page, "#people tbody a[href*=support]"),
            "staff-activity": "/staff/activity",
        },
    )
    fill_in(page, f"{at}{account}/suspension", "Suspend the account", SUSPENSION)
    yield from addresses(at, {"staff-account-suspended": account, "staff-reinstatement": f"{account}/reinstatement"})


def _what_the_customer_sees(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/support-access")
    approval = path_of(page, "#waiting a[href$=approval]")
    page.goto(f"{at}/support-access/sessions")
    session = path_of(page, "#session-rows tbody a")
    yield from addresses(
        at,
        {
            "suspended-overview": "/",
            "suspended-account": "/account",
            "support-access-asked": "/support-access",
            "support-request": approval.removesuffix("/approval"),
            "support-approval": approval,
            "support-sessions": "/support-access/sessions",
            "support-session-seen": session,
        },
    )


def _find(page: Page, at: str, name: str) -> None:
    page.goto(f"{at}/staff/accounts")
    page.get_by_label("Search by").select_option("name")
    page.get_by_label("Search for").fill(name)
    page.get_by_role("button", name="Search").click()
    page.locator("#found tbody a").first.wait_for()
