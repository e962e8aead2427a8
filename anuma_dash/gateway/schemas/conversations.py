"""Chat history: conversations and the messages in them, each person's own."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.requests import Message
from anuma_dash.gateway.schemas.shapes import Count, Received, Sent

ConversationOwner = Literal["me", "account"]
"""Whose: the caller's own, or the account's, which service keys have made. Nobody can name another person."""


class Conversation(Received):
    """A conversation. It is kept for the period of chat history, counted from its last message, until `expires_at`.

    `title` is what its owner named it, else the beginning of the first message of the user.
    """

    id: UUID
    created_at: AwareDatetime
    updated_at: AwareDatetime
    title: str
    model: str
    app_id: UUID
    app_name: str
    messages: Count
    bytes: Count
    pinned: bool
    expires_at: AwareDatetime | None


class ConversationChange(Sent):
    """What is to change of a conversation; what is left out, or null, stays."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    pinned: bool | None = None


class ConversationMessage(Message):
    """One message on one branch of a conversation.

    Where the conversation branches, `branches` are the first messages of each way that goes on from the message
    before, this one among them; elsewhere it is empty.
    """

    id: UUID
    parent_id: UUID | None
    created_at: AwareDatetime
    model: str
    request_id: UUID | None
    branches: list[UUID] = Field(default=[])


class SnippetPart(Received):
    """A piece of the text that was found; `match` marks the words that were searched for."""

    text: str
    match: bool


class SearchHit(Received):
    """A conversation that was found, and where: in a message, or, without `message_id`, in its title."""

    conversation: Conversation
    message_id: UUID | None
    snippet: list[SnippetPart]


class ExportManifest(Received):
    """What an export held: the last line. `sha256` is of every byte before this line, in hexadecimal."""

    conversations: Count
    messages: Count
    sha256: str


class ExportLine(Received):
    """One line of an export (NDJSON), with one of the three: a conversation, then its messages, at last the manifest.

    An export without a manifest was cut short.
    """

    conversation: Conversation | None = None
    message: ConversationMessage | None = None
    manifest: ExportManifest | None = None
