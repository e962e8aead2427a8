"""The gateway is down, slow, lost, or obeys somebody else: nothing false is said, and nothing is lost."""

from __future__ import annotations

from uuid import UUID

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.controls import ControlChange, settling
from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from tests.faulty import FAULTS
from tests.features.data_controls.steps import (
    LOGGING,
    SWITCH,
    control,
    make_key,
    pill,
    stored,
    switch,
    switch_of,
    truth,
)

NOT_YET = "Turning off, not confirmed yet"


@pytest.fixture
def logging_on(world):
    """Prompt logging is on, with one stored request."""
    switch(world, world.olive, True)
    key = make_key(world, world.olive)
    assert stored(world, key.secret)
    return key


def test_off_while_the_gateway_is_down(world, browse, logging_on):
    page = browse(world.olive).visit("/data-controls")
    world.break_gateway()
    page.submit(SWITCH)
    assert page.status == 200
    assert pill(page) == NOT_YET
    assert switch_of(page) == ("true", True)
    assert "not confirmed by the gateway" in control(page)
    assert "Until the gateway confirms, prompts may still be stored" in control(page)
    assert "Tried 1 time, next try in 1 s" in control(page)
    assert "In effect since" not in control(page)
    assert "still here" not in control(page)
    assert stored(world, logging_on.secret), "and so it is"
    world.run_worker(seconds=8)
    page.poll("#prompt-logging")
    assert pill(page) == NOT_YET
    assert "Tried 4 times, next try in" in control(page)
    world.mend_gateway()
    world.run_worker(seconds=8)
    page.poll("#prompt-logging")
    assert pill(page) == "Off"
    assert switch_of(page) == ("false", False)
    assert "In effect since" in control(page)
    assert "2 stored requests from" in control(page)
    assert not page.one("#prompt-logging").element.get("hx-trigger"), "it has stopped asking"
    assert not stored(world, logging_on.secret)


def test_on_while_the_gateway_is_down_can_be_taken_back(world, browse):
    page = browse(world.olive).visit("/data-controls").submit(SWITCH)
    world.break_gateway()
    page.submit("Switch it on", accepted=True)
    assert pill(page) == "Turning on, not confirmed yet"
    assert switch_of(page) == ("false", True)
    assert "prompts may already be stored" in control(page)
    page.submit("Leave it off instead", within="#prompt-logging")
    assert pill(page) == NOT_YET
    assert "prompts may still be stored" in control(page)
    world.mend_gateway()
    world.run_worker(seconds=5)
    assert pill(page.reload()) == "Off"
    assert [row.outcome for row in world.rows(ControlChange)] == ["superseded", "in_effect"]
    events = [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("control.")]
    assert sorted(events) == ["control.in_effect", "control.requested", "control.requested", "control.superseded"]


def test_check_again_without_htmx(world, logging_on):
    page = world.browser(world.olive).visit("/data-controls")
    world.break_gateway()
    page.submit(SWITCH)
    page.follow("Check again", within="#prompt-logging")
    assert pill(page) == NOT_YET
    world.mend_gateway()
    world.run_worker(seconds=3)
    page.follow("Check again", within="#prompt-logging")
    assert pill(page) == "Off"


@pytest.mark.parametrize("fault", ["down", *FAULTS])
def test_without_the_gateway_the_page_says_what_is_missing(world, logging_on, fault):
    world.break_gateway(fault)
    page = world.browser(world.olive).visit("/data-controls")
    assert page.status == 200
    assert pill(page) == "On when last confirmed"
    assert switch_of(page) == ("true", True)
    assert "the gateway cannot be asked right now" in control(page)
    assert "In effect since" not in page.text
    assert "stored content" not in control(page)
    assert "What is stored cannot be counted" in page.text
    assert page.offers("Try again")
    assert "nothing can be tested" in page.text
    assert "Traceback" not in page.text
    assert "captive" not in page.text.lower()


def test_without_the_gateway_a_new_account_is_not_called_off(world):
    world.break_gateway()
    page = world.browser(world.olive).visit("/data-controls")
    assert pill(page) == "Not known right now"
    assert not page.select("[role=switch]")
    assert page.offers("Turn it on")


def test_a_lost_response_is_repaired_by_asking_again(world, browse, logging_on, monkeypatch):
    page = browse(world.olive).visit("/data-controls")
    real = Gateway.put_controls

    def lose(self, caller, account_id, requested):
        real(self, caller, account_id, requested)
        raise GatewayUnavailable("The gateway does not answer.")

    monkeypatch.setattr(Gateway, "put_controls", lose)
    page.submit(SWITCH)
    assert truth(world).controls["prompt_logging"].enabled is False, "the gateway has it"
    assert pill(page) == NOT_YET
    assert switch_of(page)[1] is True
    applied = truth(world).in_effect_at
    monkeypatch.setattr(Gateway, "put_controls", real)
    world.run_worker(seconds=3)
    assert pill(page.reload()) == "Off"
    assert world.rows(ControlChange)[-1].in_effect_at == applied, "with the original time"


def test_a_superseded_change_never_claims_anything(world, logging_on, monkeypatch):
    """Its late answer arrives after a later request was made."""
    context = world.services.context
    real, late = Gateway.put_controls, []

    def hold(self, caller, account_id, requested):
        late.append(real(self, caller, account_id, requested))
        raise GatewayUnavailable("The gateway does not answer.")

    monkeypatch.setattr(Gateway, "put_controls", hold)
    first = switch(world, world.olive, False)
    monkeypatch.setattr(Gateway, "put_controls", real)
    world.break_gateway()
    second = switch(world, world.olive, True)
    settling._note_answer(context, first.id, first.attempt, late[0])
    rows = world.rows(ControlChange)
    assert [row.outcome for row in rows] == ["in_effect", "superseded", "pending"]
    page = world.browser(world.olive).visit("/data-controls")
    assert pill(page) == "Turning on, not confirmed yet"
    assert rows[-1].id == second.id


def test_a_stale_attempt_writes_nothing(world, logging_on):
    world.break_gateway()
    change = switch(world, world.olive, False)
    world.run_worker(seconds=3)
    attempt = world.rows(ControlChange)[-1].attempt
    assert attempt > change.attempt
    world.mend_gateway()
    settling.settle_change(world.services.context, change.id, change.attempt)
    row = world.rows(ControlChange)[-1]
    assert (row.outcome, row.attempt) == ("pending", attempt)


def overtake(world, epoch: int, *, enabled: bool, account: UUID | None = None) -> None:
    """Another system tells the gateway."""
    names = list(schemas.ControlName.__args__)
    body = {
        "epoch": epoch,
        "controls": {name: {"enabled": enabled and name == LOGGING.name, "retention_days": 30} for name in names},
    }
    requested = schemas.RequestedControls.model_validate(body)
    world.server.client.put_controls(world.olive.actor, account or world.northwind, requested)


def test_a_gateway_with_a_higher_version_is_unknown_until_sent_again(world, browse, logging_on):
    switch(world, world.olive, False)
    overtake(world, 50, enabled=True)
    page = browse(world.olive).visit("/data-controls")
    assert pill(page) == "Unknown"
    assert not page.select("[role=switch]")
    assert "settings version 50 with prompt logging on" in control(page)
    assert "The last version from here is 2: somebody restored a backup" in control(page)
    assert "Your last choice here was off." in control(page)
    assert "In effect since" not in control(page)
    page.submit("Send my settings again", within="#prompt-logging")
    assert pill(page) == "Off"
    assert "settings version 51" in control(page)
    assert truth(world).controls["prompt_logging"].enabled is False
    assert not stored(world, logging_on.secret)
    assert "asked to change Prompt logging" in page.visit("/activity").text


def test_the_other_choice_works_too_while_it_is_unknown(world, browse, logging_on):
    overtake(world, 50, enabled=True)
    page = browse(world.olive).visit("/data-controls")
    assert pill(page) == "Unknown", "on, but not by our word"
    page.submit("Turn it off", within="#prompt-logging")
    assert pill(page) == NOT_YET
    world.run_worker(seconds=1)
    assert pill(page.reload()) == "Off"
    assert truth(world).epoch == 51
    assert truth(world).controls["prompt_logging"].enabled is False


def test_a_strangers_version_before_any_choice(world, browse):
    overtake(world, 7, enabled=True)
    page = browse(world.olive).visit("/data-controls")
    assert pill(page) == "Unknown"
    assert "No choice was ever made here." in control(page)
    assert not page.offers("Send my settings again")
    page.submit("Turn it off", within="#prompt-logging")
    world.run_worker(seconds=1)
    assert pill(page.reload()) == "Off"


def test_a_gateway_that_lost_our_settings_is_unknown_until_sent_again(world, browse, logging_on):
    with world.db.transaction() as tx:  # as if the gateway had gone back behind version 5
        tx.get_one(ControlChange, world.rows(ControlChange)[-1].id).epoch = 5
    page = browse(world.olive).visit("/data-controls")
    assert pill(page) == "Unknown"
    assert "the gateway must have lost it" in control(page)
    page.submit("Send my settings again", within="#prompt-logging")
    assert pill(page) == "On"
    assert "settings version 6" in control(page)
    assert truth(world).epoch == 6


def test_sending_again_what_is_obeyed_makes_no_new_version(world, logging_on):
    page = world.browser(world.olive).visit("/data-controls")
    answer = page.request("POST", "/data-controls/prompt-logging/repetition", data={"csrf_token": page.csrf_token()})
    assert answer.status_code == 303
    assert len(world.rows(ControlChange)) == 1


def test_an_account_that_the_gateway_does_not_know_yet(world, browse, monkeypatch):
    def unknown(*_):
        from anuma_dash.errors import GatewayRefused

        raise GatewayRefused("There is no such account.", status=404, code="not_found")

    monkeypatch.setattr(Gateway, "data_state", unknown)
    page = browse(world.olive).visit("/data-controls")
    assert "The gateway does not know this account." in page.text
    assert pill(page) == "Not known right now"


def test_looking_writes_nothing(world, logging_on):
    before = [(row.id, row.attempt, row.outcome) for row in world.rows(ControlChange)], len(world.rows(AuditEntry))
    page = world.browser(world.olive)
    for path in ("/data-controls", "/data-controls/prompt-logging", "/data-controls/prompt-logging/edit"):
        assert page.visit(path).status == 200
    after = [(row.id, row.attempt, row.outcome) for row in world.rows(ControlChange)], len(world.rows(AuditEntry))
    assert before == after


def test_a_page_makes_one_gateway_call(world, logging_on, monkeypatch):
    calls = []
    real = Gateway._call
    monkeypatch.setattr(Gateway, "_call", lambda self, *a, **k: (calls.append(a[4]), real(self, *a, **k))[1])
    world.browser(world.olive).visit("/data-controls")
    assert len(calls) == 1
