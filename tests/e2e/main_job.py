"""The main job, as one person does it in a browser; told once, for the test and for the pictures."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import openai
from playwright.sync_api import Page, expect

PROMPT_BEFORE = "What is the capital of Assyria?"
PROMPT_WHILE_ON = "Which color is the unladen swallow?"
PROMPT_AFTER = "What is your quest?"


def sign_in(page: Page, dashboard: str, name: str = "Olive Lindqvist") -> None:
    """Sign in through the sandbox, as one of its cast or as somebody new; at first sign-in, answer what is asked."""
    knock(page, dashboard, name)
    page.wait_for_url(re.compile(rf"^{re.escape(dashboard)}/"))
    if page.url.endswith("/welcome"):
        page.get_by_label("I am 13 or older").check()
        page.get_by_role("button", name="Create my account").click()
        page.wait_for_url(re.compile(rf"^{re.escape(dashboard)}/(staff)?$"))
    expect(page.get_by_role("button", name=f"Your menu, {name}")).to_be_visible()


def knock(page: Page, dashboard: str, name: str) -> None:
    """Go to the sandbox and say there who one is."""
    page.goto(f"{dashboard}/sign-in")
    page.get_by_role("button", name="Continue with Sandbox").click()
    page.get_by_role("textbox", name="Name").wait_for()
    known = page.get_by_role("button", name=name)
    if known.count():
        known.click()
    else:
        be_somebody_new(page, name)


def be_somebody_new(page: Page, name: str) -> None:
    """At the sandbox, be somebody whom it does not know."""
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("textbox", name="E-mail").fill(address_of(name))
    page.get_by_role("textbox", name="E-mail").press("Enter")


def address_of(name: str) -> str:
    """The e-mail address of somebody new."""
    return f"{name.split()[0].lower()}@elsewhere.example"


def make_key(page: Page, name: str = "ci") -> str:
    """Make a key and copy the snippet; returns the secret that the page shows."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="New key").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text(f"Key “{name}” is ready")).to_be_visible()
    secret = page.locator("#secret").inner_text()
    assert re.fullmatch(r"anuma_live_[0-9A-Za-z]{36}", secret)
    return secret


def copy_snippet(page: Page, language: str) -> str:
    """Choose a language and press Copy; returns what the clipboard holds then."""
    group = page.get_by_role("group", name="Language").first
    group.get_by_text(language, exact=True).click()
    group.get_by_role("button", name="Copy").locator("visible=true").click()
    expect(group.get_by_role("button", name="Copied")).to_be_visible()
    # Our pages may not read the clipboard (Permissions-Policy), so it is pasted elsewhere.
    elsewhere = page.context.new_page()
    elsewhere.set_content("<textarea></textarea>")
    elsewhere.locator("textarea").press("Control+V")
    pasted = elsewhere.locator("textarea").input_value()
    elsewhere.close()
    return pasted


def call(client: openai.OpenAI, prompt: str, *, stream: bool = False) -> str:
    """Ask the built-in model, at once or streamed; returns its answer."""
    messages: list[openai.types.chat.ChatCompletionUserMessageParam] = [{"role": "user", "content": prompt}]
    if not stream:
        answer = client.chat.completions.create(model="anuma/echo", messages=messages)
        return answer.choices[0].message.content or ""
    chunks = client.chat.completions.create(model="anuma/echo", messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def open_latest_request(page: Page) -> None:
    """Open the newest entry of the request log."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Request log").click()
    page.locator("#request-list tbody tr").first.get_by_role("link").first.click()


def switch_on(page: Page) -> None:
    """Read the disclosure and switch prompt logging on."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Data controls").click()
    page.get_by_role("switch", name="Prompt logging").click()
    expect(page.get_by_text("What is stored", exact=True)).to_be_visible()
    expect(page.get_by_text("operate, analyze and improve the service", exact=False)).to_be_visible()
    page.locator("#prompt-logging").get_by_role("checkbox").check()
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("switch", name="Prompt logging")).to_have_attribute("aria-checked", "true")


def switch_off(page: Page) -> None:
    """Switch prompt logging off."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Data controls").click()
    page.get_by_role("switch", name="Prompt logging").click()
    expect(page.get_by_role("switch", name="Prompt logging")).to_have_attribute("aria-checked", "false")


def delete_stored(page: Page) -> str:
    """Delete what is stored and wait until that is verified; returns the path of the deletion's page."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Data controls").click()
    page.get_by_role("link", name=re.compile("^(Also delete them|Delete stored content)$")).first.click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted, verified")).to_be_visible(timeout=30_000)
    return urlsplit(page.url).path
