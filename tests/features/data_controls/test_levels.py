"""Every control at every level: each member's own, apps and keys, what is forbidden, newer texts, periods."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from anuma_dash.domain import disclosures
from anuma_dash.domain.controls import CONTROLS, ControlChange, Scope, request_period
from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from tests.features.data_controls.steps import LOGGING, make_key, switch, truth


def words(page, slug):
    return page.one(f"#{slug}").text


@pytest.mark.parametrize("slug", [control.slug for control in CONTROLS.values()])
def test_every_control_goes_on_with_its_text_and_off_again(world, browse, slug):
    page = browse(world.olive).visit("/data-controls")
    label = page.one(f"#{slug} h3").text
    page.submit(label, within=f"#{slug}")
    for said in ("What is stored", "provide, secure, operate, analyze and improve", "train", "Who sees it", "How long"):
        assert said in page.text
    page.submit("Switch it on", accepted=True)
    assert page.one(f"#{slug}-state").text == "On"
    name = next(control.name for control in CONTROLS.values() if control.slug == slug)
    assert [one for one, setting in truth(world).controls.items() if setting.enabled] == [name]
    page.submit(label, within=f"#{slug}")
    assert page.one(f"#{slug}-state").text == "Off"
    assert not truth(world).controls[name].enabled


@pytest.mark.parametrize("person", ["dev", "bill", "vera"])
def test_everybody_decides_about_their_own_and_nobody_elses(world, browse, person):
    member = getattr(world, person)
    page = browse(member).visit("/data-controls")
    page.submit("Your chat history", within="#own-chat-history").submit("Switch it on", accepted=True)
    assert page.one("#own-chat-history-state").text == "On"
    assert page.one("#chat-history-state").text == "Off", "the account's is another"
    told = world.server.client.data_state(member.actor, world.northwind).controls
    assert told.people[member.id]["chat_history"].enabled
    other = world.browser(world.olive).visit("/data-controls")
    assert other.one("#own-chat-history-state").text == "Off"
    assert "chat history" not in other.visit("/activity").text, "it is nobody else's to know"
    page.submit("Your chat history", within="#own-chat-history")
    assert page.one("#own-chat-history-state").text == "Off"


def test_the_account_may_forbid_it_and_says_what_that_does_before(world, browse):
    page = browse(world.olive).visit("/data-controls/chat-history/people")
    assert "It deletes nothing" in page.text
    page.submit("Forbid it")
    assert "may not switch it on for themselves" in words(page, "chat-history")
    own = world.browser(world.vera).visit("/data-controls")
    assert "The account does not let people switch this on" in words(own, "own-chat-history")
    sha = disclosures.current_disclosure("chat_history").sha256
    data = {"csrf_token": own.csrf_token(), "state": "on", "accepted": "y", "sha256": sha}
    assert own.request("POST", "/data-controls/own-chat-history", data=data).status_code == 409
    page.visit("/data-controls/chat-history/people").submit("Let each decide")
    assert "each decides for themselves" in words(page, "chat-history")


def test_a_newer_text_is_asked_again_and_nothing_wider_happens_before(world, browse, monkeypatch):
    switch(world, world.olive, True)
    newer = replace(disclosures.current_disclosure("prompt_logging"), version=3, title="A new text")
    monkeypatch.setattr(disclosures, "_DISCLOSURES", (*disclosures._DISCLOSURES, newer))
    page = browse(world.olive).visit("/data-controls")
    assert page.one("#prompt-logging-state").text == "On", "what was accepted goes on"
    assert "text version 2, goes on, and nothing wider" in words(page, "prompt-logging")
    page.visit("/data-controls/prompt-logging/period?days=90").submit("Save this period")
    assert page.status == 409
    assert truth(world).controls["prompt_logging"].retention_days == 30
    page.visit("/data-controls/prompt-logging/text").submit("Accept this text")
    assert page.status == 422
    page.submit("Accept this text", accepted=True)
    assert "Nothing was switched." in page.text
    assert "You accepted text version 3" in words(page, "prompt-logging")
    assert len(world.rows(ControlChange)) == 1
    page.visit("/data-controls/prompt-logging/period?days=90").submit("Save this period")
    assert "Kept for 90 days" in words(page, "prompt-logging")
    assert truth(world).controls["prompt_logging"].retention_days == 90


@pytest.fixture
def counted(world, monkeypatch):
    """The gateway counts 12,431 items that a shorter period would delete."""

    def preview(self, caller, account_id, **query):
        at = world.clock.now
        return schemas.RetentionPreview(
            control=query["control"],
            retention_days=query["days"],
            as_of=at,
            count=12_431,
            bytes=1,
            oldest=at - timedelta(days=200),
            newest=at,
            next_purge=at + timedelta(hours=1),
        )

    monkeypatch.setattr(Gateway, "retention_preview", preview)


def test_a_shorter_period_shows_what_it_deletes_before_it_is_saved(world, browse, counted):
    page = browse(world.olive).visit("/data-controls/traces/period")
    page.submit("Show what this does", days="7")
    assert "This deletes 12,431 traces, oldest" in page.text
    assert world.rows(ControlChange) == []
    data = {"csrf_token": page.csrf_token(), "days": "7"}
    assert page.request("POST", "/data-controls/traces/period", data=data).status_code == 422, "never unseen"
    page.submit("Save this period")
    assert "Kept for 7 days" in words(page, "traces")
    assert truth(world).controls["traces"].retention_days == 7


def test_a_period_is_no_fact_before_the_gateway_confirms_it_and_the_last_wins(world, browse, counted):
    page = browse(world.olive).visit("/data-controls/traces/period?days=7")
    world.break_gateway()
    page.submit("Save this period")
    assert "Kept for 7 days" not in words(page, "traces")
    assert "Period 7 days requested, not confirmed by the gateway; until then it may be 30 days" in words(
        page, "traces"
    )
    page.visit("/data-controls/traces/period?days=1").submit("Save this period")
    assert "Period 1 day requested" in words(page, "traces")
    world.mend_gateway()
    world.run_worker(seconds=8)
    assert "Kept for 1 day" in words(page.reload(), "traces")
    assert [row.outcome for row in world.rows(ControlChange)] == ["superseded", "in_effect"]


def test_a_period_that_is_not_in_the_list_is_refused(world):
    page = world.browser(world.olive).visit("/data-controls/traces/period")
    for days in ("2", "", "-1", "9" * 400, "none"):
        data = {"csrf_token": page.csrf_token(), "days": days}
        assert page.request("POST", "/data-controls/traces/period", data=data).status_code == 422


def test_a_key_is_stricter_and_the_page_says_which_rule_decides(world, browse):
    switch(world, world.olive, True)
    key = make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls/rules")
    page.submit("Make it stricter", target=f"key:{key.id}", control="prompt-logging")
    assert "Off, in effect" in page.one(f"#key-{key.id}-prompt-logging").text
    page.visit(f"/data-controls/rules?key={key.id}&model=x")
    assert "Key ci, model x: prompts are not stored, because the key itself says off." in page.one("#decisions").text
    page.submit("Take away")
    assert "No app and no key is stricter" in page.text
    assert not truth(world).keys.get(key.id)
    page.visit(f"/data-controls/rules?key={key.id}")
    assert "prompts are stored, because the account says on" in page.one("#decisions").text


def test_a_rule_is_no_fact_before_the_gateway_confirms_it(world, browse, monkeypatch):
    app = world.server.client.apps(world.olive.actor, world.northwind).data[0]
    page = browse(world.olive).visit("/data-controls/rules")
    put, down = Gateway.put_controls, []

    def failing(self, *arguments):
        if not down:
            raise GatewayUnavailable("The gateway does not answer.")
        return put(self, *arguments)

    monkeypatch.setattr(Gateway, "put_controls", failing)
    page.submit("Make it stricter", target=f"app:{app.id}", control="traces")
    assert "Off requested, not confirmed yet" in page.one(f"#app-{app.id}-traces").text
    assert "in effect" not in page.one(f"#app-{app.id}-traces").text
    down.append(False)
    world.run_worker(seconds=8)
    assert "Off, in effect" in page.reload().one(f"#app-{app.id}-traces").text


def test_who_may_only_look_may_look_at_the_rules(world):
    page = world.browser(world.vera).visit("/data-controls/rules")
    assert page.status == 200
    assert not page.offers("Make it stricter")
    data = {"csrf_token": page.csrf_token(), "state": "off", "control": "traces", "target": "app:x"}
    assert page.request("POST", "/data-controls/rules", data=data).status_code == 403
    assert page.request("GET", "/data-controls/traces/period").status_code == 403
    assert page.request("GET", "/data-controls/own-memories/period").status_code == 200
    assert page.request("GET", "/data-controls/own-traces/edit").status_code == 404


def test_a_change_at_one_scope_leaves_every_other_value(world, counted):
    switch(world, world.olive, True)
    request_period(world.services.context, world.vera.actor, world.northwind, CONTROLS["memories"], 7, own=True)
    state = world.rows(ControlChange)[-1].state
    assert state["controls"][LOGGING.name]["enabled"]
    assert world.rows(ControlChange)[-1].scope == Scope("memories", "person", world.vera.id)
    assert truth(world).controls["prompt_logging"].enabled
