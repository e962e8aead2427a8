"""The controls that there are: names, words, what each of them stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anuma_dash.errors import NotFound
from anuma_dash.gateway import schemas


@dataclass(frozen=True)
class Control:
    """A data-storage switch: its name in the API, its path, its words.

    `subject` is what may still be stored while a change is under way ("prompts"), `item` and `items` one and more of
    them stored, `category` the inventory's name for them. Of a `personal` one, each member has a switch of their own,
    described in `own`; the account's switch is then for what service keys send.
    """

    name: schemas.ControlName
    slug: str
    label: str
    description: str
    subject: str
    item: str
    items: str
    category: str
    personal: bool = False
    own: str = ""


_ALL = (
    Control(
        name="prompt_logging",
        slug="prompt-logging",
        label="Prompt logging",
        description="Keeps the prompt and the response of each API request, so that you can read them in the request "
        "log.",
        subject="prompts",
        item="stored request",
        items="stored requests",
        category="request_content",
    ),
    Control(
        name="chat_history",
        slug="chat-history",
        label="Chat history",
        description="Keeps the conversations that service keys send, for the account. Each member decides about their "
        "own.",
        subject="conversations",
        item="conversation",
        items="conversations",
        category="conversations",
        personal=True,
        own="Keeps the conversations that your own keys send, so that you can read, search and export them. Nobody "
        "else of the account sees them.",
    ),
    Control(
        name="traces",
        slug="traces",
        label="Traces",
        description="Keeps the steps of each request with their content: attempts, tool calls and their results.",
        subject="traces",
        item="trace",
        items="traces",
        category="traces",
    ),
    Control(
        name="evaluations",
        slug="evaluations",
        label="Evaluations",
        description="Keeps the scores and comments that people and programs attach to a request.",
        subject="evaluations",
        item="evaluation",
        items="evaluations",
        category="evaluations",
    ),
    Control(
        name="memories",
        slug="memories",
        label="Memories",
        description="Keeps facts that apps with service keys may remember across conversations. Each member decides "
        "about their own.",
        subject="memories",
        item="memory",
        items="memories",
        category="memories",
        personal=True,
        own="Keeps facts that apps may remember about you across conversations. Nobody else of the account sees them.",
    ),
)
CONTROLS: Mapping[str, Control] = {control.name: control for control in _ALL}
PERSONAL = tuple(control for control in _ALL if control.personal)


def find_control(slug: str) -> Control:
    """The control with this path. Raises `NotFound`."""
    for control in CONTROLS.values():
        if control.slug == slug:
            return control
    raise NotFound("There is no such control.")
