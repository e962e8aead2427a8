"""Exports: made in the background, for one person, for a day, of what that person may read."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from anuma_dash.audit import Event
from anuma_dash.db import new_id
from anuma_dash.errors import NotAllowed
from anuma_dash.features.activity import export, export_making, export_rows
from anuma_dash.features.activity.models import ActivityExport, ActivityExportChunk
from anuma_dash.features.activity.offline import verify_file
from anuma_dash.identity import Membership, User
from anuma_dash.settings import VaultKey
from anuma_dash.vault import Vault, rotate
from tests.features.activity.steps import lines, log, run_schedules
from tests.features.data_controls.steps import switch


def ask(world, person, query="", format="csv"):
    """Ask for an export on the page; the browser then shows it."""
    page = world.browser(person).visit(f"/activity/exports/new{query}")
    return page.submit("Make the export", format=format)


def file_of(page) -> str:
    """Press Download."""
    form = page.one("form[action$='/download']")
    answer = page.request("POST", form["action"], data={"csrf_token": page.csrf_token()})
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.content_length == len(answer.data)
    return answer.data.decode()


def table_of(page) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file_of(page))))


def set_role(world, person, role):
    with world.db.transaction() as tx:
        tx.execute(update(Membership).where(Membership.user_id == person.id).values(role=role))


def test_the_story_of_an_export(world, browse):
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity?what=control")
    page.follow("Export what fits these filters")
    assert "Data controls" in page.one("#new-export").text
    nonsense = {"csrf_token": page.csrf_token(), "token": str(new_id()), "format": "pdf"}
    answer = page.request("POST", "/activity/exports", data=nonsense)
    assert (answer.status_code, "Choose CSV or JSON Lines." in answer.text) == (422, True)
    page.submit("Make the export", format="csv")
    assert "Being made" in page.text
    assert "You can close this page" in page.text
    world.run_worker()
    page.poll("#export")
    assert "2 entries" in page.one("#file").text
    rows = table_of(page)
    assert [row["sentence"].split(" (")[0] for row in rows] == [
        "asked to change Prompt logging from off to on",
        "Prompt logging is on, confirmed by the gateway",
    ]
    assert [rows[0]["actor"], rows[0]["before"], rows[0]["after"]] == ["Olive Lindqvist", "off", "on"]
    page.visit("/activity/exports")
    assert page.table("Exports")[0]["State"] == "Ready"
    page.visit("/activity?what=activity")
    assert "downloaded an export of the activity: 2 entries, CSV" in lines(page)[0]
    assert "asked for an export of the activity: CSV" in lines(page)[1]


def test_times_are_in_utc_and_in_the_persons_own_zone(world):
    with world.db.transaction() as tx:
        tx.get_one(User, world.olive.id).time_zone = "Asia/Kolkata"
    page = ask(world, world.olive)
    world.run_worker()
    row = table_of(page.reload())[0]
    assert row["time_utc"].endswith("+00:00")
    assert row["time_local"].endswith("+05:30")
    assert row["time_zone"] == "Asia/Kolkata"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"])
def test_no_cell_is_a_formula(world, name, engine):
    if engine != "sqlite":
        assert export_rows.cell(name).startswith("'")
        return
    actor = replace(world.olive, name=name)
    log(world, actor, Event.MEMBER_ADDED, member=name, member_id=new_id(), role="viewer")
    page = ask(world, world.olive, "?what=people")
    world.run_worker()
    last = table_of(page.reload())[-1]
    assert last["actor"] == f"'{name}"


def test_a_whole_chain_verifies_without_us(world):
    page = ask(world, world.olive, format="jsonl")
    log(world, world.dev, Event.SIGNED_OUT, session_id="afterwards")
    world.run_worker()
    text = file_of(page.reload())
    header, *entries, end = map(json.loads, text.splitlines())
    assert (header["complete"], header["entries"], end["entries"]) == (True, 6, 6)
    assert entries[-1]["hash"] == header["head"]
    assert entries[-1]["body"]["fields"]["export_id"] == page.path.rsplit("/", 1)[-1]
    assert "afterwards" not in text, "it holds what had happened until it was asked for"
    found = verify_file(text.splitlines())
    assert (found.fault, found.complete, found.entries, found.erased) == ("", True, 6, 0)


def test_it_is_made_in_stretches_and_goes_on_after_a_kill(world, monkeypatch):
    monkeypatch.setattr(export_making, "STRETCH", 2)
    page = ask(world, world.olive, format="jsonl")
    seal, calls = Vault.seal, []

    def dying(self, row, plaintext):
        if isinstance(row, ActivityExportChunk):
            calls.append(row.number)
            if len(calls) == 3:
                raise KeyboardInterrupt
        seal(self, row, plaintext)

    monkeypatch.setattr(Vault, "seal", dying)
    with pytest.raises(KeyboardInterrupt):
        world.run_worker()
    assert "4 of 6" in page.reload().text
    assert not page.offers("Download")
    assert world.run_worker() == 0, "the lease of the dead attempt has not ended"
    world.clock.advance(seconds=21)
    world.run_worker()
    assert calls == [0, 1, 2, 2, 3]
    found = verify_file(file_of(page.reload()).splitlines())
    assert (found.fault, found.entries) == ("", 6)


def test_the_file_is_sealed_in_the_database_and_rotates_with_the_vault(world):
    page = ask(world, world.olive)
    world.run_worker()
    (chunk,) = world.rows(ActivityExportChunk)
    assert b"Olive" not in chunk.ciphertext
    new = VaultKey(id="test-2", path=Path("none"), secret=bytes(range(1, 33)))
    world.restart(vault_keys=(new, *world.settings.vault_keys))
    rotated = {one.table: one.rewrapped for one in rotate(world.db, Vault.from_settings(world.settings))}
    assert rotated["activity_export_chunks"] == 1
    assert "Olive Lindqvist" in file_of(world.browser(world.olive).visit(page.path))


def test_it_is_destroyed_after_a_day(world):
    page = ask(world, world.olive)
    world.run_worker()
    world.clock.advance(hours=23, minutes=59)
    run_schedules(world)
    page = world.browser(world.olive).visit(page.path)
    file_of(page)
    form = page.one("form[action$='/download']")
    world.clock.advance(minutes=1)
    answer = page.request("POST", form["action"], data={"csrf_token": page.csrf_token()})
    assert answer.status_code == 409
    assert "cannot be downloaded any more" in page.reload().text
    run_schedules(world)
    assert "The file is destroyed." in page.reload().text
    assert world.rows(ActivityExportChunk) == []


def test_others_do_not_get_it(world):
    page = ask(world, world.olive)
    world.run_worker()
    action = page.reload().one("form[action$='/download']")["action"]
    for person in (world.ada, world.strange):
        other = world.browser(person).visit("/activity")
        assert other.request("GET", page.path).status_code == 404
        assert other.request("POST", action, data={"csrf_token": other.csrf_token()}).status_code == 404
        assert "No exports yet" in other.visit("/activity/exports").text


def test_downloading_asks_for_a_fresh_sign_in(world):
    page = ask(world, world.olive)
    world.run_worker()
    world.clock.advance(minutes=11)
    page.reload()
    answer = page.request(
        "POST", page.one("form[action$='/download']")["action"], data={"csrf_token": page.csrf_token()}
    )
    assert answer.status_code == 303
    assert "/sign-in/reauthentication" in answer.headers["Location"]
    assert page.request("GET", "/activity/exports/new").status_code == 303


def test_own_acts_are_all_that_a_viewer_exports(world):
    log(world, world.vera, Event.SIGNED_IN, provider="sandbox", session_id="s")
    page = ask(world, world.vera, f"?who={world.olive.id}")
    world.run_worker()
    rows = table_of(page.reload())
    assert {row["actor"] for row in rows} == {world.vera.name}
    assert len(rows) == 2


def test_a_role_lost_before_it_is_made_refuses_it(world):
    page = ask(world, world.ada)
    set_role(world, world.ada, "viewer")
    world.run_worker()
    page.reload()
    assert "Refused" in page.text
    assert "Your role no longer lets you read the account’s activity." in page.text
    assert world.rows(ActivityExportChunk) == []


def test_a_member_who_left_or_was_suspended_gets_nothing(world):
    ask(world, world.ada), ask(world, world.bill)
    with world.db.transaction() as tx:
        tx.execute(delete(Membership).where(Membership.user_id == world.ada.id))
        tx.get_one(User, world.bill.id).status = "suspended"
    world.run_worker()
    refused = world.rows(ActivityExport)
    assert {row.last_failure for row in refused} == {"You are not a member of the account any more."}
    assert {row.state for row in refused} == {"refused"}


def test_a_role_lost_before_it_is_downloaded_refuses_the_download(world):
    page = ask(world, world.ada)
    world.run_worker()
    action = page.reload().one("form[action$='/download']")["action"]
    set_role(world, world.ada, "viewer")
    answer = page.request("POST", action, data={"csrf_token": page.csrf_token()})
    assert answer.status_code == 403
    assert "Your role here is viewer" in answer.text


def test_staff_never_export(world):
    staff = replace(world.olive.actor, kind="staff", support_session_id=new_id())
    with pytest.raises(NotAllowed, match="never for staff"):
        export.request_export(world.services.context, staff, world.northwind, "csv", {}, "UTC", token=new_id())
    with pytest.raises(NotAllowed, match="never for staff"):
        export.download_export(world.services.context, staff, world.northwind, new_id())


def test_asking_twice_exports_once_and_too_much_is_refused(world):
    context, token = world.services.context, new_id()
    for _ in range(2):
        export.request_export(context, world.olive.actor, world.northwind, "csv", {}, "UTC", token=token)
    assert len(world.rows(ActivityExport)) == 1
    for _ in range(2):
        ask(world, world.olive)
    page = ask(world, world.olive)
    assert page.status == 409
    assert "3 of your exports are being made already" in page.text
    page = ask(world, world.ada, "?from=nonsense")
    assert page.status == 422


def test_filters_and_days_reach_the_file(world):
    start = world.clock.now
    log(world, world.dev, Event.SIGNED_IN, provider="sandbox", session_id="s")
    world.clock.advance(days=2)
    log(world, world.dev, Event.SIGNED_OUT, session_id="s")
    query = f"?what=session&who={world.dev.id}&object=session:s&from={start:%Y-%m-%d}&to={start:%Y-%m-%d}"
    page = ask(world, world.olive, query, "jsonl")
    world.run_worker()
    text = file_of(page.reload())
    header, *entries, _ = map(json.loads, text.splitlines())
    assert (header["complete"], len(entries)) == (False, 1)
    assert verify_file(text.splitlines()).fault == ""
    assert "Each entry by itself" in page.text
    for nonsense in ("what=nonsense", "who=nonsense", "object=nonsense", "to=nonsense"):
        assert ask(world, world.olive, f"?{nonsense}").status == 422, nonsense
    nothing = ask(world, world.olive, "?what=deletion")
    world.run_worker()
    assert "0 entries" in nothing.reload().text


def test_a_large_export_is_read_a_stretch_at_a_time(world, monkeypatch):
    """The database is asked for a stretch, never for everything: what is held at once does not grow with the chain."""
    monkeypatch.setattr(export_making, "STRETCH", 3)
    for _ in range(8):
        log(world, world.dev, Event.SIGNED_OUT, session_id="s")
    held, stretch = [], export_rows.stretch

    def noting(row, rows, *more):
        rows = list(rows)
        held.append(len(rows))
        return stretch(row, rows, *more)

    monkeypatch.setattr(export_rows, "stretch", noting)
    ask(world, world.olive)
    world.run_worker()
    assert held == [3, 3, 3, 3, 2]
    (made,) = world.rows(ActivityExport)
    assert made.rows_done == made.rows_known == 14
