"""Messages as the page of a conversation shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for
from markupsafe import Markup

from anuma_dash.features.history.markdown import to_html
from anuma_dash.gateway.schemas import Attachment, ConversationMessage, ToolCall

LONG_CHARACTERS = 50_000
SHOWN_CHARACTERS = 10_000
"""Of a longer message so much is shown at first."""
ROLES = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True)
class Branch:
    """Where a conversation goes on in several ways: which of them this is, and the links to its neighbors."""

    number: int
    count: int
    before_url: str | None
    after_url: str | None


@dataclass(frozen=True)
class Shown:
    """One message: its text as HTML, or plain where it is long; `whole_url` shows the rest."""

    message: ConversationMessage
    role: str
    html: Markup | None
    text: str
    whole_url: str | None
    branch: Branch | None

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools that it asked for."""
        return self.message.tool_calls

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What came with it; never the thing itself."""
        return self.message.attachments


def show_messages(messages: Sequence[ConversationMessage], here: Mapping[str, Any], whole: UUID | None) -> list[Shown]:
    """Messages for the page with the arguments `here`; `whole` is shown to its end, however long it is."""
    return [_show(message, here, whole) for message in messages]


def _show(message: ConversationMessage, here: Mapping[str, Any], whole: UUID | None) -> Shown:
    text = message.text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    long = len(text) > LONG_CHARACTERS
    cut = long and message.id != whole
    written = message.role in ("user", "assistant") and not long
    return Shown(
        message=message,
        role=ROLES.get(message.role, message.role),
        html=to_html(text) if written else None,
        text=text[:SHOWN_CHARACTERS] if cut else text,
        whole_url=url_for("history.show", **here, whole=message.id, _anchor=f"m-{message.id}") if cut else None,
        branch=_branch(message, here),
    )


def _branch(message: ConversationMessage, here: Mapping[str, Any]) -> Branch | None:
    if len(message.branches) < 2 or message.id not in message.branches:
        return None
    place = message.branches.index(message.id)

    def url(index: int) -> str | None:
        if not 0 <= index < len(message.branches):
            return None
        leaf = message.branches[index]
        return url_for("history.show", conversation_id=here["conversation_id"], leaf=leaf, _anchor=f"m-{leaf}")

    return Branch(place + 1, len(message.branches), url(place - 1), url(place + 1))
