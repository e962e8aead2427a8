"""The database: transactions that last, views that only read, times with a zone, and an account's own rows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, StatementError

from anuma_dash.db import Database, new_id, owned
from anuma_dash.identity import Account, Membership, User

NOON = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def db(database_url):
    database = Database(database_url)
    yield database
    database.dispose()


def user(name="Olive", created_at=NOON):
    return User(id=new_id(), name=name, created_at=created_at, attested_age_at=created_at)


def names(db):
    with db.reading() as tx:
        return sorted(tx.scalars(text("SELECT name FROM users")))


def statements(db):
    seen = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    return seen


def test_what_is_written_in_a_transaction_is_there_afterwards(db):
    with db.transaction() as tx:
        tx.add(user())

    assert names(db) == ["Olive"]


def test_an_error_inside_a_transaction_takes_everything_back(db):
    def fail_halfway():
        with db.transaction() as tx:
            tx.add(user())
            tx.flush()
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()

    assert names(db) == []


def test_a_reading_view_refuses_to_write(db):
    with db.reading() as tx:
        tx.add(user())
        with pytest.raises(RuntimeError, match="cannot write"):
            tx.flush()

    assert names(db) == []


def test_a_time_without_a_zone_is_refused(db):
    with pytest.raises(StatementError, match="without a time zone"), db.transaction() as tx:
        tx.add(user(created_at=datetime(2025, 11, 22, 12, 0)))  # noqa: DTZ001 - the mistake that is refused


def test_times_come_back_in_utc_from_every_zone(db):
    with db.transaction() as tx:
        tx.add(user(created_at=datetime(2025, 11, 22, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))))

    with db.reading() as tx:
        found = tx.query(User).one().created_at
    assert (found, found.utcoffset()) == (NOON.replace(microsecond=123456), timedelta(0))


def test_a_row_must_point_at_rows_that_exist(db):
    with pytest.raises(IntegrityError), db.transaction() as tx:
        tx.add(Membership(account_id=new_id(), user_id=new_id(), role="owner", created_at=NOON))


def test_identifiers_sort_by_the_time_they_were_made():
    made = [new_id() for _ in range(100)]

    assert made == sorted(made)
    assert {identifier.version for identifier in made} == {7}


def test_owned_finds_only_the_rows_of_one_account(world):
    with world.db.reading() as tx:
        northwind = {row.user_id for row in tx.scalars(owned(Membership, world.northwind))}
        elsewhere = {row.user_id for row in tx.scalars(owned(Membership, world.elsewhere))}
        nobody = list(tx.scalars(owned(Membership, UUID(int=1))))

    assert northwind == {person.id for person in world.people.values() if person.account_id == world.northwind}
    assert elsewhere == {world.strange.id}
    assert nobody == []


def test_an_account_is_of_a_known_kind_and_status(db):
    for wrong in ({"kind": "cult"}, {"status": "asleep"}):
        with pytest.raises(IntegrityError), db.transaction() as tx:
            tx.add(Account(**({"id": new_id(), "kind": "personal", "name": "Olive", "created_at": NOON} | wrong)))


def test_forty_writers_at_once_all_get_their_turn(db):
    faults = []

    def write(number):
        try:
            with db.transaction() as tx:
                known = tx.query(User).count()
                tx.add(user(f"{number:02} after {known}"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(names(db)) == 40


class TestSQLite:
    """What only SQLite has to be told."""

    @pytest.fixture
    def db(self, engines, tmp_path):
        database = Database(engines("sqlite").fresh(tmp_path))
        yield database
        database.dispose()

    def test_a_write_transaction_takes_the_lock_at_once_and_a_view_does_not(self, db):
        seen = statements(db)
        with db.transaction() as tx:
            tx.add(user())
        with db.reading() as tx:
            tx.query(User).count()

        assert [statement for statement in seen if statement.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]

    @pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
    def test_what_a_person_is_told_is_on_disk_before_they_are_told(self, db, durable, level):
        with db.transaction(durable=not durable) as tx:
            tx.add(user())
        with db.transaction(durable=durable) as tx:
            assert tx.scalar(text("PRAGMA synchronous")) == level

    @pytest.mark.parametrize(
        ("pragma", "value"),
        [("foreign_keys", 1), ("secure_delete", 1), ("journal_mode", "wal"), ("busy_timeout", 5000)],
    )
    def test_every_connection_is_prepared(self, db, pragma, value):
        with db.reading() as tx:
            assert tx.scalar(text(f"PRAGMA {pragma}")) == value

    def test_deleted_words_leave_no_bytes_in_the_file(self, db, tmp_path):
        canary = "the-canary-in-the-database"
        with db.transaction() as tx:
            tx.add(user(canary))
        with db.transaction() as tx:
            tx.query(User).delete()
        with db.engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.dispose()

        files = list(tmp_path.glob("dashboard.sqlite*"))
        assert files
        assert not any(canary.encode() in file.read_bytes() for file in files)
