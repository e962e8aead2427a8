"""The pages about people: an invitation from both sides, a role, a removal, a departure; and sessions elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page

from tests.e2e import main_job
from tests.e2e.stops import Stop, addresses, path_of, sign_in_as
from tests.processes import Stack, wait_until

GUEST = "Dev Kapoor"
GUEST_ADDRESS = "dev@northwind.example"
LONG_ADDRESS = "maximiliana.featherstonehaugh-cholmondeley@subsidiary.northwind.example"


def people(page: Page, product: Stack, person: str) -> Iterator[Stop]:
    """Somebody is invited, looks, joins, makes a key and is removed again."""
    at = product.dashboard
    _invite(page, at, LONG_ADDRESS, "Viewer")
    _invite(page, at, GUEST_ADDRESS, "Developer")
    yield from addresses(at, {"invitation": path_of(page, f"tr:has-text('{LONG_ADDRESS}') a[href*=invitations]")})
    link = _mailed_link(page, product)
    page.context.clear_cookies()
    yield from addresses(at, {"invitation-landing": link})
    sign_in_as(page, at, GUEST)
    yield from addresses(at, {"invitation-joining": link})
    page.goto(at + link)
    page.get_by_role("button", name="Join").click()
    page.locator("#flash .note").first.wait_for()
    main_job.make_key(page, "a key of Dev’s")
    sign_in_as(page, at, person)
    page.goto(f"{at}/people")
    row = f"#member-list tr:has-text('{GUEST}') "
    pages = {"people": "/people", "people-leave": "/people/leaving"}
    pages["people-role"] = path_of(page, row + "a[href$=edit]")
    pages["people-removal"] = path_of(page, row + "a[href$=removal]")
    yield from addresses(at, pages)
    page.goto(at + pages["people-removal"])
    page.get_by_label("All keys").select_option("revoke")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Confirmed by the gateway").wait_for()
    yield from addresses(at, {"people-departure": urlsplit(page.url).path})
    yield from _sessions(page, at)


def _invite(page: Page, at: str, address: str, role: str) -> None:
    page.goto(f"{at}/people/invitations/new")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name=re.compile("^(Invite|Send)")).click()
    page.locator("#flash .note").first.wait_for()


def _mailed_link(page: Page, product: Stack) -> str:
    mailbox = f"{product.sandbox}/mailbox"
    wait_until(lambda: GUEST_ADDRESS in httpx.get(mailbox, timeout=30, trust_env=False).text, "the invitation arrives")
    page.goto(mailbox)
    page.locator(f"a:has-text('invites you'):has-text('{GUEST_ADDRESS}')").first.click()
    found = re.search(r"/invitations/[\w-]+", page.locator("pre").first.inner_text())
    assert found
    return found[0]


def _sessions(page: Page, at: str) -> Iterator[Stop]:
    page.goto(f"{at}/sessions")
    ending = path_of(page, "#live tbody a[href$=ending]")
    yield from addresses(
        at, {"sessions": "/sessions", "sessions-ending": ending, "sessions-others-ending": "/sessions/others/ending"}
    )
