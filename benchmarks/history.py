"""Chat history among many messages and among few: its list, its search, and destroying a conversation's key.

Each owner has as many messages in both: what differs is how many other people's rows lie beside theirs.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, insert, text

from anuma_dash.embedded.gateway.accounts import add_account
from anuma_dash.embedded.gateway.content_tables import conversations, messages, search_terms
from anuma_dash.embedded.gateway.core import Gateway
from anuma_dash.embedded.gateway.encryption import seal
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.history.erasing import erase_conversations
from anuma_dash.embedded.gateway.history.keeping import encode
from anuma_dash.embedded.gateway.history.keys import search_key
from anuma_dash.embedded.gateway.identifiers import utc_now, uuid7
from anuma_dash.embedded.gateway.internal.callers import Caller, Token
from anuma_dash.embedded.gateway.internal.conversations import list_conversations, search_conversations
from anuma_dash.embedded.gateway.migrations import migrate
from anuma_dash.gateway.schemas import Message
from benchmarks.figures import Effort, Figure, interleaved, ratios
from benchmarks.lab import Lab
from tests.databases import postgres_missing
from tests.gateway.conftest import postgres_databases

_PAGE = 50
_PER_CONVERSATION = 10
_ENGINES = {"SQLite": 10.0, "PostgreSQL": 3.0}
"""What a search may take at most in the large one."""


class _Library:
    """A gateway with the histories of many people, and one of them, who is asked for."""

    def __init__(self, gateway: Gateway, count: int, each: int) -> None:
        self.gateway = gateway
        self.account, self.person = _fill(gateway, count, each)
        token = Token(
            str(self.person), str(self.account), "bench-jti", utc_now(), has_act=False, staff=None, scopes=frozenset()
        )
        self.caller = Caller(self.account, token, gateway)

    def first_page(self) -> object:
        return list_conversations(self.caller, limit=_PAGE)

    def deep_page(self) -> object:
        page = list_conversations(self.caller, limit=_PAGE)
        return list_conversations(self.caller, after=page.next, limit=_PAGE)

    def search(self, words: str) -> object:
        found = search_conversations(self.caller, words, limit=_PAGE)
        assert found.data
        return found


def measure(effort: Effort, _lab: Lab) -> list[Figure]:
    """On SQLite, and on PostgreSQL where it can be reached."""
    figures = []
    for engine, bound in _ENGINES.items():
        missing = postgres_missing() if engine == "PostgreSQL" else None
        if missing:
            figures.append(Figure(f"history, {engine}", 1.5, [], next_step=missing))
            continue
        with _two(engine, effort) as (many, few):
            figures += _compare(many, few, effort, engine, bound)
            figures.append(_destroying(few, effort, engine))
    return figures


def _compare(many: _Library, few: _Library, effort: Effort, engine: str, bound: float) -> list[Figure]:
    sizes = f"at {effort.many_rows:,} ÷ {effort.few_rows:,} messages, {engine}"
    cases: dict[str, tuple[float, Callable[[_Library], object]]] = {
        "history's first page": (1.5, _Library.first_page),
        "history's second page": (1.5, _Library.deep_page),
        "search for a common word": (bound, lambda library: library.search("everyday")),
        "search for a rare word": (bound, lambda library: library.search("aubergine")),
        "search for a phrase": (bound, lambda library: library.search('"everyday aubergine"')),
    }
    figures = []
    for name, (limit, act) in cases.items():
        arms = {"many": _timed(many, act, effort), "few": _timed(few, act, effort)}
        took = interleaved(arms, effort.rounds)
        next_step = "Next: an index that begins with the owner, so that a page reads nobody else's rows."
        figures.append(Figure(f"{name} {sizes}", limit, ratios(took["many"], took["few"]), next_step=next_step))
    return figures


def _timed(library: _Library, act: Callable[[_Library], object], effort: Effort) -> Callable[[], float]:
    def run() -> float:
        act(library)
        times = []
        for _ in range(max(1, effort.calls // 40)):
            began = time.perf_counter()
            act(library)
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    return run


def _destroying(library: _Library, effort: Effort, engine: str) -> Figure:
    """A conversation's key against its rows: once the key is gone nobody can read them, whenever they go."""
    found = []
    for _ in range(effort.rounds):
        now = utc_now()
        with library.gateway.stores.main.write() as connection:
            app = connection.execute(text("SELECT id FROM apps")).scalars().first()
        one = uuid7(now)
        key = library.gateway.vault.make_keys("conversations", [(library.account, one)], now)[one]
        with library.gateway.stores.main.write() as connection:
            _add(connection, library.account, library.person, UUID(str(app)), one, key, now, effort.few_rows, {})
        began = time.perf_counter()
        library.gateway.vault.destroy_keys([one])
        destroyed = time.perf_counter() - began
        began = time.perf_counter()
        gone = 0
        while not gone:
            with library.gateway.stores.main.write(durable=True) as connection:
                gone = erase_conversations(connection, [one], library.gateway.settings.deletion_batch)
        found.append(destroyed / (time.perf_counter() - began))
    name = f"destroying a data key ÷ deleting its {effort.few_rows:,} rows, {engine}"
    return Figure(name, 0.01, found, next_step="Next: the wait for the disk is most of it; nothing else is done there.")


@contextmanager
def _two(engine: str, effort: Effort) -> Iterator[tuple[_Library, _Library]]:
    each = effort.few_rows
    with tempfile.TemporaryDirectory() as folder, _databases(engine) as urls:
        gateways = []
        for name, databases in zip(("many", "few"), urls, strict=True):
            place = Path(folder) / name
            place.mkdir()
            settings = load_settings({"ANUMA_INSTANCE": str(place), "ANUMA_GATEWAY_LOG_TO_STDERR": "no", **databases})
            migrate(settings)
            gateways.append(Gateway(settings, utc_now))
        many, few = gateways
        try:
            yield _Library(many, effort.many_rows, each), _Library(few, effort.few_rows, each)
        finally:
            for gateway in gateways:
                gateway.stores.close()
                gateway.log.close()


@contextmanager
def _databases(engine: str) -> Iterator[list[dict[str, str]]]:
    if engine == "SQLite":
        yield [{}, {}]
        return
    with postgres_databases(4) as names:
        yield [
            {"ANUMA_GATEWAY_DATABASE_URL": main, "ANUMA_GATEWAY_KEYS_DATABASE_URL": keys}
            for main, keys in (names[:2], names[2:])
        ]


def _fill(gateway: Gateway, count: int, each: int) -> tuple[UUID, UUID]:
    """So many messages, of people who have `each` of them; the last one is asked for."""
    now = utc_now()
    account, person = uuid7(now), uuid7(now)
    with gateway.stores.main.write() as connection:
        app = add_account(connection, account, now, name="Northwind", status="active", updated_at=now)
    for _ in range(max(1, count // each)):
        person = uuid7(now)
        search = search_key(gateway.vault, account, person, now)
        terms = {"everyday": search.term("everyday"), "aubergine": search.term("aubergine")}
        made = [uuid7(now - timedelta(minutes=one)) for one in range(max(1, each // _PER_CONVERSATION))]
        keys = gateway.vault.make_keys("conversations", [(account, one) for one in made], now)
        with gateway.stores.main.write() as connection:
            for place, one in enumerate(made):
                chosen = terms if place % 100 == 0 else {"everyday": terms["everyday"]}
                at = now - timedelta(minutes=place)
                _add(connection, account, person, app, one, keys[one], at, min(each, _PER_CONVERSATION), chosen)
    with gateway.stores.main.engine().connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    return account, person


def _add(
    connection: Connection,
    account: UUID,
    person: UUID,
    app: UUID,
    one: UUID,
    key: bytes,
    at: datetime,
    count: int,
    terms: dict[str, bytes],
) -> None:
    words = encode(Message(role="user", text=f"an {' '.join(terms)} of every day"))
    title = seal(key, b"A conversation", table=conversations.name, row=one, account=account)
    row = {"id": one, "account_id": account, "owner": person, "reference": secrets.token_bytes(32), "created_at": at}
    row |= {"updated_at": at, "app_id": app, "model": "m", "providers": "[]", "messages": count, "bytes": 1}
    row |= {"pinned": False, "nonce": title.nonce, "ciphertext": title.ciphertext}
    rows, found, parent = [], [], None
    for number in range(count):
        place = uuid7(at + timedelta(microseconds=number))
        sealed = seal(key, words, table=messages.name, row=place, account=account)
        rows.append(
            {"id": place, "account_id": account, "conversation_id": one, "parent_id": parent, "created_at": at}
            | {"digest": secrets.token_bytes(32), "request_id": None, "model": "m", "bytes": len(words)}
            | {"nonce": sealed.nonce, "ciphertext": sealed.ciphertext}
        )
        found += [{"term": term, "conversation_id": one, "message_id": place} for term in terms.values()]
        parent = place
    connection.execute(insert(conversations), row)
    connection.execute(insert(messages), rows)
    if found:
        connection.execute(insert(search_terms), found)
