"""The request log's filters: every pair is read by the index of the narrower one, on both databases."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Integer, event, insert, text

from anuma_dash.embedded.gateway.identifiers import uuid7
from anuma_dash.embedded.gateway.tables import requests

ROWS, RARE = 3000, 150
"""So many rows, and one in so many has what is rare: twenty, fewer than a page."""


@pytest.fixture(scope="module")
def log(running):
    """An account, its log, and filters: of each kind a rare one and a usual one, with the index each is read by."""
    dashboard, now = running.dashboard, running.gateway.now()
    account = dashboard.new_account()
    usual, rare = (UUID(dashboard.new_key(account)["id"]) for _ in range(2))
    person = uuid7(now)
    numbers = {column.name: 1 for column in requests.columns if isinstance(column.type, Integer)}
    words = {column.name: "" for column in requests.columns} | numbers | {"conversation_id": None}
    rows = []
    for number in range(ROWS):
        at, is_rare = now - timedelta(seconds=ROWS - number), number % RARE == 0
        rows.append(
            words
            | {"id": uuid7(at), "account_id": account, "created_at": at, "streamed": False, "is_test": False}
            | {"key_id": rare if is_rare else usual, "created_by": person if is_rare else None}
            | {"status": 500 if is_rare else 200, "status_class": 5 if is_rare else 2, "outcome": "completed"}
            | {"model": "rare" if is_rare else "usual", "content_stored": not is_rare and number % 2 == 0}
            | {
                "environment": "live",
                "content_level": "account",
                "error_class": None,
                "usage_source": "none",
                "pricing_source": "none",
            }
        )
    with running.gateway.stores.main.write() as connection:
        connection.execute(insert(requests), rows)
        connection.execute(text("ANALYZE"))
    filters = {
        "rare key": ({"key": rare}, "ix_requests_key"),
        "usual key": ({"key": usual}, "ix_requests_key"),
        "rare model": ({"model": "rare"}, "ix_requests_model"),
        "usual model": ({"model": "usual"}, "ix_requests_model"),
        "rare person": ({"person": person}, "ix_requests_person"),
        "rare status": ({"status_class": "5xx"}, "ix_requests_status"),
        "usual status": ({"status_class": "2xx"}, "ix_requests_status"),
        "stored": ({"content": "stored"}, "ix_requests_content"),
        "not stored": ({"content": "not_stored"}, "ix_requests_content"),
    }
    yield account, rows, filters
    with running.gateway.stores.main.write() as connection:
        connection.execute(requests.delete().where(requests.c.account_id == account))


@contextmanager
def plans(running):
    """How the database reads each page that is asked for meanwhile."""
    engine, found = running.gateway.stores.main._reading, []

    def explain(connection, _cursor, statement, parameters, _context, _many):
        if "JOIN api_keys" in statement and not statement.startswith("EXPLAIN"):
            command = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
            cursor = connection.connection.dbapi_connection.cursor()
            cursor.execute(f"{command} {statement}", parameters)
            found.append("\n".join(str(line[-1]) for line in cursor.fetchall()))

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def fits(row, wanted):
    return all(
        {
            "key": row["key_id"] == value,
            "model": row["model"] == value,
            "person": row["created_by"] == value,
            "status_class": f"{row['status_class']}xx" == value,
            "content": row["content_stored"] == (value == "stored"),
        }[name]
        for name, value in wanted.items()
    )


def test_every_pair_is_read_by_the_narrower_index(running, dashboard, log):
    account, rows, filters = log
    for (first, (one, _)), (second, (other, _)) in itertools.combinations(filters.items(), 2):
        wanted = one | other
        if len(wanted) < 2:
            continue  # two values of one filter
        with plans(running) as found:
            shown = dashboard.requests(account, **{name: str(value) for name, value in wanted.items()})
        expected = [str(row["id"]) for row in reversed(rows) if fits(row, wanted)]
        assert [row["id"] for row in shown] == expected[:50], f"{first}, {second}"
        narrow = {filters[name][1] for name in (first, second) if name.startswith("rare")}
        if narrow:
            if not running.gateway.stores.main.one_writer:
                narrow.add("(id <")  # PostgreSQL knows that nothing is old enough to be past its period
            assert found
            assert all(any(index in plan for index in narrow) for plan in found), f"{first}, {second}: {found}"


def test_one_filter_is_read_by_its_own_index(running, dashboard, log):
    account, _, filters = log
    for name, (wanted, index) in filters.items():
        with plans(running) as found:
            dashboard.requests(account, **{key: str(value) for key, value in wanted.items()})
        if running.gateway.stores.main.one_writer or name.startswith("rare"):
            assert all(index in plan for plan in found), f"{name}: {found}"
