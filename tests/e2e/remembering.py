"""What is a person's own, in a browser: switched on, memories added, a conversation had."""

from __future__ import annotations

import openai
from playwright.sync_api import Page, expect


def switch_own_on(page: Page, dashboard: str, control: str) -> None:
    """Read the text of one's own switch, and switch it on: "Your memories", "Your chat history"."""
    page.goto(f"{dashboard}/data-controls")
    page.get_by_role("switch", name=control).click()
    page.get_by_role("checkbox", name="I have read this").check()
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("switch", name=control)).to_have_attribute("aria-checked", "true")


def converse(client: openai.OpenAI, name: str, *questions: str) -> None:
    """Talk to the built-in model in a conversation of this name, sending everything said before each time."""
    said: list[openai.types.chat.ChatCompletionMessageParam] = []
    for question in questions:
        said.append({"role": "user", "content": question})
        answer = client.chat.completions.create(
            model="anuma/echo", messages=said, extra_headers={"X-Anuma-Conversation-Id": name}
        )
        said.append({"role": "assistant", "content": answer.choices[0].message.content})


def add(page: Page, dashboard: str, text: str) -> None:
    """Add a memory by its form."""
    page.goto(f"{dashboard}/memories/new")
    page.get_by_role("textbox", name="Memory").fill(text)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("The gateway keeps the memory.").wait_for()
