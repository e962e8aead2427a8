"""Deletions of every category: keys, rows and search hashes go, what a legal hold keeps stays and is named."""

from __future__ import annotations

from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from anuma_dash.embedded.gateway.content_tables import legal_holds, messages, search_terms
from anuma_dash.embedded.gateway.sweep import sweep
from anuma_dash.embedded.gateway.tables import data_keys
from tests.gateway.conftest import finished, wait_until
from tests.gateway.keeping import CATEGORIES, hold, keep_conversation, keep_everything, keep_memory, left, nothing


@pytest.fixture
def account(dashboard):
    account = dashboard.new_account()
    dashboard.switch_logging(account, True)
    return account


@pytest.fixture
def person():
    return uuid4()


@pytest.fixture
def key(dashboard, account, person):
    return dashboard.new_key(account, created_by=str(person))


def delete(dashboard, account, category="all_content", **scope):
    body = {"id": str(uuid4()), "scope": {"category": category, **scope}}
    response = dashboard.call("POST", account, "/deletions", body=body)
    assert response.status_code == 202, response.text
    return response.json()


def preview(dashboard, account, category="all_content", claims=None, **scope):
    return dashboard.get(account, "/deletion-previews", claims, category=category, **scope)


def rows(gateway, table):
    with gateway.stores.main.read() as connection:
        return connection.scalar(select(func.count()).select_from(table))


@contextmanager
def unreadable_holds(gateway):
    """The register of legal holds is missing."""
    with gateway.stores.main.write() as connection:
        connection.exec_driver_sql("ALTER TABLE legal_holds RENAME TO legal_holds_elsewhere")
    try:
        yield
    finally:
        with gateway.stores.main.write() as connection:
            connection.exec_driver_sql("ALTER TABLE legal_holds_elsewhere RENAME TO legal_holds")


@pytest.mark.parametrize("category", CATEGORIES)
def test_one_category_goes_and_the_others_stay(running, dashboard, account, key, person, category):
    keep_everything(running, account, key, "words that will be gone", person)
    assert preview(dashboard, account, category)["total"] == 1
    done = finished(dashboard, account, delete(dashboard, account, category))
    assert (done["state"], done["total"], done["done"], done["kept"]) == ("verified", 1, 1, [])
    assert [store["category"] for store in done["per_store"]] == [category] * 3
    for store in done["per_store"]:
        assert (store["found"], store["control_found"], store["note"]) == (0, True, "")
        assert store["searched_pieces"] >= 2
    assert left(running.gateway, account) == dict.fromkeys(CATEGORIES, 1) | {category: 0}
    assert preview(dashboard, account, category)["total"] == 0


def test_all_content_goes_at_once(running, dashboard, account, key, person):
    messages_before, terms_before = rows(running.gateway, messages), rows(running.gateway, search_terms)
    request = keep_everything(running, account, key, "words that will be gone", person)
    done = finished(dashboard, account, delete(dashboard, account))
    assert (done["state"], done["total"], done["done"]) == ("verified", 5, 5)
    counts = {(store["store"], store["category"]): store["count"] for store in done["per_store"]}
    assert {counts["main database", category] for category in CATEGORIES} == {1}
    assert left(running.gateway, account) == nothing()
    assert (rows(running.gateway, messages), rows(running.gateway, search_terms)) == (messages_before, terms_before)
    controls = dashboard.get(account, f"/requests/{request}")["controls"]
    assert controls["traces"]["rule"] == controls["prompt_logging"]["rule"] == "deleted"
    inventory = dashboard.get(account, "/inventory")["rows"]
    assert {row["count"] for row in inventory if row["category"] != "request_metadata"} == {0}


def test_the_search_key_goes_with_the_last_conversation(running, dashboard, account, key, person):
    def held():
        with running.gateway.stores.keys.read() as connection:
            column = data_keys.c
            return connection.scalar(select(func.count()).where(column.account_id == account, column.kind == "search"))

    keep_conversation(running.gateway, account, UUID(key["app_id"]), "the only one there is", person)
    running.clock.advance(hours=2)
    sweep(running.gateway)
    assert held() == 1
    finished(dashboard, account, delete(dashboard, account, "conversations"))
    sweep(running.gateway)
    assert held() == 0


def test_scopes_reach_what_they_say(running, dashboard, account, key, person):
    gateway, app, other = running.gateway, UUID(key["app_id"]), uuid4()
    first = keep_conversation(gateway, account, app, "first", person)
    pinned = keep_conversation(gateway, account, app, "pinned", person, pinned=True)
    keep_conversation(gateway, account, app, "another model's", person, model="another")
    keep_conversation(gateway, account, app, "somebody else's", other)
    keep_conversation(gateway, account, app, "a service key's", account)
    memory = keep_memory(gateway, account, "a memory", person)

    def total(category="conversations", **scope):
        return preview(dashboard, account, category, **scope)["total"]

    assert total() == 5
    assert total(person=str(person)) == 3
    assert total(service=True) == 1
    assert total(pinned=True) == 1
    assert total(pinned=False, person=str(person)) == 2
    assert total(model="another") == 1
    assert total(app_id=str(app)) == 5
    assert total(conversation_ids=[str(first), str(pinned)]) == 2
    assert total(conversation_ids=[str(first)], person=str(other)) == 0
    assert total("all_content", conversation_ids=[str(first)]) == 1
    assert total("all_content", pinned=True) == 1
    assert total("memories", conversation_ids=[str(first)]) == 0
    assert total("memories", memory_ids=[str(memory)]) == 1
    assert total("all_content", person=str(person)) == 4
    finished(dashboard, account, delete(dashboard, account, "conversations", conversation_ids=[str(first)]))
    assert total() == 4
    finished(dashboard, account, delete(dashboard, account, person=str(person)))
    assert left(gateway, account) == nothing() | {"conversations": 2}


def test_nobody_is_told_what_others_have(running, dashboard, account, key, person):
    keep_conversation(running.gateway, account, UUID(key["app_id"]), "somebody's own", person)
    keep_memory(running.gateway, account, "somebody's own", person)
    other = {"sub": str(uuid4())}
    assert preview(dashboard, account, claims=other)["total"] == 0
    assert preview(dashboard, account, claims=other, person=str(person))["total"] == 0
    assert preview(dashboard, account, claims={"sub": str(person)})["total"] == 2
    assert dashboard.get(account, "/overview", claims=other)["stored_items"] == 0
    assert dashboard.get(account, "/overview", claims={"sub": str(person)})["stored_items"] == 2


def test_before_is_the_last_message(running, dashboard, account, key, person):
    gateway, app = running.gateway, UUID(key["app_id"])
    keep_conversation(gateway, account, app, "old", person)
    begun = running.clock()
    running.clock.advance(hours=1)
    middle = running.clock().isoformat()
    running.clock.advance(hours=1)
    keep_conversation(gateway, account, app, "old, but answered yesterday", person, created_at=begun)
    assert preview(dashboard, account, "conversations", before=middle)["total"] == 1
    finished(dashboard, account, delete(dashboard, account, "conversations", before=middle))
    assert left(gateway, account)["conversations"] == 1


def test_a_hold_keeps_exactly_its_scope(running, dashboard, account, key, person):
    other = uuid4()
    keep_everything(running, account, key, "words that a duty keeps", person)
    keep_memory(running.gateway, account, "a memory that nobody keeps", other)
    placed = hold(running.gateway, account, category="memories", person=person)
    found = preview(dashboard, account)
    assert (found["total"], found["held"]) == (5, 1)
    done = finished(dashboard, account, delete(dashboard, account))
    assert (done["state"], done["done"]) == ("verified", 5)
    (kept,) = done["kept"]
    assert (kept["category"], kept["count"]) == ("memories", 1)
    assert "legal duty" in kept["reason"]
    assert left(running.gateway, account) == nothing() | {"memories": 1}
    with running.gateway.stores.main.write() as connection:
        released = legal_holds.update().where(legal_holds.c.id == placed)
        connection.execute(released.values(released_at=running.clock()))
    finished(dashboard, account, delete(dashboard, account))
    assert left(running.gateway, account) == nothing()


def test_a_hold_on_a_time_and_on_another_account(running, dashboard, account, key, person):
    foreign = dashboard.new_account()
    hold(running.gateway, foreign)
    keep_memory(running.gateway, account, "early", person)
    running.clock.advance(minutes=1)
    hold(running.gateway, account, arrived_from=running.clock())
    keep_memory(running.gateway, account, "later", person)
    done = finished(dashboard, account, delete(dashboard, account))
    assert (done["done"], done["kept"][0]["count"]) == (1, 1)


def test_unreadable_holds_stop_a_deletion_that_goes_on_later(running, dashboard, account, key, person):
    keep_everything(running, account, key, "words that must stay for now", person)
    before = left(running.gateway, account)
    with unreadable_holds(running.gateway):
        refused = dashboard.call("GET", account, "/deletion-previews", params={"category": "all_content"})
        assert (refused.status_code, refused.json()["code"]) == (503, "holds_unreadable")
        path = f"/deletions/{delete(dashboard, account)['id']}"
        waiting = wait_until(lambda: (found := dashboard.get(account, path))["failure"] and found)
        assert waiting["state"] == "requested"
        assert "nothing is deleted" in waiting["failure"]
        assert left(running.gateway, account) == before
    done = wait_until(lambda: (found := dashboard.get(account, path))["finished_at"] and found)
    assert (done["state"], done["failure"]) == ("verified", None)
    assert left(running.gateway, account) == nothing()


def test_a_hold_that_nobody_understands_keeps_everything(running, dashboard, account, key, person):
    keep_memory(running.gateway, account, "something", person)
    placed = hold(running.gateway, account, category="something else")
    path = f"/deletions/{delete(dashboard, account)['id']}"
    wait_until(lambda: dashboard.get(account, path)["failure"])
    assert left(running.gateway, account)["memories"] == 1
    with running.gateway.stores.main.write() as connection:
        connection.execute(legal_holds.delete().where(legal_holds.c.id == placed))
    wait_until(lambda: dashboard.get(account, path)["state"] == "verified")


def test_a_long_conversation_goes_in_batches(running, dashboard, account, key, person, monkeypatch):
    from anuma_dash.embedded.gateway import deleting

    keep_conversation(running.gateway, account, UUID(key["app_id"]), "a long one", person, length=30)
    made = deleting.Deleting.__init__

    def small(self, *arguments):
        made(self, *arguments)
        self._batch = 4

    monkeypatch.setattr(deleting.Deleting, "__init__", small)
    done = finished(dashboard, account, delete(dashboard, account, "conversations"))
    assert (done["state"], done["done"]) == ("verified", 1)
    assert left(running.gateway, account) == nothing()
