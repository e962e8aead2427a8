"""Memories: each person's own, written while the control is on, readable always."""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from anuma_dash.embedded.gateway.content_tables import memories
from anuma_dash.embedded.gateway.search import Search
from anuma_dash.embedded.gateway.tables import content_days, data_keys

ON = {"memories": {"enabled": True, "retention_days": 7}}
OFF = {"memories": {"enabled": False}}
ODD = "Ich mag Grün \U0001f33f, \u05e9\u05dc\u05d5\u05dd, <script>alert(1)</script>\n\u0000 and 'quotes'"


class Person:
    """Somebody with a key, and what they do with their memories."""

    def __init__(self, running, account, **key):
        self.running, self.dashboard, self.account = running, running.dashboard, account
        self.id = str(uuid4())
        self.claims = {"sub": self.id}
        self.key = self.dashboard.new_key(account, created_by=self.id, **key)

    def switch(self, enabled=True, days=7, controls=None, **levels):
        epoch = self.dashboard.get(self.account, "/controls")["epoch"] + 1
        people = {self.id: {"memories": {"enabled": enabled, "retention_days": days}}}
        changed = self.dashboard.put_controls(self.account, epoch, controls=controls or {}, people=people, **levels)
        assert changed.status_code == 200, changed.text

    def write(self, text, **fields):
        kwargs = {name: fields.pop(name) for name in ("idempotency_key",) if name in fields}
        body = {"text": text, **fields}
        return self.dashboard.call("POST", self.account, "/memories", body=body, claims=self.claims, **kwargs)

    def remember(self, text, **fields):
        made = self.write(text, **fields)
        assert made.status_code == 201, made.text
        return made.json()

    def change(self, memory, text, **fields):
        path = f"/memories/{memory['id']}"
        return self.dashboard.call("PATCH", self.account, path, body={"text": text, **fields}, claims=self.claims)

    def list(self, **params):
        return self.dashboard.get(self.account, "/memories", self.claims, **params)["data"]

    def texts(self, **params):
        return [memory["text"] for memory in self.list(**params)]

    def program(self, method="POST", key=None, prefix="/v1", headers=None, **kwargs):
        headers = {"authorization": f"Bearer {(key or self.key)['secret']}"} | (headers or {})
        return self.running.http.request(method, f"{prefix}/memories", headers=headers, **kwargs)


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def vera(running, account):
    return Person(running, account)


def kept(running, account, owner):
    """How many rows, keys and counted entries and bytes there are."""
    with running.gateway.stores.main.read() as connection:
        rows = connection.scalar(select(func.count()).where(memories.c.account_id == account))
        size = connection.scalar(
            select(func.coalesce(func.sum(memories.c.bytes), 0)).where(memories.c.account_id == account)
        )
        column = content_days.c
        ours = (column.account_id == account, column.category == "memories", column.owner == UUID(str(owner)))
        sums = (func.coalesce(func.sum(column.entries), 0), func.coalesce(func.sum(column.bytes), 0))
        entries, counted = connection.execute(select(*sums).where(*ours)).one()
    with running.gateway.stores.keys.read() as connection:
        keys = connection.scalar(select(func.count()).where(data_keys.c.account_id == account))
    assert (entries, counted) == (rows, size)
    return rows, keys


def test_a_person_writes_and_reads_their_own(running, account, vera):
    vera.switch()
    first = vera.remember(ODD)
    second = vera.remember("I live in Vienna", app_ids=[vera.key["app_id"]], providers=["fake"])
    assert vera.list() == [second, first]
    assert first["text"] == ODD
    assert (first["source"], first["app_id"], first["key_id"], first["app_ids"]) == ("person", None, None, None)
    assert (second["app_ids"], second["providers"]) == ([vera.key["app_id"]], ["fake"])
    assert vera.dashboard.get(account, f"/memories/{first['id']}", vera.claims) == first
    assert kept(running, account, vera.id) == (2, 2)


def test_changing_one_begins_its_period_anew(running, account, vera):
    vera.switch(days=7)
    memory = vera.remember("I live in Vienna")
    running.clock.advance(days=5)
    changed = vera.change(memory, "I live in Graz, for good", providers=["fake"]).json()
    assert (changed["text"], changed["providers"]) == ("I live in Graz, for good", ["fake"])
    assert (changed["created_at"], changed["updated_at"] > memory["updated_at"]) == (memory["created_at"], True)
    assert kept(running, account, vera.id) == (1, 1)
    running.clock.advance(days=5)
    assert vera.texts() == ["I live in Graz, for good"]
    running.clock.advance(days=2, minutes=1)
    assert vera.texts() == []
    path = f"/memories/{memory['id']}"
    assert vera.dashboard.call("GET", account, path, claims=vera.claims).status_code == 404
    assert vera.change(memory, "again").status_code == 404


def test_words_are_looked_for_in_the_text(vera):
    vera.switch()
    for text in ("Ich mag GRÜN und Tee", "I live in Vienna", "Tee ohne Milch", ODD):
        vera.remember(text)
    assert vera.texts(q="tee") == ["Tee ohne Milch", "Ich mag GRÜN und Tee"]
    assert vera.texts(q="tee grün") == ["Ich mag GRÜN und Tee"]
    assert vera.texts(q="\U0001f33f") == [ODD]
    assert vera.texts(q="nothing such") == []
    page = vera.dashboard.get(vera.account, "/memories", vera.claims, q="tee", limit=1)
    assert [memory["text"] for memory in page["data"]] == ["Tee ohne Milch"]
    assert vera.texts(q="tee", after=page["next"]) == ["Ich mag GRÜN und Tee"]


def test_off_nothing_is_written_but_all_is_read(running, account, vera):
    assert vera.write("never").json()["code"] == "memories_off"
    vera.switch()
    memory = vera.remember("kept")
    vera.switch(False)
    refused = vera.write("never")
    assert (refused.status_code, refused.json()["code"]) == (403, "memories_off")
    assert vera.change(memory, "never").json()["code"] == "memories_off"
    assert vera.texts() == ["kept"]
    forbidden = {"memories": {"enabled": False, "people": "forbidden"}}
    vera.switch(True, controls=forbidden)
    assert vera.write("never").json()["code"] == "memories_off"
    assert vera.texts() == ["kept"]
    assert kept(running, account, vera.id) == (1, 1)


def test_nobody_else_sees_it(running, account, vera):
    vera.switch()
    memory = vera.remember("mine alone")
    path = f"/memories/{memory['id']}"
    other = Person(running, account)
    strange = Person(running, vera.dashboard.new_account())
    support = {"sub": vera.id, "act": {"sub": str(uuid4())}, "scope": "content"}
    for where, claims in (
        (account, other.claims),
        (account, support),
        (account, None),
        (strange.account, strange.claims),
    ):
        assert vera.dashboard.call("GET", where, path, claims=claims).status_code == 404
        for owner in ("me", "account"):
            assert vera.dashboard.get(where, "/memories", claims, owner=owner)["data"] == []
    body = {"text": "changed"}
    for person in (other, strange):
        changed = vera.dashboard.call("PATCH", person.account, path, body=body, claims=person.claims)
        assert changed.status_code == 404
    assert vera.dashboard.call("PATCH", account, path, body=body, claims=support).status_code == 403
    without = {"sub": vera.id, "act": {"sub": str(uuid4())}}
    refused = vera.dashboard.call("GET", account, "/memories", claims=without)
    assert refused.json()["code"] == "support_scope_missing"


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_program_writes_for_its_person(vera, prefix):
    vera.switch()
    made = vera.program(json={"text": ODD}, prefix=prefix)
    assert made.status_code == 201, made.text
    (memory,) = vera.list()
    assert made.json() == memory
    assert (memory["source"], memory["app_id"], memory["key_id"]) == ("program", vera.key["app_id"], vera.key["id"])
    vera.remember("for other apps", app_ids=[str(uuid4())])
    assert [one["text"] for one in vera.program("GET", prefix=prefix).json()["data"]] == [ODD]


def test_a_service_key_writes_for_the_account(running, account, vera):
    """A person may say who uses and receives it, not what it says."""
    service = vera.dashboard.new_key(account)
    assert vera.program(key=service, json={"text": "never"}).json()["error"]["code"] == "memories_off"
    vera.switch(controls=ON)
    memory = vera.program(key=service, json={"text": "the team's"}).json()
    assert vera.list() == []
    assert vera.texts(owner="account") == ["the team's"]
    assert vera.change(memory, "another").json()["code"] == "programs_only"
    assert vera.change(memory, "the team's", providers=["fake"]).json()["providers"] == ["fake"]
    worker = vera.dashboard.call("POST", account, "/memories", body={"text": "x"})
    assert worker.json()["code"] == "programs_only"
    assert kept(running, account, account) == (1, 1)


@pytest.mark.parametrize("level", ["person", "app", "key", "request"])
def test_a_program_writes_nothing_while_any_level_says_off(running, account, vera, level):
    key = vera.key
    stricter = {"app": {"apps": {key["app_id"]: OFF}}, "key": {"keys": {key["id"]: OFF}}}.get(level, {})
    vera.switch(level != "person", controls=ON, **stricter)
    headers = {"x-anuma-store": "none"} if level == "request" else {}
    refused = vera.program(json={"text": "never"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "memories_off")
    if level != "request":
        assert vera.program("GET").json()["error"]["code"] == "memories_off"
    assert kept(running, account, vera.id) == (0, 0)


def test_an_owner_has_at_most_so_many(running, account, vera, monkeypatch):
    monkeypatch.setattr("anuma_dash.embedded.gateway.memories.MOST_OF_AN_OWNER", 2)
    vera.switch()
    assert [vera.write(f"memory {n}").status_code for n in range(3)] == [201, 201, 409]
    assert vera.write("x").json()["code"] == "memories_full"
    assert vera.program(json={"text": "x"}).json()["error"]["code"] == "memories_full"
    assert kept(running, account, vera.id) == (2, 2)


def test_a_repetition_is_one_memory(running, account, vera):
    vera.switch()
    first = vera.remember("once", idempotency_key="the-same-key")
    assert vera.remember("once", idempotency_key="the-same-key") == first
    other = vera.write("twice", idempotency_key="the-same-key")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert kept(running, account, vera.id) == (1, 1)


@pytest.mark.parametrize("body", [{"text": ""}, {"text": "x" * 4001}, {"text": "x", "more": 1}, {"app_ids": []}, "x"])
def test_what_is_no_memory_is_refused(vera, body):
    vera.switch()
    assert vera.dashboard.call("POST", vera.account, "/memories", body=body, claims=vera.claims).status_code == 422
    assert vera.program(json=body).json()["error"]["code"] == "invalid_body"


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"after": "x"}])
def test_pages_of_programs_are_bounded(vera, params):
    vera.switch()
    assert vera.program("GET", params=params).status_code == 422


def test_programs_page_through_them(vera):
    vera.switch()
    for number in range(3):
        vera.remember(f"memory {number}")
    page = vera.program("GET", params={"limit": 2}).json()
    assert [one["text"] for one in page["data"]] == ["memory 2", "memory 1"]
    last = vera.program("GET", params={"after": page["next"]}).json()
    assert ([one["text"] for one in last["data"]], last["next"]) == (["memory 0"], None)


def test_a_moved_ciphertext_does_not_decrypt(running, account, vera):
    """Neither under another memory, nor under another person's of another account."""
    vera.switch()
    strange = Person(running, vera.dashboard.new_account())
    strange.switch()
    mine, other, theirs = vera.remember("mine"), vera.remember("other"), strange.remember("theirs")
    column = memories.c
    with running.gateway.stores.main.write() as connection:
        moved = connection.execute(select(column.nonce, column.ciphertext).where(column.id == UUID(mine["id"]))).one()
        for one in (other, theirs):
            connection.execute(update(memories).where(column.id == UUID(one["id"])).values(**moved._mapping))
    for person, memory in ((vera, other), (strange, theirs)):
        for path in ("/memories", f"/memories/{memory['id']}"):
            refused = vera.dashboard.call("GET", person.account, path, claims=person.claims)
            assert (refused.status_code, refused.json()["code"]) == (500, "content_unreadable")
    assert vera.program("GET").status_code == 500


def test_a_dump_holds_no_readable_word(running, account, vera):
    vera.switch()
    words = f"xylophone-{secrets.token_hex(8)}"
    memory = vera.remember(words)
    assert vera.change(memory, f"{words} again").status_code == 200
    assert vera.program(json={"text": words}).status_code == 201
    assert vera.program(json={"text": words, words: words}).status_code == 422
    assert len(vera.texts(q=words)) == 2
    for result in Search(running.gateway.stores, running.gateway.log).look_for([words.encode()], running.gateway.now()):
        assert result.control_found
        assert not result.found, result.store
