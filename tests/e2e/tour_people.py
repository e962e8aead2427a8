"""The pages about people and their accounts: invitations from both sides, roles, departures, sessions, an
organization, and an account from the wish to close it to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, expect
from sqlalchemy import update

from anuma_dash.db import Database
from anuma_dash.domain.closings import AccountClosing
from anuma_dash.settings import Settings
from anuma_dash.workflows import utc_now
from tests.e2e import main_job
from tests.e2e.stops import Leg, Stop, addresses, path_of, sign_in_as, somebody_else
from tests.e2e.tour_work import gateway_paused
from tests.processes import Stack, wait_until

GUEST = "Dev Kapoor"
GUEST_ADDRESS = "dev@northwind.example"
LONG_ADDRESS = "maximiliana.featherstonehaugh-cholmondeley@subsidiary.northwind.example"
LONG_NAME = "Northern Shipyards and Harbor Works, Research and Development"
LEAVER = "Kim Aldana"
ROUTES = """
    / /keys /keys/<uuid:key_id>/activation
    /people /people/leaving /people/<uuid:user_id>/edit /people/<uuid:user_id>/removal
    /people/departures/<uuid:departure_id>
    /people/invitations/new /people/invitations/<uuid:invitation_id> /invitations/<token>
    /sessions /sessions/<uuid:session_id>/ending /sessions/others/ending
    /profile /your-data
    /account /account/edit /account/closing /organizations/new
"""


def _walk(page: Page, product: Stack, person: str) -> Iterator[Stop]:
    """Somebody is invited, looks, joins, makes a key and is removed again; then accounts are made and closed."""
    at = product.dashboard
    main_job.sign_in(page, at, person)
    main_job.make_key(page, "nightly report")
    yield from addresses(at, {"people-alone": "/people", "people-invite": "/people/invitations/new"})
    _invite(page, at, LONG_ADDRESS, "Viewer")
    _invite(page, at, GUEST_ADDRESS, "Developer")
    yield from addresses(at, {"invitation": path_of(page, f"tr:has-text('{LONG_ADDRESS}') a[href*=invitations]")})
    yield from _the_guest(page, product)
    sign_in_as(page, at, person)
    page.goto(f"{at}/data-controls")
    main_job.switch_on(page)
    with somebody_else(page, at, GUEST):
        _choose_account(page, person)
        yield from addresses(
            at, {"told-of-logging": "/", "people-member": "/people", "people-leaving": "/people/leaving"}
        )
    main_job.switch_off(page)
    yield from _their_role_and_removal(page, at)
    yield from _sessions(page, at)
    yield from addresses(at, {"profile": "/profile", "your-data": "/your-data"})
    yield from _an_organization(page, at, person)
    yield from _closing_and_not(page, at)
    yield from _closed(page, product)


def _invite(page: Page, at: str, address: str, role: str) -> None:
    page.goto(f"{at}/people/invitations/new")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name=re.compile("^(Invite|Send)")).click()
    page.locator("#flash .note").first.wait_for()


def _the_guest(page: Page, product: Stack) -> Iterator[Stop]:
    at, link = product.dashboard, mailed_link(page, product, GUEST_ADDRESS)
    page.context.clear_cookies()
    yield from addresses(at, {"invitation-landing": link})
    sign_in_as(page, at, LEAVER)
    yield from addresses(at, {"invitation-for-another": link})
    sign_in_as(page, at, GUEST)
    yield from addresses(at, {"invitation-joining": link})
    page.goto(at + link)
    page.get_by_role("button", name="Join").click()
    page.locator("#flash .note").first.wait_for()
    main_job.make_key(page, "a key of Dev’s")


def mailed_link(page: Page, product: Stack, address: str) -> str:
    """The path in the invitation that was mailed to somebody."""
    mailbox = f"{product.sandbox}/mailbox"
    wait_until(lambda: address in httpx.get(mailbox, timeout=30, trust_env=False).text, "the invitation arrives")
    page.goto(mailbox)
    page.locator(f"a:has-text('invites you'):has-text('{address}')").first.click()
    found = re.search(r"/invitations/[\w-]+", page.locator("pre").first.inner_text())
    assert found
    return found[0]


def _choose_account(page: Page, name: str) -> None:
    page.get_by_role("button", name="Account: ").click()
    page.get_by_role("region", name="Accounts").get_by_role("button", name=name).first.click()
    expect(page.get_by_role("button", name="Account: ")).to_contain_text(name)


def _their_role_and_removal(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/people")
    row = f"#member-list tr:has-text('{GUEST}') "
    pages = {"people": "/people", "people-leaving-last-owner": "/people/leaving"}
    pages["people-role"] = path_of(page, row + "a[href$=edit]")
    pages["people-removal"] = path_of(page, row + "a[href$=removal]")
    yield from addresses(at, pages)
    page.goto(at + pages["people-removal"])
    page.get_by_label("All keys").select_option("revoke")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Confirmed by the gateway").wait_for()
    yield from addresses(at, {"people-departure": urlsplit(page.url).path})


def _sessions(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/sessions")
    ending = path_of(page, "#live tbody a[href$=ending]")
    yield from addresses(
        at, {"sessions": "/sessions", "sessions-ending": ending, "sessions-others-ending": "/sessions/others/ending"}
    )


def _an_organization(page: Page, at: str, person: str) -> Iterator[Stop]:
    yield from addresses(at, {"organization-new": "/organizations/new"})
    page.goto(f"{at}/organizations/new")
    page.get_by_label("Name", exact=True).fill(LONG_NAME)
    page.get_by_role("button", name="Make the organization").click()
    page.locator("#flash .note").first.wait_for()
    yield from addresses(at, {"organization": "/account"})
    yield Stop("accounts", lambda shown: _open_accounts(shown, at), by_width=True)
    page.goto(at)
    _choose_account(page, person)


def _open_accounts(page: Page, at: str) -> None:
    page.goto(at)
    if (page.viewport_size or {"width": 0})["width"] < 800:
        page.get_by_role("button", name=re.compile("^Menu$")).click()
    page.get_by_role("button", name="Account: ").click()


def _closing_and_not(page: Page, at: str) -> Iterator[Stop]:
    yield from addresses(at, {"account": "/account", "account-edit": "/account/edit"})
    yield from addresses(at, {"account-closing": "/account/closing"})
    _close(page, at)
    yield from addresses(at, {"account-being-closed": "/account", "overview-being-closed": "/"})
    page.goto(f"{at}/account")
    page.get_by_role("button", name="Do not close it").click()
    expect(page.get_by_text("The account is not closed.")).to_be_visible()
    page.goto(f"{at}/keys")
    activation = path_of(page, "#key-list tbody a[href$=activation]")
    yield from addresses(at, {"keys-deactivated": "/keys", "key-activation": activation})


def _close(page: Page, at: str) -> None:
    page.goto(f"{at}/account/closing")
    field = page.get_by_label("The account's name")
    field.fill(page.get_by_role("heading", level=1).inner_text().removeprefix("Close "))
    page.get_by_role("button", name="Close this account").click()
    expect(page.get_by_role("heading", name="Closing", exact=True)).to_be_visible()


def _closed(page: Page, product: Stack) -> Iterator[Stop]:
    """The fourteen days pass for somebody's only account."""
    at = product.dashboard
    sign_in_as(page, at, LEAVER)
    _close(page, at)
    expect(page.get_by_text("The gateway confirmed that the API keys have stopped")).to_be_visible()
    with gateway_paused(product):
        _let_the_days_pass(product)
        page.goto(f"{at}/account")
        _wait_for(page, "The stored content is being deleted")
        yield from addresses(at, {"account-being-deleted": "/account", "overview-being-deleted": "/"})
    page.goto(at)
    _wait_for(page, "You belong to no account")
    yield from addresses(at, {"no-account": "/", "profile-no-account": "/profile"})


def _wait_for(page: Page, words: str) -> None:
    def shown() -> bool:
        page.reload()
        return page.get_by_text(words).count() > 0

    wait_until(shown, f"the page says: {words}")


def _let_the_days_pass(product: Stack) -> None:
    db, past = Database(Settings.from_environment(product.environment).database_url), utc_now() - timedelta(minutes=1)
    with db.transaction(durable=True) as tx:
        asked = update(AccountClosing).where(AccountClosing.state == "requested")
        tx.execute(asked.where(AccountClosing.requested_by_name == LEAVER).values(closes_at=past, due_at=past))
    db.dispose()


PEOPLE = Leg("people", _walk, frozenset(ROUTES.split()))
