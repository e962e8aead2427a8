"""Something stored of every kind, written as the gateway writes it, and how much of it is left."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from anuma_dash.embedded.gateway.content_tables import (
    conversations,
    evaluations,
    legal_holds,
    memories,
    messages,
    search_terms,
    traces,
)
from anuma_dash.embedded.gateway.core import Gateway
from anuma_dash.embedded.gateway.encryption import Sealed, seal
from anuma_dash.embedded.gateway.history.keys import SEARCH, search_key_id
from anuma_dash.embedded.gateway.identifiers import uuid7
from anuma_dash.embedded.gateway.kinds import KINDS
from anuma_dash.embedded.gateway.stores import add_up
from anuma_dash.embedded.gateway.tables import content_days, data_keys, requests

CATEGORIES = [kind.category for kind in KINDS]


def sealed(gateway: Gateway, kind: str, account: UUID, thing: UUID, words: str, now: datetime) -> tuple[bytes, Sealed]:
    key = gateway.vault.make_keys(kind, [(account, thing)], now)[thing]
    text = json.dumps({"text": words}).encode()
    return key, seal(key, text, table=kind, row=thing, account=account)


def keep_of_request(gateway: Gateway, account: UUID, request: str, words: str, person: UUID | None = None) -> None:
    """An evaluation of a request that is in the log, and its trace if the account's control has kept none."""
    with gateway.stores.main.read() as connection:
        traced = connection.scalar(select(traces.c.id).where(traces.c.request_id == UUID(request)))
        query = select(requests.c.created_at).where(requests.c.id == UUID(request))
        arrived = connection.execute(query).scalar_one()
    for table in (evaluations,) if traced else (traces, evaluations):
        one = uuid7(gateway.now())
        _, closed = sealed(gateway, table.name, account, one, f"{words} in {table.name}", gateway.now())
        row: dict[str, Any] = {"id": one, "account_id": account, "request_id": UUID(request), "created_at": arrived}
        row |= {"created_by": person, "bytes": closed.plain_bytes, "nonce": closed.nonce}
        row |= {"ciphertext": closed.ciphertext} | ({"provider": "fake"} if table is traces else {})
        with gateway.stores.main.write() as connection:
            connection.execute(insert(table).values(row))
            count(connection, account, table.name, person or account, arrived, closed.plain_bytes)
            if table is traces:
                said = json.dumps({"traces": [True, "account_control", "account"]})
                connection.execute(requests.update().where(requests.c.id == UUID(request)).values(other_controls=said))


def keep_memory(gateway: Gateway, account: UUID, words: str, owner: UUID) -> UUID:
    now, one = gateway.now(), uuid7(gateway.now())
    _, closed = sealed(gateway, "memories", account, one, words, now)
    row = {"id": one, "account_id": account, "owner": owner, "created_at": now, "updated_at": now, "source": "page"}
    row |= {"sent_to": '["fake"]', "bytes": closed.plain_bytes, "nonce": closed.nonce, "ciphertext": closed.ciphertext}
    with gateway.stores.main.write() as connection:
        connection.execute(insert(memories).values(row))
        count(connection, account, "memories", owner, now, closed.plain_bytes)
    return one


def keep_conversation(
    gateway: Gateway, account: UUID, app: UUID, words: str, owner: UUID, *, length: int = 2, **fields: Any
) -> UUID:
    """A conversation with messages and search hashes under its owner's search key."""
    now, one = gateway.now(), uuid7(gateway.now())
    key, title = sealed(gateway, "conversations", account, one, f"{words} as the title", now)
    search = search_key_id(account, owner)
    if gateway.vault.data_key(account, search) is None:
        gateway.vault.make_keys(SEARCH, [(account, search)], now)
    row = {"id": one, "account_id": account, "owner": owner, "reference": secrets.token_bytes(16), "created_at": now}
    row |= {"updated_at": now, "app_id": app, "model": "m", "providers": '["fake"]', "messages": length, "bytes": 100}
    row |= {"pinned": False, "nonce": title.nonce, "ciphertext": title.ciphertext} | fields
    with gateway.stores.main.write() as connection:
        connection.execute(insert(conversations).values(row))
        for number in range(length):
            said = uuid7(now)
            text = json.dumps({"text": f"{words}, message {number}"}).encode()
            closed = seal(key, text, table="messages", row=said, account=account)
            message = {"id": said, "account_id": account, "conversation_id": one, "digest": secrets.token_bytes(16)}
            message |= {"created_at": now, "model": "m", "bytes": 50, "nonce": closed.nonce}
            connection.execute(insert(messages).values(message | {"ciphertext": closed.ciphertext}))
            term = {"term": secrets.token_bytes(16), "conversation_id": one, "message_id": said}
            connection.execute(insert(search_terms).values(term))
        count(connection, account, "conversations", owner, now, 100)
    return one


def count(connection: Any, account: UUID, category: str, owner: UUID, at: datetime, size: int) -> None:
    place = {"account_id": account, "category": category, "owner": owner, "day": at.date()}
    add_up(connection, content_days, place, {"entries": 1, "bytes": size})


def keep_everything(running: Any, account: UUID, key: dict[str, Any], words: str, owner: UUID | None = None) -> str:
    """One of each kind; the key's requests must be stored. Answers the request."""
    answer = running.chat(key["secret"], f"{words} in the prompt")
    assert answer.headers["x-anuma-content-stored"] == "true"
    request: str = answer.headers["x-request-id"]
    gateway = running.gateway
    keep_of_request(gateway, account, request, words, owner)
    keep_memory(gateway, account, f"{words} in a memory", owner or account)
    keep_conversation(gateway, account, UUID(key["app_id"]), f"{words} in a conversation", owner or account)
    return request


def left(gateway: Gateway, account: UUID) -> dict[str, int]:
    """How many rows of each kind an account has; every sum says the same, every row has its key and no key is left."""
    found = {}
    with gateway.stores.main.read() as connection, gateway.stores.keys.read() as keys:
        for kind in KINDS:
            ids = set(connection.scalars(select(kind.id).where(kind.account == account)))
            sums = content_days.c
            own = (sums.account_id == account, sums.category == kind.category)
            assert (connection.scalar(select(func.sum(sums.entries)).where(*own)) or 0) == len(ids), kind.category
            key = data_keys.c
            having = keys.scalars(select(key.id).where(key.account_id == account, key.kind == kind.category))
            assert set(having) == ids, kind.category
            found[kind.category] = len(ids)
        own = connection.scalars(select(conversations.c.id).where(conversations.c.account_id == account)).all()
        for table in (messages, search_terms):
            column = table.c.conversation_id
            if table is messages:
                told = connection.scalars(select(column).where(table.c.account_id == account))
                assert set(told) == set(own)
    return found


def nothing() -> dict[str, int]:
    return dict.fromkeys(CATEGORIES, 0)


def hold(gateway: Gateway, account: UUID, **fields: Any) -> UUID:
    now = gateway.now()
    row = {"id": uuid7(now), "account_id": account, "placed_at": now} | fields
    with gateway.stores.main.write() as connection:
        connection.execute(insert(legal_holds).values(row))
    one: UUID = row["id"]
    return one
