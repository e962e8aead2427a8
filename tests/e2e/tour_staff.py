"""The pages of staff, of a support session, and what the customer sees of both."""

from __future__ import annotations

from collections.abc import Iterator

import openai
from playwright.sync_api import Page, expect

from tests.e2e import main_job
from tests.e2e.stops import Leg, Stop, addresses, fill_in, here, path_of, sign_in_as, somebody_else
from tests.processes import Stack

SUPPORT, ADMINISTRATOR, ANOTHER_ADMINISTRATOR = "Sam Ruiz", "Ines Duarte", "Theo Baum"
SUSPENDED = "Jonas Petrov"
WORDS = {"Reason": "Requests fail since noon", "Ticket": "T-7"}
RECOVERY = {
    "E-mail address of the new owner": "robin@elsewhere.example",
    "Reason": "Their provider is gone",
    "Ticket": "T-8",
}
SUSPENSION = {
    "Reason": "Thousands of requests a minute since Monday, from keys that were published",
    "Where to contest it": "appeals@anuma.example",
}
PERSON_SUSPENSION = {
    "E-mail address": main_job.address_of(SUSPENDED),
    "Reason": "Signs in for other people, and lets them use the account",
}
ROUTES = """
    / /keys /requests /activity /account /people /data-controls
    /support-access /support-access/new /support-access/sessions /support-access/sessions/<uuid:session_id>
    /support-access/requests/<uuid:grant_id> /support-access/requests/<uuid:grant_id>/approval
    /staff /staff/accounts /staff/accounts/<uuid:account_id> /staff/grants/<uuid:grant_id>/session
    /staff/accounts/<uuid:account_id>/request /staff/accounts/<uuid:account_id>/recovery
    /staff/accounts/<uuid:account_id>/emergency
    /staff/accounts/<uuid:account_id>/suspension /staff/accounts/<uuid:account_id>/reinstatement
    /staff/approvals /staff/emergencies/<uuid:grant_id>/approval
    /staff/recoveries/<uuid:recovery_id>/approval /staff/recoveries/<uuid:recovery_id>/stop
    /staff/suspensions /staff/suspensions/new /staff/suspensions/<uuid:suspension_id>/reinstatement
    /staff/people /staff/people/new /staff/people/<uuid:user_id>/roles/<role>/removal
    /staff/activity
"""


def _walk(page: Page, product: Stack, customer: str) -> Iterator[Stop]:
    """A customer lets support in; support looks and asks for more; administrators do what only they may."""
    at = product.dashboard
    main_job.sign_in(page, at, customer)
    secret = main_job.make_key(page, "checkout")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        main_job.call(client, "A question before support looks")
    yield from _let_support_in(page, at)
    sign_in_as(page, at, SUPPORT)
    account = yield from _support(page, at, customer)
    sign_in_as(page, at, customer)
    yield from _what_the_customer_is_asked(page, at)
    sign_in_as(page, at, SUSPENDED)
    sign_in_as(page, at, ADMINISTRATOR)
    yield from _administrator(page, at, account)
    with somebody_else(page, at, ANOTHER_ADMINISTRATOR):
        yield from _another_administrator(page, at)
    with somebody_else(page, at, customer):
        yield from addresses(
            at, {"recovery-overview": "/", "recovery-people": "/people", "support-access-emergency": "/support-access"}
        )
    yield from _new_owner_under_way(page, at, account)
    yield from _a_person_suspended(page, at)
    fill_in(page, f"{at}{account}/suspension", "Suspend the account", SUSPENSION)
    yield from addresses(at, {"staff-account-suspended": account, "staff-reinstatement": f"{account}/reinstatement"})
    sign_in_as(page, at, customer)
    yield from addresses(
        at,
        {
            "suspended-overview": "/",
            "suspended-account": "/account",
            "suspended-keys": "/keys",
            "suspended-controls": "/data-controls",
            "suspended-support-access": "/support-access",
        },
    )


def _let_support_in(page: Page, at: str) -> Iterator[Stop]:
    yield from addresses(at, {"support-access-first": "/support-access", "support-access-new": "/support-access/new"})
    page.goto(f"{at}/support-access/new")
    page.get_by_label("For how many hours").fill("12")
    page.get_by_role("button", name="Let support in").click()
    expect(page.get_by_text("Support may look into this account for 12 hours.")).to_be_visible()
    yield from addresses(
        at, {"support-access": "/support-access", "support-sessions-first": "/support-access/sessions"}
    )


def _support(page: Page, at: str, customer: str) -> Iterator[Stop]:
    """Support finds the account, asks for more, and looks into it; returns the path of the account's page."""
    yield from addresses(at, {"staff": "/staff", "staff-accounts": "/staff/accounts"})
    yield Stop("staff-search-nothing", lambda shown: _find(shown, at, "Nobody of this name", "No account found"))
    yield Stop("staff-search", lambda shown: _find(shown, at, customer, customer))
    _find(page, at, customer, customer)
    account = path_of(page, "#found tbody a")
    yield from addresses(at, {"staff-request": f"{account}/request", "staff-recovery": f"{account}/recovery"})
    fill_in(page, at + account + "/request", "Ask for access", WORDS)
    fill_in(page, f"{at}{account}/recovery", "Ask for a new owner", RECOVERY)
    page.goto(at + account)
    looking = path_of(page, "#grants a[href$=session]")
    yield from addresses(at, {"staff-account": account, "staff-session-new": looking})
    yield from _inside(page, at, looking, customer)
    return account


def _inside(page: Page, at: str, looking: str, customer: str) -> Iterator[Stop]:
    fill_in(page, at + looking, "Open the support session", WORDS)
    yield from addresses(
        at,
        {
            "support-session-overview": "/",
            "support-session-keys": "/keys",
            "support-session-requests": "/requests",
            "support-session-activity": "/activity",
            "support-session-refused": "/profile",
        },
    )
    with somebody_else(page, at, SUPPORT):
        yield from addresses(at, {"staff-inside": "/staff"})
    with somebody_else(page, at, customer):
        yield from addresses(at, {"support-access-inside": "/support-access"})
    page.goto(at)
    page.get_by_role("region", name="Support session").get_by_role("button", name="Stop").click()
    page.wait_for_url(f"{at}/staff**")


def _what_the_customer_is_asked(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/support-access")
    approval = path_of(page, "#waiting a[href$=approval]")
    page.goto(f"{at}/support-access/sessions")
    session = path_of(page, "#session-rows tbody a")
    yield from addresses(
        at,
        {
            "recovery-asked": "/account",
            "support-access-asked": "/support-access",
            "support-request": approval.removesuffix("/approval"),
            "support-approval": approval,
            "support-sessions": "/support-access/sessions",
            "support-session-seen": session,
            "support-activity": "/activity",
        },
    )


def _administrator(page: Page, at: str, account: str) -> Iterator[Stop]:
    """What one administrator asks for, decides alone, and approves as the first of two."""
    yield from addresses(at, {"staff-suspended-empty": "/staff/suspensions"})
    page.goto(f"{at}/staff/people")
    yield from addresses(
        at,
        {
            "staff-emergency": f"{account}/emergency",
            "staff-suspension": f"{account}/suspension",
            "staff-people": "/staff/people",
            "staff-role": "/staff/people/new",
            "staff-role-removal": path_of(page, "#people tbody a[href*=support]"),
            "staff-activity": "/staff/activity",
        },
    )
    fill_in(page, f"{at}{account}/emergency", "Ask for emergency access", WORDS)
    page.goto(f"{at}/staff/approvals")
    approval = path_of(page, "#recoveries a[href$=approval]")
    yield from addresses(at, {"staff-recovery-approval": approval})
    fill_in(page, at + approval, "Approve the new owner", {})
    yield from addresses(at, {"staff-approvals": "/staff/approvals"})


def _another_administrator(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/staff/approvals")
    emergency = path_of(page, "#emergencies a[href$=approval]")
    recovery = path_of(page, "#recoveries a[href$=approval]")
    yield from addresses(at, {"staff-approvals-second": "/staff/approvals", "staff-emergency-approval": emergency})
    fill_in(page, at + emergency, "Approve emergency access", {})
    fill_in(page, at + recovery, "Approve the new owner", {})
    yield here("staff-approved")


def _new_owner_under_way(page: Page, at: str, account: str) -> Iterator[Stop]:
    page.goto(f"{at}/staff/approvals")
    stop = path_of(page, "#recoveries a[href$=stop]")
    yield from addresses(
        at,
        {
            "staff-approvals-scheduled": "/staff/approvals",
            "staff-recovery-stop": stop,
            "staff-account-scheduled": account,
        },
    )
    fill_in(page, at + stop, "Stop it", {})


def _a_person_suspended(page: Page, at: str) -> Iterator[Stop]:
    yield from addresses(at, {"staff-person-suspension": "/staff/suspensions/new"})
    fill_in(page, f"{at}/staff/suspensions/new", "Suspend the person", PERSON_SUSPENSION)
    page.goto(f"{at}/staff/suspensions")
    ending = path_of(page, "#suspended tbody a[href$=reinstatement]")
    yield from addresses(at, {"staff-suspended": "/staff/suspensions", "staff-person-reinstatement": ending})
    kept = page.context.cookies()
    page.context.clear_cookies()
    main_job.knock(page, at, SUSPENDED)
    page.get_by_text("This user is suspended").wait_for()
    yield here("suspended-person")
    page.context.clear_cookies()
    page.context.add_cookies(kept)  # type: ignore[arg-type]


def _find(page: Page, at: str, name: str, answer: str) -> None:
    page.goto(f"{at}/staff/accounts")
    page.get_by_label("Search by").select_option("name")
    page.get_by_label("Search for").fill(name)
    page.get_by_role("button", name="Search").click()
    page.locator("#found").get_by_text(answer).first.wait_for()


STAFF = Leg(
    "staff", _walk, frozenset(ROUTES.split()), elsewhere=frozenset({"support-session-refused", "suspended-person"})
)
