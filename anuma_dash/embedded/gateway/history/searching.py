"""Searching an owner's conversations: by keyed hashes of stems first, then, for phrases and snippets, in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Row, func, intersect, select

from anuma_dash.gateway.schemas import SearchHit, SnippetPart

from ..content_tables import conversations, messages, search_terms
from ..encryption import Sealed, unseal
from .keeping import decode
from .keys import SearchKey, find_search_key
from .words import fold, stems_of_word, words_of

if TYPE_CHECKING:
    from ..internal.conversation_rows import Shelf

_QUOTED = re.compile(r'["“”„«»]([^"“”„«»]+)["“”„«»]')
_MOST_ASKED: Final = 12
_SNIPPET: Final = 160
_LOOKED_INTO: Final = 20
"""Messages of a conversation that are decrypted in search of a phrase."""
_WORD = re.compile(r"\w+")
_OTHER_SCRIPTS: Final = "\u0590"
"""From here on a stem may begin with another letter than its word, or a word be several."""


@dataclass(frozen=True)
class Query:
    """What is searched for: for each word the stems that it may be under, and the phrases that must stand there."""

    words: tuple[frozenset[str], ...]
    phrases: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Query:
        """From what a person typed."""
        found = list(dict.fromkeys(words_of(text)))[:_MOST_ASKED]
        phrases = tuple(phrase for one in _QUOTED.findall(text) if (phrase := fold(one)))
        return cls(tuple(frozenset(stems_of_word(word)) for word in found), phrases)


def search(shelf: Shelf, text: str, after: str | None, limit: int) -> tuple[list[SearchHit], str | None]:
    """A page of hits, and the cursor of the next one."""
    from ..internal.conversation_rows import cursor_of, newest_first

    query = Query.parse(text)
    key = find_search_key(shelf.gateway.vault, shelf.account, shelf.owner) if shelf.owner else None
    if key is None or not query.words:
        return [], None
    terms = [[key.term(stem) for stem in word] for word in query.words]
    column = search_terms.c
    found = intersect(*(select(column.conversation_id).where(column.term.in_(of_word)) for of_word in terms))
    matching = shelf.select(conversations.c.id.in_(found))
    hits: list[SearchHit] = []
    while True:
        rows = list(shelf.connection.execute(newest_first(matching, after, limit)))
        for number, row in enumerate(rows[:limit]):
            hit = _hit(shelf, key, query, row)
            hits += [hit] if hit else []
            if len(hits) == limit:
                more = number + 1 < len(rows)
                return hits, cursor_of(row) if more else None
        if len(rows) <= limit:
            return hits, None
        after = cursor_of(rows[limit - 1])


def _hit(shelf: Shelf, key: SearchKey, query: Query, row: Row[Any]) -> SearchHit | None:
    data_key = shelf.gateway.vault.data_key(shelf.account, row.id)
    if data_key is None:
        return None
    conversation = shelf.show(row, data_key)
    texts = _texts(shelf, key, query, row.id, data_key, conversation.title)
    best: tuple[UUID | None, str] | None = None
    missing = set(query.phrases)
    for message_id, text in texts:
        folded = fold(text)
        here = {phrase for phrase in missing if phrase in folded}
        if best is None or (here and len(missing) == len(query.phrases)):
            best = message_id, text
        missing -= here
        if not missing:
            break
    if best is None or missing:
        return None
    message_id, text = best
    return SearchHit(conversation=conversation, message_id=message_id, snippet=snippet(text, query))


def _texts(
    shelf: Shelf, key: SearchKey, query: Query, conversation_id: UUID, data_key: bytes, title: str
) -> Iterator[tuple[UUID | None, str]]:
    """The texts in which words were found, those with most of them first, then the newest."""
    column = search_terms.c
    every = [key.term(stem) for word in query.words for stem in word]
    places = (
        select(column.message_id)
        .where(column.conversation_id == conversation_id, column.term.in_(every))
        .group_by(column.message_id)
        .order_by(func.count().desc(), column.message_id.desc())
        .limit(_LOOKED_INTO)
    )
    for place in shelf.connection.scalars(places).all():
        if place == conversation_id:
            yield None, title
            continue
        row = shelf.connection.execute(select(messages).where(messages.c.id == place)).one_or_none()
        if row is not None:
            sealed = Sealed(row.nonce, row.ciphertext)
            where = {"table": messages.name, "row": row.id, "account": row.account_id}
            yield place, decode(unseal(data_key, sealed, **where)).text


def snippet(text: str, query: Query) -> list[SnippetPart]:
    """The part of a text around the first word that was searched for, with the words marked."""
    wanted = frozenset(stem for word in query.words for stem in word)
    marks = list(_matches(text, wanted))
    first = marks[0][0] if marks else 0
    begin = max(0, first - _SNIPPET // 3)
    if begin:
        begin = text.find(" ", begin, first) + 1 or begin
    end = min(len(text), begin + _SNIPPET)
    parts: list[SnippetPart] = [SnippetPart(text="…", match=False)] if begin else []
    at = begin
    for left, right in marks:
        if left < at or right > end:
            continue
        parts += [SnippetPart(text=text[at:left], match=False)] if left > at else []
        parts.append(SnippetPart(text=text[left:right], match=True))
        at = right
    if at < end:
        parts.append(SnippetPart(text=text[at:end], match=False))
    return [*parts, SnippetPart(text="…", match=False)] if end < len(text) else parts


def _matches(text: str, wanted: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Where the words stand, each different one stemmed once; as far as a snippet reaches behind the first of them."""
    known: dict[str, bool] = {}
    letters = {stem[:1] for stem in wanted}
    last: int | None = None
    for word in _WORD.finditer(text):
        if last is not None and word.start() > last:
            return
        piece = word.group()
        if piece not in known:
            likely = fold(piece)[:1] in letters or piece[:1] >= _OTHER_SCRIPTS
            known[piece] = likely and any(not stems_of_word(one).isdisjoint(wanted) for one in words_of(piece))
        if known[piece]:
            last = last or word.end() + _SNIPPET
            yield word.span()
