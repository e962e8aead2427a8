"""Keeping chat history: what a request adds to its conversation, in the request's own transaction.

A message is known by the hash of itself and of all before it, under the conversation's key. What a client sends again
is found again; an earlier message that was changed, or an answer asked for once more, begins a branch.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Dialect, bindparam, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anuma_dash.gateway.schemas import ControlName, Message

from ..content_tables import conversations, messages, search_terms
from ..contents import Vault
from ..encryption import seal
from ..identifiers import uuid7
from ..policy import parse_state, retention_cutoff
from ..statements import Cursor, Statement
from ..tables import controls
from .keys import SearchKey, search_key
from .words import stems_of_text

if TYPE_CHECKING:
    from ..metering import Record
    from ..sums import Sums

TITLE_CHARACTERS: Final = 80
_INSTRUCTIONS: Final = ("system", "developer")
_ONE = (
    conversations.c.account_id == bindparam("account"),
    conversations.c.owner == bindparam("whose"),
    conversations.c.reference == bindparam("named"),
)
_FIND = Statement(
    select(conversations.c.id, conversations.c.updated_at, conversations.c.created_at, conversations.c.providers)
    .where(*_ONE)
    .with_for_update()
)
_STATE = Statement(select(controls.c.state).where(controls.c.account_id == bindparam("account")))
_LET_GO = Statement(
    update(conversations).where(conversations.c.id == bindparam("it")).values(reference=bindparam("nothing"))
)
_GROWN = Statement(
    update(conversations)
    .where(conversations.c.id == bindparam("it"))
    .values(
        updated_at=bindparam("now"),
        model=bindparam("latest"),
        providers=bindparam("all_providers"),
        messages=conversations.c.messages + bindparam("more"),
        bytes=conversations.c.bytes + bindparam("size"),
    )
)
_KNOWN = Statement(
    select(messages.c.id).where(messages.c.conversation_id == bindparam("it"), messages.c.digest == bindparam("wanted"))
)
_NEWEST = Statement(
    select(messages.c.id, messages.c.digest)
    .where(messages.c.conversation_id == bindparam("it"))
    .order_by(messages.c.id.desc())
    .limit(literal_column("1"))
    .offset(literal_column("0"))  # SQLite's LIMIT brings a parameter for it otherwise
)
_NEW_MESSAGE = Statement(insert(messages))
_NEW_TERM = Statement(insert(search_terms))


@dataclass(frozen=True)
class Prepared:
    """A conversation's name as a hash, and an identifier and a key for it if it is a new one."""

    search: SearchKey
    reference: bytes
    id: UUID
    key: bytes


@dataclass(frozen=True)
class _Node:
    """A message's place: its row and the hash of all up to it."""

    id: UUID | None
    digest: bytes


_ROOT: Final = _Node(None, b"")


class HistoryKeeper:
    """Stores messages of requests that name a conversation."""

    control: ControlName = "chat_history"
    category = "conversations"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def nothing(self, record: Record) -> str:
        """Why a request adds nothing."""
        if record.endpoint == "embeddings":
            return "not_applicable"
        if record.conversation is None:
            return "no_conversation"
        return "failed" if record.outcome == "failed" else "no_content"

    def prepare(self, records: Sequence[Record], now: datetime) -> Mapping[UUID, Prepared]:
        """Make a data key for each conversation that may be a new one."""
        wanted = [r for r in records if r.conversation is not None and r.content is not None and r.content.prompt]
        if not wanted:
            return {}
        made = {record.id: uuid7(now) for record in wanted}
        keys = self._vault.make_keys(self.category, [(r.account, made[r.id]) for r in wanted], now)
        searches = {place: search_key(self._vault, *place, now) for place in {(r.account, r.owner) for r in wanted}}
        found = {}
        for record in wanted:
            search = searches[record.account, record.owner]
            name = record.conversation or ""
            found[record.id] = Prepared(search, search.reference(name), made[record.id], keys[made[record.id]])
        return found

    def discard(self, prepared: Sequence[Prepared]) -> None:
        """Destroy keys that no conversation uses."""
        self._vault.destroy_keys([one.id for one in prepared], durable=False)

    def write(
        self, cursor: Cursor, dialect: Dialect, record: Record, prepared: Prepared, sums: Sums
    ) -> Mapping[str, Any]:
        """Add what is new of the request to its conversation, which is made if there is none."""
        return {"conversation_id": _Writing(self._vault, cursor, dialect, record, prepared, sums).run()}


class _Writing:
    """One request's part of its conversation."""

    def __init__(
        self, vault: Vault, cursor: Cursor, dialect: Dialect, record: Record, prepared: Prepared, sums: Sums
    ) -> None:
        assert record.content is not None
        self._vault, self._cursor, self._dialect = vault, cursor, dialect
        self._record, self._prepared, self._sums = record, prepared, sums
        self._content = record.content
        self._id, self._key = prepared.id, prepared.key
        self._rows: list[dict[str, Any]] = []
        self._terms: list[dict[str, Any]] = []

    def run(self) -> UUID:
        """The conversation's identifier."""
        record = self._record
        created_at, providers, is_new = self._conversation()
        last = self._place()
        answers = self._content.response
        if record.endpoint == "responses":  # its items come one behind the other
            for message in answers:
                last = self._add(message, last)
        else:  # its choices are alternatives
            for message in answers:
                self._add(message, last)
        size = sum(row["bytes"] for row in self._rows)
        grown = {"it": self._id, "now": record.arrived_at, "latest": record.model, "more": len(self._rows)}
        grown |= {"size": size, "all_providers": json.dumps(sorted({*providers, record.provider}))}
        _GROWN.run(self._cursor, self._dialect, grown)
        _NEW_MESSAGE.run_many(self._cursor, self._dialect, self._rows)
        _NEW_TERM.run_many(self._cursor, self._dialect, self._terms)
        place = (record.account, HistoryKeeper.category, record.owner, created_at.date())
        self._sums.add(place, entries=int(is_new), bytes=size)
        return self._id

    def _conversation(self) -> tuple[datetime, list[str], bool]:
        """The conversation of this name, locked: that which is there and can be read, else a new one."""
        where = {"account": self._record.account, "whose": self._record.owner, "named": self._prepared.reference}
        found = self._present(where)
        if found is not None:
            return found
        _new_conversation(self._dialect.name).run(self._cursor, self._dialect, self._new_row())
        ((found_id, _, created_at, _),) = _FIND.rows(self._cursor, self._dialect, where)
        if found_id == self._id:
            self._index(self._title(), self._id)
            return created_at, [], True
        found = self._present(where)  # somebody else has made it in this moment
        assert found is not None
        return found

    def _present(self, where: Mapping[str, Any]) -> tuple[datetime, list[str], bool] | None:
        rows = _FIND.rows(self._cursor, self._dialect, where)
        if not rows:
            return None
        ((found_id, updated_at, created_at, providers),) = rows
        key = self._vault.data_key(self._record.account, found_id)
        if key is None or self._is_past(updated_at):
            # It is deleted or past its period, and its rows are still there: what comes now is another conversation.
            _LET_GO.run(self._cursor, self._dialect, {"it": found_id, "nothing": secrets.token_bytes(32)})
            return None
        self._vault.destroy_keys([self._prepared.id], durable=False)
        self._id, self._key = found_id, key
        return created_at, json.loads(providers), False

    def _is_past(self, updated_at: datetime) -> bool:
        record = self._record
        ((state,),) = _STATE.rows(self._cursor, self._dialect, {"account": record.account})
        cutoff = retention_cutoff(parse_state(state), record.arrived_at, "chat_history", record.created_by)
        return cutoff is not None and updated_at <= cutoff

    def _new_row(self) -> dict[str, Any]:
        record, title = self._record, self._title()
        sealed = seal(self._key, title.encode(), table=conversations.name, row=self._id, account=record.account)
        return {
            "id": self._id,
            "account_id": record.account,
            "owner": record.owner,
            "reference": self._prepared.reference,
            "created_at": record.arrived_at,
            "updated_at": record.arrived_at,
            "app_id": record.subject.app_id,
            "model": record.model,
            "providers": "[]",
            "messages": 0,
            "bytes": 0,
            "pinned": False,
            "nonce": sealed.nonce,
            "ciphertext": sealed.ciphertext,
        }

    def _title(self) -> str:
        texts = [message.text for message in self._content.prompt if message.role == "user"]
        return beginning(next((text for text in texts if text.strip()), ""))

    def _place(self) -> _Node:
        """Where the prompt ends, after what is new of it was added."""
        prompt, at = self._content.prompt, _ROOT
        if self._record.endpoint == "responses" and all(message.role != "assistant" for message in prompt):
            newest = _NEWEST.rows(self._cursor, self._dialect, {"it": self._id})
            if newest:  # nothing of what was said before: it goes on from there
                at = _Node(*newest[0])
                prompt = tuple(message for message in prompt if message.role not in _INSTRUCTIONS)
        digests = [at.digest]
        for message in prompt:
            digests.append(_digest(self._key, digests[-1], message))
        known = self._longest_known(digests[1:])
        if known is not None:
            number, at = known
            prompt = prompt[number + 1 :]
        for message in prompt:
            at = self._add(message, at)
        return at

    def _longest_known(self, digests: Sequence[bytes]) -> tuple[int, _Node] | None:
        """The last message that is there already: whatever is before it is there too, so it is halved for."""
        found, low, high = None, 0, len(digests)
        while low < high:
            middle = (low + high) // 2
            row = self._row_of(digests[middle])
            if row is None:
                high = middle
            else:
                found, low = (middle, _Node(row, digests[middle])), middle + 1
        return found

    def _row_of(self, digest: bytes) -> UUID | None:
        rows = _KNOWN.rows(self._cursor, self._dialect, {"it": self._id, "wanted": digest})
        row: UUID | None = rows[0][0] if rows else None
        return row

    def _add(self, message: Message, after: _Node) -> _Node:
        record, digest = self._record, _digest(self._key, after.digest, message)
        here = next((row["id"] for row in self._rows if row["digest"] == digest), None) or self._row_of(digest)
        if here is not None:
            return _Node(here, digest)
        place = uuid7(record.arrived_at + timedelta(microseconds=len(self._rows)))
        plain = encode(message)
        sealed = seal(self._key, plain, table=messages.name, row=place, account=record.account)
        self._rows.append(
            {
                "id": place,
                "account_id": record.account,
                "conversation_id": self._id,
                "parent_id": after.id,
                "digest": digest,
                "request_id": record.id,
                "created_at": record.arrived_at,
                "model": record.model,
                "bytes": len(plain),
                "nonce": sealed.nonce,
                "ciphertext": sealed.ciphertext,
            }
        )
        self._index(message.text, place)
        return _Node(place, digest)

    def _index(self, text: str, place: UUID) -> None:
        hashes = {self._prepared.search.term(stem) for stem in stems_of_text(text)}
        self._terms += [{"term": one, "conversation_id": self._id, "message_id": place} for one in hashes]


def encode(message: Message) -> bytes:
    """A message as bytes, to be sealed."""
    return message.model_dump_json(exclude_defaults=True).encode()


def decode(data: bytes) -> Message:
    """From `encode`'s bytes."""
    return Message.model_validate_json(data)


def beginning(text: str) -> str:
    """The beginning of a text on one line, in whole words if they are not too long."""
    line = " ".join(text.split())
    if len(line) <= TITLE_CHARACTERS:
        return line
    cut = line[: TITLE_CHARACTERS - 1]
    whole = cut.rpartition(" ")[0]
    return (whole if len(whole) > TITLE_CHARACTERS // 2 else cut) + "…"


def _digest(key: bytes, before: bytes, message: Message) -> bytes:
    return hmac.new(key, before + b"\0" + encode(message), hashlib.sha256).digest()


@lru_cache
def _new_conversation(dialect: str) -> Statement:
    made: Any = (postgresql if dialect == "postgresql" else sqlite).insert(conversations)
    columns = conversations.c
    names = [column.name for column in conversations.columns]
    where = [columns.account_id, columns.owner, columns.reference]
    return Statement(made.on_conflict_do_nothing(index_elements=where), names)
