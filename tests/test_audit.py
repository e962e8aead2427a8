"""The audit log: every event bears what it declares, and nobody can change what was recorded without being found."""

from __future__ import annotations

import string
import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError

from anuma_dash.audit import (
    EVENTS,
    GENESIS,
    SYSTEM_CHAIN,
    AuditDetail,
    AuditEntry,
    AuditHead,
    AuditObject,
    Event,
    chains,
    objects_of,
    record,
    verify,
)
from anuma_dash.cli import main
from anuma_dash.db import new_id

APPEND_ONLY = "append-only"


def tell(world, count=3, account_id=None):
    """Record some events, and return the entries of the chain."""
    chain = account_id or world.northwind
    for number in range(count):
        with world.db.transaction() as tx:
            record(
                tx,
                world.olive.actor,
                Event.ACCOUNT_CREATED,
                at=world.clock.now,
                account_id=chain,
                name=f"Branch {number}",
                kind="organization",
            )
    return entries(world, chain)


def entries(world, chain):
    return sorted(world.rows(AuditEntry, chain=chain), key=lambda entry: entry.number)


def walk(world, chain=None):
    with world.db.reading() as tx:
        return verify(tx, chain or world.northwind)


@pytest.mark.parametrize(
    "fields",
    [{"name": "Branch"}, {"name": "Branch", "kind": "organization", "secret": "x"}, {}],
    ids=["one is missing", "one too many", "none"],
)
def test_an_event_bears_exactly_what_it_declares(world, fields):
    before = len(entries(world, world.northwind))

    with pytest.raises(ValueError, match=r"account\.created bears"), world.db.transaction() as tx:
        record(tx, world.olive.actor, Event.ACCOUNT_CREATED, at=world.clock.now, account_id=world.northwind, **fields)

    assert len(entries(world, world.northwind)) == before


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.value.name)
def test_the_sentence_of_an_event_uses_only_its_own_fields(event):
    used = {field for _, field, _, _ in string.Formatter().parse(event.value.sentence) if field}

    assert used <= set(event.value.fields)
    assert event.value.sentence
    assert not event.value.sentence.endswith(".")


def test_event_names_are_unique_and_stable_words():
    assert len(EVENTS) == len(Event)
    assert all(name == name.lower() and name.count(".") == 1 for name in EVENTS)


def test_a_chain_holds_from_its_first_entry_to_its_head(world):
    found = tell(world)

    assert [entry.number for entry in found] == list(range(1, len(found) + 1))
    assert [entry.previous_hash for entry in found] == [GENESIS, *(entry.hash for entry in found[:-1])]
    result = walk(world)
    assert (result.entries, result.erased, result.broken_at) == (len(found), 0, None)


def test_every_account_has_a_chain_of_its_own(world):
    tell(world, account_id=world.elsewhere)
    with world.db.transaction() as tx:
        record(tx, world.olive.actor, Event.SIGN_UP_DECIDED, at=world.clock.now, account_id=None, decision="approved")

    with world.db.reading() as tx:
        assert set(chains(tx)) == {world.northwind, world.elsewhere, SYSTEM_CHAIN}
    assert {walk(world, chain).broken_at for chain in (world.northwind, world.elsewhere, SYSTEM_CHAIN)} == {None}


def test_the_entries_themselves_name_nobody(world):
    found = tell(world)
    columns = [str(getattr(entry, column.name)) for entry in found for column in AuditEntry.__table__.columns]

    assert not [value for value in columns if "Olive" in value or "Branch" in value]
    assert "Branch 0" in str(world.rows(AuditDetail, entry_id=found[-3].id)[0].body)


def test_erasing_the_details_leaves_the_chain_whole(world):
    found = tell(world)
    with world.db.transaction() as tx:
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id == found[1].id))

    result = walk(world)
    assert (result.entries, result.erased, result.broken_at) == (len(found), 1, None)


REFUSED = {
    "change an entry": "UPDATE audit_entries SET event = 'nothing.happened'",
    "delete an entry": "DELETE FROM audit_entries WHERE number = 5",
    "change the details": "UPDATE audit_details SET salt = '00'",
    "change what an entry is about": "UPDATE audit_objects SET object_id = 'x'",
    "move a head back": "UPDATE audit_heads SET number = number - 1 WHERE number > 0",
    "move a head to an entry that is not there": "UPDATE audit_heads SET number = number + 1 WHERE number > 0",
    "give a head another hash": "UPDATE audit_heads SET hash = 'x' WHERE number > 0",
    "delete a head": "DELETE FROM audit_heads WHERE number > 0",
}
REFUSED_ON = {
    "sqlite": {
        "replace an entry": "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
        "replace the details": "REPLACE INTO audit_details SELECT entry_id, '00', '{}' FROM audit_details",
        "replace a head": "REPLACE INTO audit_heads SELECT chain, 0, '00' FROM audit_heads",
        "update on conflict": "INSERT INTO audit_heads SELECT chain, 0, '0' FROM audit_heads WHERE true "
        "ON CONFLICT DO UPDATE SET number = 0",
    },
    "postgresql": {
        "empty the entries": "TRUNCATE audit_entries CASCADE",
        "empty the details": "TRUNCATE audit_details",
        "empty the heads": "TRUNCATE audit_heads",
        "update on conflict": "INSERT INTO audit_heads SELECT * FROM audit_heads "
        "ON CONFLICT (chain) DO UPDATE SET number = 0",
        "delete and go on": "WITH gone AS (DELETE FROM audit_entries RETURNING 1) SELECT count(*) FROM gone",
    },
}


def test_the_database_itself_refuses_to_change_the_log(world, engine):
    before = entries(world, world.northwind)

    for statement in (REFUSED | REFUSED_ON[engine]).values():
        with pytest.raises(DatabaseError, match=APPEND_ONLY), world.db.transaction() as tx:
            tx.execute(text(statement))

    assert [entry.hash for entry in entries(world, world.northwind)] == [entry.hash for entry in before]
    assert walk(world).broken_at is None


TAMPERINGS = {
    "another actor": lambda entry, _: update(AuditEntry).where(AuditEntry.id == entry.id).values(actor_id=new_id()),
    "another event": lambda entry, _: update(AuditEntry).where(AuditEntry.id == entry.id).values(event="key.created"),
    "another request": lambda entry, _: update(AuditEntry).where(AuditEntry.id == entry.id).values(request_id="req_0"),
    "another time": lambda entry, now: update(AuditEntry).where(AuditEntry.id == entry.id).values(at=now),
    "other details": lambda entry, _: (
        update(AuditDetail).where(AuditDetail.entry_id == entry.id).values(body={"actor": "Ada", "fields": {}})
    ),
    "an entry cut out": lambda entry, _: delete(AuditEntry).where(AuditEntry.id == entry.id),
    "the end cut off": lambda entry, _: delete(AuditEntry).where(
        AuditEntry.chain == entry.chain, AuditEntry.number > entry.number
    ),
    "everything cut off": lambda entry, _: delete(AuditEntry).where(AuditEntry.chain == entry.chain),
    "a head moved back": lambda entry, _: (
        update(AuditHead).where(AuditHead.chain == entry.chain).values(number=entry.number, hash=entry.hash)
    ),
    "the head removed": lambda entry, _: delete(AuditHead).where(AuditHead.chain == entry.chain),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_found(world, tampering):
    found = tell(world, count=4)
    world.clock.advance(hours=1)
    with world.behind_the_triggers() as tx:
        if world.db.sqlite:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
        if "cut" in tampering:
            tx.execute(delete(AuditObject))
            tx.execute(delete(AuditDetail))
        tx.execute(TAMPERINGS[tampering](found[1], world.clock.now))

    assert walk(world).broken_at is not None


def test_a_salt_that_is_none_is_a_broken_entry_and_no_fault_of_ours(world):
    found = tell(world)
    with world.behind_the_triggers() as tx:
        tx.execute(update(AuditDetail).where(AuditDetail.entry_id == found[1].id).values(salt="zz"))

    assert walk(world).broken_at == 2


def test_what_an_event_is_about_is_found_by_its_fields():
    fields = {"key_id": "k", "member_id": "m", "gateway_request_id": "r", "control": "Prompt logging", "count": 3}

    assert objects_of({**fields, "name": "n", "session_id": "", "x_id": None, "y_id": "y" * 65}) == [
        ("key", "k"),
        ("person", "m"),
        ("request", "r"),
        ("control", "Prompt logging"),
    ]


def test_two_writers_at_once_make_one_unbroken_chain(world):
    before, faults = len(entries(world, world.northwind)), []

    def write():
        try:
            tell(world, count=10)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert [entry.number for entry in entries(world, world.northwind)] == list(range(1, before + 21))
    assert walk(world).broken_at is None


@pytest.fixture
def operate(world, monkeypatch):
    """Run an operator's command on the world's database."""
    monkeypatch.setenv("ANUMA_INSTANCE", str(world.settings.instance))
    monkeypatch.setenv("ANUMA_DATABASE_URL", world.settings.database_url)
    return lambda *command: CliRunner().invoke(main, list(command))


def test_an_operator_is_told_that_every_chain_holds(world, operate):
    result = operate("audit", "verify")

    assert result.exit_code == 0
    assert f"{world.northwind}: 5 entries hold, 0 with details erased" in result.output


def test_an_operator_is_told_where_a_chain_is_broken(world, operate):
    found = tell(world)
    with world.behind_the_triggers() as tx:
        tx.execute(update(AuditEntry).where(AuditEntry.id == found[2].id).values(event="key.revoked"))

    result = operate("audit", "verify", "--account", str(world.northwind))

    assert result.exit_code == 1
    assert f"{world.northwind}: broken at entry 3: an entry was changed" in result.output
