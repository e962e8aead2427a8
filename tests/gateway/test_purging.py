"""The scheduled purge: of each control, by period and holds as they are at that moment, counted and shown."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from anuma_dash.embedded.gateway.content_tables import purge_schedule, purges
from anuma_dash.embedded.gateway.policy import CONTROL_NAMES
from anuma_dash.embedded.gateway.purging import Purging
from anuma_dash.embedded.gateway.schedule import due_in_seconds, next_purge, schedule_after, schedule_first
from tests.gateway.keeping import (
    CATEGORIES,
    hold,
    keep_conversation,
    keep_everything,
    keep_memory,
    left,
    nothing,
)
from tests.gateway.test_deleting_every_kind import unreadable_holds

OF = dict(zip(CONTROL_NAMES, ("request_content", "conversations", "traces", "evaluations", "memories"), strict=True))


@pytest.fixture
def account(dashboard):
    account = dashboard.new_account()
    keep_for(dashboard, account, 30)
    return account


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def keep_for(dashboard, account, days, *, people=None, **periods):
    """Every control on, with this period or its own."""
    epoch = dashboard.get(account, "/controls")["epoch"] + 1
    controls = {name: {"enabled": True, "retention_days": periods.get(name, days)} for name in CONTROL_NAMES}
    response = dashboard.put_controls(account, epoch, controls=controls, people=people or {})
    assert response.status_code == 200, response.text


def runs(dashboard, account, **claims):
    return dashboard.get(account, "/data-state", claims=claims or None)["purges"]


def inventory(dashboard, account, **claims):
    rows = dashboard.get(account, "/inventory", claims=claims or None)["rows"]
    return {(row["category"], row["owner"]): row for row in rows}


@pytest.mark.parametrize("control", CONTROL_NAMES)
def test_what_is_past_its_period_goes_and_the_rest_stays(running, dashboard, account, key, control):
    keep_for(dashboard, account, None, **{control: 1})
    request = keep_everything(running, account, key, "words past their period")
    Purging(running.gateway).run()
    assert left(running.gateway, account) == dict.fromkeys(CATEGORIES, 1)
    running.clock.advance(days=1, seconds=1)
    row = inventory(dashboard, account)[OF[control], "account"]
    assert (row["count"], row["expired_not_purged"], row["retention_days"]) == (1, 1, 1)
    Purging(running.gateway).run()
    assert left(running.gateway, account) == dict.fromkeys(CATEGORIES, 1) | {OF[control]: 0}
    (run,) = runs(dashboard, account)
    assert (run["category"], run["count"], run["held"], run["state"]) == (OF[control], 1, 0, "done")
    assert run["finished_at"] is not None
    row = inventory(dashboard, account)[OF[control], "account"]
    assert (row["count"], row["bytes"], row["expired_not_purged"], row["oldest"]) == (0, 0, 0, None)
    shown = dashboard.get(account, f"/requests/{request}")["controls"]
    if control in ("prompt_logging", "traces"):
        assert (shown[control]["stored"], shown[control]["rule"]) == (False, "expired")
    Purging(running.gateway).run()
    assert len(runs(dashboard, account)) == 1, "with nothing to do there is no run to show"


def test_each_persons_own_period(running, dashboard, account, key):
    long, short, unset = (uuid4() for _ in range(3))
    people = {
        str(long): {"memories": {"enabled": True, "retention_days": None}},
        str(short): {"memories": {"enabled": False, "retention_days": 7}},
    }
    keep_for(dashboard, account, None, people=people)
    for owner in (long, short, unset, account):
        keep_memory(running.gateway, account, f"the memory of {owner}", owner)
    running.clock.advance(days=8)
    Purging(running.gateway).run()
    assert left(running.gateway, account)["memories"] == 3
    running.clock.advance(days=23)
    Purging(running.gateway).run()
    assert left(running.gateway, account)["memories"] == 2, "who has chosen nothing has 30 days"
    assert runs(dashboard, account, sub=str(long)) == []
    (run,) = runs(dashboard, account, sub=str(short))
    assert (run["category"], run["count"]) == ("memories", 1)
    assert runs(dashboard, account, sub=str(uuid4()), act={"sub": str(short)}, scope="metadata") == []


def test_a_conversations_period_counts_from_its_last_message(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    begun = running.clock()
    running.clock.advance(hours=23)
    keep_conversation(running.gateway, account, UUID(key["app_id"]), "still used", account, created_at=begun)
    running.clock.advance(hours=2)
    Purging(running.gateway).run()
    assert left(running.gateway, account)["conversations"] == 1


def in_steps(gateway, account, between, batch=1):
    """A run that does something between two batches."""
    purging = Purging(gateway)
    purging._batch = batch
    purging._accounts = lambda: iter([account])  # others of this gateway may have something past its period too
    step, steps = purging._step, []

    def stepped(*arguments):
        steps.append(step(*arguments))
        between(len(steps))
        return steps[-1]

    purging._step = stepped
    return purging


def test_a_longer_period_stops_a_purge_under_way(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    for number in range(4):
        keep_memory(running.gateway, account, f"memory {number}", account)
    running.clock.advance(days=2)

    def between(steps):
        if steps == 2:
            keep_for(dashboard, account, 90)

    in_steps(running.gateway, account, between).run()
    assert left(running.gateway, account)["memories"] == 2
    (run,) = runs(dashboard, account)
    assert (run["count"], run["state"]) == (2, "done")
    assert "made longer" in run["reason"]


def test_until_i_delete_it_stops_a_purge_under_way(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    for number in range(3):
        keep_memory(running.gateway, account, f"memory {number}", account)
    running.clock.advance(days=2)
    in_steps(running.gateway, account, lambda steps: keep_for(dashboard, account, None) if steps == 1 else None).run()
    assert left(running.gateway, account)["memories"] == 2
    assert "made longer" in runs(dashboard, account)[0]["reason"]


def test_a_period_shortened_twice_quickly(running, dashboard, account, key):
    keep_for(dashboard, account, 30)
    for days in (20, 5, 2):
        keep_memory(running.gateway, account, f"a memory of {days} days ago", account)
        running.clock.advance(days=1)
    running.clock.advance(days=5)

    def between(steps):
        if steps == 1:
            keep_for(dashboard, account, 1)

    keep_for(dashboard, account, 7)
    in_steps(running.gateway, account, between).run()
    assert left(running.gateway, account)["memories"] == 0
    assert [run["count"] for run in runs(dashboard, account)] == [3]


@pytest.mark.parametrize("where", ["destroy_keys", "erase", "_end"])
def test_interrupted_anywhere_it_counts_once(running, dashboard, account, key, where, monkeypatch):
    from anuma_dash.embedded.gateway import contents, purging

    keep_for(dashboard, account, 1)
    for number in range(3):
        keep_memory(running.gateway, account, f"memory {number}", account)
    running.clock.advance(days=2)
    place = {"destroy_keys": contents.Vault, "erase": purging, "_end": Purging}[where]
    real, calls = getattr(place, where), []

    def dies(*arguments, **named):
        calls.append(1)
        answer = real(*arguments, **named)
        if len(calls) == (1 if where == "_end" else 2):
            raise SystemError("killed")
        return answer

    monkeypatch.setattr(place, where, dies)
    with pytest.raises(SystemError):
        in_steps(running.gateway, account, lambda _steps: None).run()
    (run,) = runs(dashboard, account)
    assert (run["state"], run["finished_at"]) == ("running", None)
    Purging(running.gateway).run()
    (run,) = runs(dashboard, account)
    assert (run["state"], run["count"]) == ("done", 3)
    assert left(running.gateway, account) == nothing()


def test_unreadable_holds_make_it_wait(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    keep_everything(running, account, key, "words past their period")
    running.clock.advance(days=2)
    before = left(running.gateway, account)
    with unreadable_holds(running.gateway):
        for _ in range(2):
            Purging(running.gateway).run()
        assert left(running.gateway, account) == before
        waiting = runs(dashboard, account)
        assert {run["category"] for run in waiting} == set(CATEGORIES)
        assert len(waiting) == len(CATEGORIES), "the second time goes on with the first one's"
        for run in waiting:
            assert (run["state"], run["count"], run["finished_at"]) == ("waiting", 0, None)
            assert "nothing is deleted" in run["reason"]
    Purging(running.gateway).run()
    assert left(running.gateway, account) == nothing()
    assert {(run["state"], run["count"], run["reason"]) for run in runs(dashboard, account)} == {("done", 1, "")}


def test_what_a_hold_keeps_is_counted(running, dashboard, account, key):
    keep_for(dashboard, account, None, prompt_logging=1)
    kept, gone = uuid4(), uuid4()
    own = dashboard.new_key(account, created_by=str(kept))
    other = dashboard.new_key(account, created_by=str(gone))
    running.chat(own["secret"], "a duty keeps this")
    running.chat(other["secret"], "nobody keeps this")
    hold(running.gateway, account, person=kept)
    running.clock.advance(days=2)
    for _ in range(2):
        Purging(running.gateway).run()
    (run,) = runs(dashboard, account)
    assert (run["count"], run["held"], run["state"]) == (1, 1, "done")
    assert inventory(dashboard, account)["request_content", "account"]["expired_not_purged"] == 1


def test_a_preview_counts_what_the_next_purge_takes(running, dashboard, account, key):
    me = uuid4()
    keep_everything(running, account, key, "words of ten days ago")
    keep_memory(running.gateway, account, "my own", me)
    running.clock.advance(days=10)
    keep_everything(running, account, key, "words of now")

    def preview(control, claims=None, **query):
        return dashboard.get(account, "/retention-preview", claims=claims, control=control, **query)

    for control in CONTROL_NAMES:
        found = preview(control, days=7)
        assert (found["count"], found["retention_days"]) == (1, 7), control
        assert found["bytes"] > 0
        assert found["oldest"] == found["newest"] is not None
        assert datetime.fromisoformat(found["next_purge"]) <= running.clock()
        assert preview(control, days=30)["count"] == 0
        assert preview(control, until_deleted="true")["count"] == 0
    assert preview("memories", days=7, owner="me", claims={"sub": str(me)})["count"] == 1
    assert preview("memories", days=7, owner="me", claims={"sub": str(uuid4())})["count"] == 0
    hold(running.gateway, account, category="traces")
    assert preview("traces", days=7)["count"] == 0
    response = dashboard.call("GET", account, "/retention-preview", params={"control": "memories", "owner": "me"})
    assert (response.status_code, response.json()["code"]) == (403, "no_person")


def test_nobody_sees_what_others_have(running, dashboard, account, key):
    me, somebody = uuid4(), uuid4()
    keep_memory(running.gateway, account, "mine", me)
    for _ in range(2):
        keep_memory(running.gateway, account, "somebody's", somebody)
    rows = inventory(dashboard, account, sub=str(me))
    assert rows["memories", "me"]["count"] == 1
    assert rows["memories", "account"]["count"] == 0
    in_session = inventory(dashboard, account, sub=str(me), act={"sub": str(somebody)}, scope="metadata")
    assert ("memories", "me") not in in_session
    assert in_session["memories", "account"]["count"] == 0


def test_evidence_is_of_each_control_and_of_ones_own_keys(running, dashboard, account, key):
    me = uuid4()
    own = dashboard.new_key(account, created_by=str(me))
    keep_everything(running, account, key, "of a service key")
    running.chat(own["secret"], "of my key")

    def evidence(**claims):
        found = dashboard.get(account, "/data-state", claims=claims or None)["evidence"]
        return {one["control"]: (one["looked_at"], one["stored_content"]) for one in found}

    assert evidence(sub=str(me))["prompt_logging"] == (2, 2)
    assert evidence(sub=str(me))["traces"] == (2, 2)
    assert evidence(sub=str(me))["memories"] == (1, 0)
    assert evidence()["memories"] == (1, 0), "what service keys sent"
    assert evidence(sub=str(uuid4()))["chat_history"] == (0, 0)


def test_old_runs_are_forgotten(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    keep_memory(running.gateway, account, "a memory", account)
    running.clock.advance(days=2)
    Purging(running.gateway).run()
    assert len(runs(dashboard, account)) == 1
    running.clock.advance(days=91)
    Purging(running.gateway).run()
    assert runs(dashboard, account) == []


def test_the_schedule_outlives_a_restart(running, dashboard, account):
    gateway = running.gateway.__class__.__new__(running.gateway.__class__)
    gateway.__dict__ |= running.gateway.__dict__
    gateway.settings = running.settings.model_copy(update={"purge_minutes": 15})
    with gateway.stores.main.write() as connection:
        connection.execute(purge_schedule.delete())
    try:
        schedule_first(gateway)
        with gateway.stores.main.read() as connection:
            planned = next_purge(connection, gateway)
        assert 0 < due_in_seconds(gateway) <= 900
        schedule_first(gateway)
        with gateway.stores.main.read() as connection:
            assert next_purge(connection, gateway) == planned, "a start puts nothing off"
        shown = inventory(dashboard, account)["memories", "account"]["next_purge"]
        assert datetime.fromisoformat(shown) == planned
        running.clock.advance(minutes=16)
        assert due_in_seconds(gateway) < 0
        schedule_after(gateway)
        assert 800 < due_in_seconds(gateway) <= 900
    finally:
        with gateway.stores.main.write() as connection:
            connection.execute(purge_schedule.delete())


def test_metrics_tell_of_waiting_purges(running, dashboard, account, key):
    keep_for(dashboard, account, 1)
    keep_memory(running.gateway, account, "a memory", account)
    running.clock.advance(days=2)
    with unreadable_holds(running.gateway):
        Purging(running.gateway).run()
    text = running.http.get("/metrics").text
    assert "anuma_gateway_purge_overdue_seconds 0" in text
    waiting = next(line for line in text.splitlines() if line.startswith("anuma_gateway_waiting_purges"))
    assert float(waiting.split()[1]) >= 1
    Purging(running.gateway).run()
    with running.gateway.stores.main.read() as connection:
        assert connection.scalars(select(purges.c.id).where(purges.c.state != "done")).all() == []
