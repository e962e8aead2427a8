"""The pages of somebody who works alone: signing in, keys, requests, data controls, deletions, activity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import openai
import psutil
from playwright.sync_api import Page, expect

from tests.e2e import main_job, remembering
from tests.e2e.stops import Leg, Stop, addresses, here, path_of
from tests.processes import Stack

NEWCOMER = "Robin Abara"
ROUTES = """
    / /sign-in /signed-out /waiting /under-13 /welcome
    /sign-in/reauthentication /sign-in/reauthentication/code /sign-in/reauthentication/passkey
    /sign-in-methods /sign-in-methods/passkeys/new /sign-in-methods/passkeys/ceremony
    /sign-in-methods/passkeys/<uuid:passkey_id>/removal
    /keys /keys/new /keys/<uuid:key_id> /keys/<uuid:key_id>/revocation
    /requests /requests/<uuid:request_id> /requests/<uuid:request_id>/content
    /requests/<uuid:request_id>/trace /requests/<uuid:request_id>/evaluations
    /apps /apps/new /apps/<uuid:app_id>/edit /apps/<uuid:app_id>/retirement
    /history /history/<uuid:conversation_id> /history/deletion
    /memories /memories/new /memories/<uuid:memory_id>/edit /memories/<uuid:memory_id>/deletion /memories/deletion
    /memories/export
    /data-controls /data-controls/<slug> /data-controls/<slug>/edit /data-controls/tests/<uuid:test_id>
    /data-controls/<slug>/period /data-controls/<slug>/people /data-controls/<slug>/text /data-controls/rules
    /deletions /deletions/new /deletions/<uuid:deletion_id>
    /activity /activity/verification /activity/exports /activity/exports/new /activity/exports/<uuid:export_id>
"""


def _walk(page: Page, product: Stack, person: str) -> Iterator[Stop]:
    """Let somebody use everything once, and stop wherever there is something to look at."""
    at = product.dashboard
    yield from _before_sign_in(page, product)
    main_job.sign_in(page, at, person)
    yield from addresses(
        at,
        {
            "overview-first-day": "/",
            "keys-empty": "/keys",
            "requests-empty": "/requests",
            "deletions-empty": "/deletions",
            "activity-first": "/activity",
            "activity-exports-first": "/activity/exports",
        },
    )
    yield from _sign_in_methods(page, product)
    secret = main_job.make_key(page, "web")
    yield here("key-created")
    old = main_job.make_key(page, "old laptop")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        for number in range(3):
            main_job.call(client, f"A question before, number {number}", stream=number == 1)
        main_job.switch_on(page)
        main_job.call(client, "A question to be deleted")
        deletion = main_job.delete_stored(page)
        for number in range(4):
            main_job.call(client, f"A stored question, number {number}")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=old, max_retries=0) as client:
        main_job.call(client, "Hello from the old laptop")
    yield from addresses(at, {"deletion": deletion, **_after_a_day(page, at)})
    yield Stop("menu", lambda shown: _open_menu(shown, at), by_width=True)
    yield from addresses(at, {"not-found": "/no-such-page"})
    yield from _off_with_something_stored(page, at)
    yield from _without_the_gateway(page, product)
    yield from _history(page, product, secret)
    yield from _memories(page, product)


def _before_sign_in(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    yield from addresses(at, {"sign-in": "/sign-in", "waiting": "/waiting", "under-13": "/under-13"})
    yield from addresses(at, {"signed-out": "/signed-out?provider=sandbox"})
    page.goto(f"{at}/sign-in")
    page.get_by_role("button", name="Continue with Sandbox").click()
    page.wait_for_url(f"{product.sandbox}/**")
    yield here("sandbox")
    main_job.be_somebody_new(page, NEWCOMER)
    page.wait_for_url(f"{at}/welcome")
    yield here("welcome")


def _after_a_day(page: Page, at: str) -> dict[str, str]:
    pages = {
        "overview": "/",
        "keys": "/keys",
        "keys-new": "/keys/new",
        "requests": "/requests",
        "activity": "/activity",
    }
    page.goto(f"{at}/keys")
    pages["key"] = path_of(page, "#key-list tbody tr:first-child th a")
    pages["key-revocation"] = pages["key"] + "/revocation"
    page.goto(f"{at}/requests")
    pages["request"] = path_of(page, "#request-list tbody tr:first-child th a")
    for part in ("content", "trace", "evaluations"):
        pages[f"request-{part}"] = f"{pages['request']}/{part}"
    page.goto(f"{at}/apps/new")
    page.get_by_label("Name").fill("Production")
    page.get_by_role("button", name="Make the app").click()
    page.get_by_text("The app Production was made.").wait_for()
    pages["app-retirement"] = path_of(page, "#app-list tbody tr:first-child a.danger")
    pages["app-edit"] = pages["app-retirement"].replace("/retirement", "/edit")
    page.goto(f"{at}/data-controls")
    page.get_by_role("button", name="Test it now").click()
    page.get_by_role("heading", level=1, name="Test of prompt logging").wait_for()
    pages["control-test"] = urlsplit(page.url).path
    page.goto(f"{at}/activity/verification")
    page.get_by_role("button", name="Check the chain now").click()
    page.get_by_text("Verified to entry").wait_for()
    page.goto(f"{at}/activity/exports/new")
    page.get_by_role("button", name="Make the export").click()
    page.get_by_role("button", name="Download").wait_for()
    pages["activity-export"] = urlsplit(page.url).path
    page.goto(f"{at}/data-controls")
    pages["deletion-new"] = path_of(page, "#stored header a")
    return pages | {
        "apps": "/apps",
        "app-new": "/apps/new",
        "history-off": "/history",
        "history-deletion": "/history/deletion",
        "memories-off": "/memories",
        "memories-deletion-of-all": "/memories/deletion",
        "memories-export": "/memories/export",
        "data-controls": "/data-controls",
        "data-control": "/data-controls/prompt-logging",
        "disclosure": "/data-controls/prompt-logging/edit",
        "data-control-period": "/data-controls/prompt-logging/period",
        "data-control-shorter": "/data-controls/prompt-logging/period?days=1",
        "data-control-people": "/data-controls/chat-history/people",
        "data-control-text": "/data-controls/prompt-logging/text",
        "data-controls-rules": "/data-controls/rules",
        "deletions": "/deletions",
        "activity-verification": "/activity/verification",
        "activity-filtered": "/activity?what=control",
        "activity-days-wrong": "/activity?from=2026-11-23&to=2026-11-22",
        "activity-exports": "/activity/exports",
        "activity-export-new": "/activity/exports/new",
    }


def _open_menu(page: Page, at: str) -> None:
    page.goto(at)
    narrow = (page.viewport_size or {"width": 0})["width"] < 800
    page.get_by_role("button", name=re.compile("^Menu$" if narrow else "Your menu")).click()


def _sign_in_methods(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    yield from addresses(at, {"sign-in-methods-first": "/sign-in-methods"})
    yield from addresses(at, {"passkey-new": "/sign-in-methods/passkeys/new"})
    with a_passkey_device(page):
        page.goto(f"{at}/sign-in-methods/passkeys/new")
        page.get_by_label("Name").fill("Laptop")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("The passkey “Laptop” is added.")).to_be_visible(timeout=60_000)
    # No device answers any more: what the browser is asked for stays as it is.
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Phone")
    page.get_by_role("button", name="Continue").click()
    yield from addresses(
        at,
        {
            "passkey-ceremony": "/sign-in-methods/passkeys/ceremony",
            "sign-in-methods": "/sign-in-methods",
            "reauthentication-passkey": "/sign-in/reauthentication",
            "reauthentication-code": "/sign-in/reauthentication/code",
        },
    )
    page.goto(f"{at}/sign-in/reauthentication")
    page.get_by_role("button", name="passkey").click()
    yield from addresses(at, {"reauthentication-ceremony": "/sign-in/reauthentication/passkey"})
    page.goto(f"{at}/sign-in-methods")
    yield from addresses(at, {"passkey-removal": path_of(page, "#passkeys tbody a")})
    yield Stop("mailbox", lambda shown: shown.goto(f"{product.sandbox}/mailbox"))
    page.goto(at)


@contextmanager
def a_passkey_device(page: Page) -> Iterator[None]:
    """Connect an authenticator that answers at once, as if somebody touched it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield
    session.send("WebAuthn.disable")
    session.detach()


def _off_with_something_stored(page: Page, at: str) -> Iterator[Stop]:
    page.goto(at)
    main_job.switch_off(page)
    expect(page.get_by_text("still here")).to_be_visible()
    yield from addresses(at, {"data-controls-off": "/data-controls"})


def _without_the_gateway(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    with gateway_paused(product):
        page.goto(f"{at}/data-controls")
        yield from addresses(at, {"data-controls-no-gateway": "/data-controls"})
        page.goto(f"{at}/data-controls/prompt-logging/edit")
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("Turning on, not confirmed yet")).to_be_visible(timeout=60_000)
        yield from addresses(
            at,
            {
                "data-controls-pending": "/data-controls",
                "overview-no-gateway": "/",
                "keys-no-gateway": "/keys",
                "requests-no-gateway": "/requests",
            },
        )
    page.goto(f"{at}/data-controls")
    switch = page.get_by_role("switch", name="Prompt logging")
    expect(switch).to_have_attribute("aria-checked", "true", timeout=60_000)
    expect(switch).not_to_have_attribute("aria-busy", "true", timeout=60_000)
    main_job.switch_off(page)


_MARKDOWN = """Compare these:

| city | river |
|---|---|
| Lisbon | Tagus |

```python
def answer():
    return "forty-two"  # always
```

<img src=x onerror=alert(1)> **Thanks**"""


def _history(page: Page, product: Stack, secret: str) -> Iterator[Stop]:
    at = product.dashboard
    remembering.switch_own_on(page, at, "Your chat history")
    yield from addresses(at, {"history-empty": "/history"})
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        remembering.converse(client, "cities", _MARKDOWN, "And the next one?")
        remembering.converse(client, "lemons", "How do lemons grow?")
    page.goto(f"{at}/history")
    conversation = path_of(page, "#conversation-list tbody tr:last-child th a")
    pages = {"history": "/history", "conversation": conversation, "history-search": "/history?q=lemon"}
    yield from addresses(at, pages | {"history-deletion-of-all": "/history/deletion?all=yes"})


def _memories(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    remembering.switch_own_on(page, at, "Your memories")
    remembering.add(page, at, "I write Python, and answer in short sentences.")
    pages = {"memory-deletion": path_of(page, "#memory-list tbody tr:first-child a.danger")}
    pages["memory-edit"] = pages["memory-deletion"].replace("/deletion", "/edit")
    yield from addresses(at, {"memories": "/memories", "memory-new": "/memories/new", **pages})


@contextmanager
def gateway_paused(product: Stack) -> Iterator[None]:
    """Let the gateway of everything hang meanwhile."""
    everything = psutil.Process(product.processes["everything-0"].popen.pid)
    gateways = [one for one in everything.children(recursive=True) if "anuma_dash.embedded.gateway" in one.cmdline()]
    assert gateways
    for one in gateways:
        one.suspend()
    try:
        yield
    finally:
        for one in gateways:
            one.resume()


WORK = Leg("work", _walk, frozenset(ROUTES.split()), elsewhere=frozenset({"not-found", "sandbox", "mailbox"}))
