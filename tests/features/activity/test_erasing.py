"""Personal details go, by person or by their age; the chain holds, in the database and in files."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner

from anuma_dash.audit import SYSTEM_CHAIN, AuditDetail, AuditEntry, AuditObject, Event, erase_details, record, verify
from anuma_dash.cli import main
from anuma_dash.db import new_id
from anuma_dash.features.activity import export_rows, retention
from anuma_dash.features.activity.models import ActivityExport, DetailExpiry
from anuma_dash.features.activity.offline import verify_file
from anuma_dash.identity import OPERATOR
from tests.features.activity.steps import lines, log, run_schedules
from tests.features.data_controls.steps import switch
from tests.processes import ROOT


@pytest.fixture
def operate(world, monkeypatch):
    """Run an operator's command on the world's database."""
    monkeypatch.setenv("ANUMA_INSTANCE", str(world.settings.instance))
    monkeypatch.setenv("ANUMA_DATABASE_URL", world.settings.database_url)
    return lambda *command, **more: CliRunner().invoke(main, list(command), **more)


def holds(world, chain=None):
    with world.db.reading() as tx:
        return verify(tx, chain or world.northwind).broken_at is None


def whole_file(world) -> list[str]:
    """The chain of Northwind Labs as the lines of an export."""
    with world.db.reading() as tx:
        rows = [(entry, tx.get(AuditDetail, entry.id)) for entry in world.rows(AuditEntry, chain=world.northwind)]
    rows.sort(key=lambda row: row[0].number)
    made = ActivityExport(account_id=world.northwind, format="jsonl", filters={}, own_only=False, up_to=len(rows))
    made.requested_at, made.rows_done = world.clock.now, len(rows)
    text = export_rows.beginning(made, rows[-1][0].hash) + export_rows.stretch(made, rows, None)
    return (text + export_rows.ending(made)).splitlines()


def test_what_entries_say_of_a_person_is_erased_and_everything_still_holds(world, browse, operate):
    log(world, world.dev, Event.SIGNED_IN, provider="sandbox", session_id="s")
    log(world, world.ada, Event.MEMBER_ADDED, member=world.dev.name, member_id=world.dev.id, role="admin")
    log(world, world.olive, Event.SIGNED_IN, provider="sandbox", session_id="s2")
    with world.db.transaction() as tx:
        fields = {"provider": "sandbox", "notices": "x"}
        record(tx, world.dev.actor, Event.USER_CREATED, at=world.clock.now, account_id=None, **fields)
    assert operate("audit", "erase", "--person", str(world.dev.id), input="n\n").exit_code == 1
    result = operate("audit", "erase", "--person", str(world.dev.id), input="y\n")
    assert "This cannot be undone" in result.output
    assert "Erased the details of 4 entries" in result.output, "being made a member is the first of them"
    page = browse(world.olive).visit("/activity")
    assert world.dev.name not in page.one("#activity-list").text
    said = lines(page)
    assert said[0].startswith("Operator erased what 3 entries of the activity said of a person")
    assert said[2].startswith("Details erased: Account and people, by a person")
    assert said[3].startswith("Details erased: Signing in and out, by a person")
    assert "192.0.2.14" not in said[3]
    assert said[1].startswith("Olive Lindqvist signed in")
    assert holds(world)
    assert holds(world, SYSTEM_CHAIN)
    found = verify_file(whole_file(world))
    assert (found.fault, found.erased) == ("", 3)
    page.visit("/activity?what=session")
    assert len(lines(page)) == 2, "they are still found by kind and day"
    assert not lines(page.visit(f"/activity?object=person:{world.dev.id}"))
    assert not lines(page.visit("/activity?object=session:s"))
    again = operate("audit", "erase", "--person", str(world.dev.id), "--yes")
    assert "Erased the details of 0 entries" in again.output


def test_a_control_is_nobodys_and_stays_a_way_to_find_entries(world):
    switch(world, world.olive, True)
    with world.db.transaction() as tx:
        assert erase_details(tx, OPERATOR, world.olive.id, at=world.clock.now) == 1
    page = world.browser(world.ada).visit("/activity?object=control:Prompt logging")
    assert [line.startswith("Details erased: Data controls") for line in lines(page)] == [False, True]


def past_period(world):
    """Two years and a day later, with two entries of that day."""
    world.clock.advance(days=731)
    log(world, world.ada, Event.SIGNED_IN, provider="sandbox", session_id="new")
    log(world, world.dev, Event.SIGNED_IN, provider="sandbox", session_id="new")


def test_details_expire_and_the_chain_holds(world, browse, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    log(world, world.dev, Event.SIGNED_IN, provider="sandbox", session_id="old")
    past_period(world)
    before = lines(browse(world.olive).visit("/activity"))
    assert [line.startswith("Details erased") for line in before[2:]] == [True] * 6, "before the purge has run, too"
    assert "Nothing fits" in browse(world.olive).visit("/activity?object=session:old").text
    run_schedules(world)
    remaining = world.rows(AuditDetail)
    assert {detail.body["actor"] for detail in remaining} == {"Anuma", "Ada Moreau", "Dev Kapoor"}
    assert "old" not in {row.object_id for row in world.rows(AuditObject)}
    page = browse(world.olive).visit("/activity")
    assert "The details of 2 entries of the activity were erased, older than 730 days" in lines(page)[0]
    assert sum("were erased, older than" in line for line in lines(page)) == 3
    assert holds(world)
    assert holds(world, world.elsewhere)
    world.clock.advance(hours=1)
    run_schedules(world)
    assert "Verified to entry 11" in page.reload().text
    assert verify_file(whole_file(world)).erased == 6


def test_the_purge_may_be_killed_and_counts_each_entry_once(world, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    past_period(world)
    write, calls = retention.record, []

    def dying(*arguments, **fields):
        calls.append(fields["count"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(*arguments, **fields)

    monkeypatch.setattr(retention, "record", dying)
    with pytest.raises(KeyboardInterrupt):
        run_schedules(world)
    world.clock.advance(seconds=21)
    world.run_worker()
    (row,) = world.rows(DetailExpiry)
    counted = [
        detail.body["fields"]["count"] for detail in world.rows(AuditDetail) if detail.body["fields"].get("days") == 730
    ]
    assert row.erased == sum(counted) == 6
    assert row.finished_at is not None
    assert holds(world)


def test_once_a_day_and_only_if_there_is_something(world):
    run_schedules(world)
    assert world.rows(DetailExpiry) == []
    past_period(world)
    for _ in range(3):
        run_schedules(world)
    assert len(world.rows(DetailExpiry)) == 1
    assert len([e for e in world.rows(AuditEntry) if e.event == "activity.details_expired"]) == 2, "one an account"
    world.clock.advance(days=731)
    run_schedules(world)
    told = [e for e in world.rows(AuditEntry, chain=world.elsewhere) if e.event == "activity.details_expired"]
    assert len(told) == 1, "what the purge says of itself is kept, so it is not purged in its turn for ever"


def test_an_erased_entry_is_erased_in_files_as_well(world):
    log(world, world.dev, Event.SIGNED_IN, provider="sandbox", session_id="old")
    past_period(world)
    (entry,) = world.rows(AuditEntry, chain=world.northwind, number=6)
    with world.db.reading() as tx:
        detail = tx.get_one(AuditDetail, entry.id)
    made = ActivityExport(format="csv", time_zone="UTC")
    cut = world.clock.now - timedelta(days=730)
    assert "Details erased" in export_rows.stretch(made, [(entry, detail)], cut)
    assert "Dev Kapoor" not in export_rows.stretch(made, [(entry, detail)], cut)
    made.format = "jsonl"
    assert '"body":null' in export_rows.stretch(made, [(entry, detail)], cut)


def test_the_command_verifies_a_file(world, operate, tmp_path):
    with world.db.transaction() as tx:
        erase_details(tx, OPERATOR, world.dev.id, at=world.clock.now)
    good = whole_file(world)
    file = tmp_path / "activity.jsonl"
    file.write_text("\n".join(good) + "\n")
    result = operate("audit", "verify-file", str(file))
    assert result.exit_code == 0
    assert "6 entries hold, 1 with details erased. The chain is whole from its first entry to entry 6." in result.output
    file.write_text("\n".join(line.replace('"complete":true', '"complete":false') for line in good))
    assert "it cannot show what is missing" in operate("audit", "verify-file", str(file)).output
    for what, lines_of in TAMPERED.items():
        bad = lines_of(list(good))
        file.write_text("\n".join(bad))
        result = operate("audit", "verify-file", str(file))
        assert (result.exit_code, "broken at line" in result.output) == (1, True), what
    for hostile in (
        "[" * 100_000,
        good[1].replace('"number":1', '"number":1e999'),
        '{"type":"entry","number":Infinity}',
    ):
        file.write_text("\n".join([good[0], hostile, *good[2:]]))
        result = operate("audit", "verify-file", str(file))
        assert "broken at line 2, behind entry 0: this line cannot be read" in result.output
    file.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in operate("audit", "verify-file", str(file)).output


def test_a_file_is_verified_where_there_is_nothing_of_a_deployment(world, tmp_path):
    file = tmp_path / "activity.jsonl"
    file.write_text("\n".join(whole_file(world)))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "anuma_dash", "audit", "verify-file", str(file)],
        cwd=elsewhere,
        env={"PYTHONPATH": str(ROOT), "ANUMA_ENV": "production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, "5 entries hold" in result.stdout) == (0, True), result.stderr
    assert list(elsewhere.iterdir()) == []


def without(line):
    return lambda lines: lines[:line] + lines[line + 1 :]


def instead(line, old, new):
    return lambda lines: [*lines[:line], lines[line].replace(old, new), *lines[line + 1 :]]


TAMPERED = {
    "an entry is missing": without(2),
    "the first entry is missing": without(1),
    "the last entry is missing": without(-2),
    "the end is missing": lambda lines: lines[:-1],
    "the head is another": instead(0, '"head":"', '"head":"0'),
    "an entry was changed": instead(3, "member.added", "member.removed"),
    "its details were changed": instead(2, "Ada Moreau", "Eve Moreau"),
    "its salt is none": instead(2, '"salt":"', '"salt":"z'),
    "another chain": instead(1, '"chain":"', f'"chain":"{new_id()}", "x":"'),
    "two entries changed places": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "a line is no JSON": instead(4, "{", ""),
    "a line is a list": lambda lines: [*lines[:2], "[]", *lines[2:]],
    "a body is a list": instead(2, '"body":{', '"body":[1],"x":{'),
    "another format": instead(0, "anuma-activity/1", "anuma-activity/9"),
    "something behind the end": lambda lines: [*lines, lines[-2]],
    "the count is wrong": instead(7, '"entries":6', '"entries":5'),
    "nothing at all": lambda lines: [],
}
