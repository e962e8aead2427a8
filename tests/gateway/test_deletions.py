"""Deletions: keys first, then rows, then a search that finds nothing and proves that it finds."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from anuma_dash.embedded.gateway.encryption import seal
from anuma_dash.embedded.gateway.identifiers import uuid7
from anuma_dash.embedded.gateway.sweep import sweep
from anuma_dash.embedded.gateway.tables import data_keys, request_contents
from tests.gateway.conftest import finished
from tests.gateway.test_storing import Stream, held_keys


@pytest.fixture
def account(dashboard):
    account = dashboard.new_account()
    dashboard.switch_logging(account, True)
    return account


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def delete(dashboard, account, **scope):
    body = {"id": str(uuid4()), "scope": {"category": "request_content", **scope}}
    response = dashboard.call("POST", account, "/deletions", body=body)
    assert response.status_code == 202, response.text
    return response.json()


def stored_rows(running, account):
    with running.gateway.stores.main.read() as connection:
        column = request_contents.c.account_id
        return connection.scalar(select(func.count()).where(column == account))


def test_everything_is_gone_and_proved(running, dashboard, account, key):
    for number in range(5):
        running.chat(key["secret"], f"a prompt to be deleted, number {number}")
    running.chat(key["secret"], "a prompt that a provider got", model="fake/plain")
    deletion = delete(dashboard, account)
    assert (deletion["total"], deletion["state"]) == (6, "requested")
    done = finished(dashboard, account, deletion)
    assert (done["state"], done["done"], done["failure"]) == ("verified", 6, None)
    assert [store["store"] for store in done["per_store"]] == ["main database", "key database", "log files"]
    assert [store["method"] for store in done["per_store"]] == ["erase", "destroy_key", "none_held"]
    for store in done["per_store"]:
        assert (store["found"], store["control_found"], store["note"]) == (0, True, "")
        assert store["searched_pieces"] > 10
        assert store["searched_bytes"] > 100
        assert store["verified_at"] is not None
    assert held_keys(running, account) == set()
    assert stored_rows(running, account) == 0
    assert {row["content"]["rule"] for row in dashboard.requests(account)} == {"deleted"}
    assert dashboard.content(account, dashboard.requests(account)[0]["id"])["prompt"] is None
    content = dashboard.get(account, "/inventory")["rows"][0]
    assert (content["count"], content["bytes"], content["oldest"]) == (0, 0, None)


def test_what_is_not_reached_is_named(running, dashboard, account, key):
    running.chat(key["secret"], "a prompt that a provider got", model="fake/plain")
    deletion = delete(dashboard, account)
    done = finished(dashboard, account, deletion)
    places = {place["place"]: place["reason"] for place in done["not_reached"]}
    assert "retention 30 days; training no" in places["model provider fake"]
    assert done["backups_unreadable_by"][:10] in places["backups"]
    assert "your own copies of responses" in places
    on_postgres = running.gateway.stores.main.sqlite_file is None
    assert ("PostgreSQL's write-ahead log and free pages" in places) == on_postgres


def test_an_empty_deletion_is_verified_too(dashboard, account):
    done = finished(dashboard, account, delete(dashboard, account))
    assert (done["state"], done["total"], done["done"]) == ("verified", 0, 0)


def test_scopes(running, dashboard, account, key):
    person = str(uuid4())
    own = dashboard.new_key(account, created_by=person)
    running.chat(key["secret"], "old")
    running.clock.advance(hours=1)
    middle = running.clock().isoformat()
    running.chat(key["secret"], "new")
    running.chat(own["secret"], "personal")
    foreign = dashboard.new_account()
    new = dashboard.requests(account, key=key["id"])[0]["id"]

    def left():
        rows = dashboard.requests(account, content="stored")
        return [dashboard.content(account, row["id"])["prompt"][0]["text"] for row in rows]

    finished(dashboard, account, delete(dashboard, account, before=middle))
    assert left() == ["personal", "new"]
    finished(dashboard, account, delete(dashboard, account, person=person))
    assert left() == ["new"]
    finished(dashboard, foreign, delete(dashboard, foreign, request_ids=[new]))
    assert left() == ["new"], "another account's deletion reaches nothing here"
    finished(dashboard, account, delete(dashboard, account, request_ids=[new]))
    assert left() == []


def test_what_arrives_later_is_not_part_of_it(running, dashboard, account, key):
    running.chat(key["secret"], "before")
    deletion = delete(dashboard, account)
    running.chat(key["secret"], "after")
    finished(dashboard, account, deletion)
    (row,) = dashboard.requests(account, content="stored")
    assert dashboard.content(account, row["id"])["prompt"][0]["text"] == "after"


def test_what_is_under_way_is_part_of_it(running, dashboard, account, key):
    """It arrived before, so it is not written any more."""
    stream = Stream(running, key, "on its way")
    finished(dashboard, account, delete(dashboard, account))
    stream.finish()
    (row,) = dashboard.requests(account)
    assert (row["content"]["stored"], row["content"]["rule"]) == (False, "deletion_under_way")
    assert held_keys(running, account) == set()


def test_asking_twice_deletes_once(running, dashboard, account, key):
    running.chat(key["secret"])
    body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
    first = dashboard.call("POST", account, "/deletions", body=body, idempotency_key="same-key").json()
    again = dashboard.call("POST", account, "/deletions", body=body, idempotency_key="same-key").json()
    assert first == again
    finished(dashboard, account, first)
    later = dashboard.call("POST", account, "/deletions", body=body).json()
    assert (later["state"], later["done"]) == ("verified", 1), "the identifier is known: how far it is"
    body["scope"]["person"] = str(uuid4())
    other = dashboard.call("POST", account, "/deletions", body=body)
    assert (other.status_code, other.json()["code"]) == (409, "deletion_id_reused")


def test_an_unknown_deletion_is_missing(dashboard, account):
    response = dashboard.call("GET", account, f"/deletions/{uuid4()}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_listing(dashboard, account):
    made = {delete(dashboard, account)["id"] for _ in range(3)}
    page = dashboard.get(account, "/deletions", limit=2)
    rest = dashboard.get(account, "/deletions", limit=2, after=page["next"])
    assert {row["id"] for row in page["data"] + rest["data"]} == made
    assert rest["next"] is None


def test_a_copy_left_behind_fails_the_deletion(running, dashboard, account, key):
    """If somebody kept the ciphertext elsewhere in the database, the search finds it and says so."""
    running.chat(key["secret"], "a prompt with a copy")
    other = dashboard.new_account()
    other_key = dashboard.new_key(other)
    dashboard.switch_logging(other, True)
    running.chat(other_key["secret"], "the place of the copy")
    (row,), (place,) = dashboard.requests(account), dashboard.requests(other)
    column = request_contents.c
    with running.gateway.stores.main.write() as connection:
        kept = connection.scalar(select(column.ciphertext).where(column.request_id == UUID(row["id"])))
        change = request_contents.update().where(column.request_id == UUID(place["id"]))
        connection.execute(change.values(ciphertext=kept))
    done = finished(dashboard, account, delete(dashboard, account))
    assert done["state"] == "failed"
    assert "main database" in done["failure"]
    assert [store["verified_at"] for store in done["per_store"]] == [None] * 3


def test_reading_ends_with_the_key(running, dashboard, account, key):
    """Between the destruction of the key and the erasure of the row, nothing is readable."""
    running.chat(key["secret"])
    (row,) = dashboard.requests(account)
    assert running.gateway.vault.destroy_keys([UUID(row["id"])]) == 1
    content = dashboard.content(account, row["id"])
    assert (content["content"]["rule"], content["prompt"]) == ("deleted", None)
    assert running.gateway.vault.destroy_keys([UUID(row["id"])]) == 0, "a second time changes nothing"


def test_orphan_keys_are_swept(running, dashboard, account, key):
    running.chat(key["secret"], "kept")
    now = running.gateway.now()
    with running.gateway.stores.keys.write() as connection:
        values = {"kek_id": "dev-1", "nonce": b"n", "wrapped": b"w", "created_at": now}
        connection.execute(data_keys.insert().values(id=uuid7(now), account_id=account, **values))
    sweep(running.gateway)
    assert len(held_keys(running, account)) == 2, "it may belong to a write under way"
    running.clock.advance(hours=2)
    sweep(running.gateway)
    assert held_keys(running, account) == {dashboard.requests(account)[0]["id"]}


def test_sealing_is_bound_to_its_place():
    first, second = (seal(b"k" * 32, b"text", table="t", row=UUID(int=1), account=UUID(int=2)) for _ in range(2))
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext
