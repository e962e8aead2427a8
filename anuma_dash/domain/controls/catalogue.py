"""The controls that there are: names, words, what each of them stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anuma_dash.errors import NotFound
from anuma_dash.gateway import schemas


@dataclass(frozen=True)
class Control:
    """A data-storage switch: its name in the API, its path, its words.

    `subject` is what may still be stored while a change is under way ("prompts"), `item` one stored thing, `category`
    the inventory's name for them.
    """

    name: schemas.ControlName
    slug: str
    label: str
    description: str
    subject: str
    item: str
    category: str


CONTROLS: Mapping[str, Control] = {
    "prompt_logging": Control(
        name="prompt_logging",
        slug="prompt-logging",
        label="Prompt logging",
        description="Keeps the prompt and the response of each API request, so that you can read them in the request "
        "log.",
        subject="prompts",
        item="stored request",
        category="request_content",
    ),
}


def find_control(slug: str) -> Control:
    """The control with this path. Raises `NotFound`."""
    for control in CONTROLS.values():
        if control.slug == slug:
            return control
    raise NotFound("There is no such control.")
