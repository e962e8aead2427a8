"""The overview: the first day, the days after, and what it does not claim when nobody knows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete

from anuma_dash.domain.controls import CONTROLS, ControlChange, request_control
from anuma_dash.domain.controls.scopes import Scope, Value, with_value
from anuma_dash.domain.deletions import Deletion
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.features.overview import presentation
from anuma_dash.gateway import schemas
from anuma_dash.identity import Membership, User

LOGGING = CONTROLS["prompt_logging"]


def make_key(world, person, name="ci", **fields):
    body = schemas.NewKey(name=name, created_by=person.id, **fields)
    return world.server.client.create_key(person.actor, person.account_id, body, str(uuid4()))


def switch(world, *, enabled):
    accepted = current_disclosure(LOGGING.name).sha256 if enabled else None
    request_control(
        world.services.context, world.olive.actor, world.northwind, LOGGING, enabled=enabled, accepted_sha256=accepted
    )


def in_effect(page):
    return page.one("#in-effect").text


def test_the_first_day_has_three_steps(world, browse):
    page = browse(world.olive).visit("/")
    assert "Olive" in page.heading
    assert "Prompts and responses are not kept until you switch that on." in page.text
    assert [step.get("data-done") for step in page.select(".steps > li")] == [None, None, None]
    assert "$ANUMA_API_KEY" in page.text
    assert "No requests yet" in page.text
    page.follow("Make a key").submit("Make the key", name="ci")
    secret = page.one("#secret").text
    page.visit("/")
    assert "1 active key" in page.text
    assert [step.get("data-done") is not None for step in page.select(".steps > li")] == [True, False, False]
    switch(world, enabled=True)
    page.reload()
    assert [step.get("data-done") is not None for step in page.select(".steps > li")] == [True, False, True]
    assert "are not kept until" not in page.text
    world.chat(secret)
    page.reload()
    assert page.select(".steps") == []
    assert page.table("Latest requests")[0]["Content"] == "stored"


def test_the_days_after(world, browse):
    key = make_key(world, world.olive)
    for model in ("anuma/echo", "anuma/echo", "no/such-model"):
        world.chat(key.secret, model=model)
    page = browse(world.olive).visit("/")
    stats = page.one(".stats").text
    assert "Spent this month $0 metered, not charged yet" in stats
    assert "Requests today 3 33.3% failed" in stats
    assert "Stored right now 0 items with content" in stats
    assert "Active keys 1" in stats
    assert "Nothing needs you right now." in page.text
    assert len(page.table("Requests, last 30 days, by UTC day")) == 30
    assert len(page.table("Latest requests")) == 3
    assert "404 refused" in page.text
    assert "balance" not in page.text.lower()
    assert page.follow("All requests").heading == "Request log"


def test_prompt_logging_as_the_gateway_says(world, browse):
    page = browse(world.olive).visit("/")
    assert page.one("#in-effect .pill:not(.plain)").text == "Off"
    switch(world, enabled=True)
    assert "settings version 1" in in_effect(page.reload())
    assert page.one("#in-effect .pill:not(.plain)").text == "On"


def test_a_change_on_its_way_is_never_shown_as_done(world, browse):
    switch(world, enabled=True)
    world.break_gateway()
    switch(world, enabled=False)
    page = browse(world.olive).visit("/")
    assert "turning off, not confirmed yet" in in_effect(page)
    assert "Last confirmed" in in_effect(page)
    assert "the gateway has not confirmed that prompt logging is off" in page.text
    world.mend_gateway()
    page.reload()
    assert "On · turning off, not confirmed yet" in in_effect(page)
    world.run_worker(seconds=3)
    assert "not confirmed" not in in_effect(page.reload())
    assert "Off" in in_effect(page)


def test_an_acknowledgment_that_was_lost_claims_nothing(world, browse):
    switch(world, enabled=True)
    with world.db.transaction() as tx:
        change = tx.get_one(ControlChange, world.rows(ControlChange)[0].id)
        change.outcome, change.in_effect_at, change.confirmed_at = "pending", None, None
        change.next_try_at = world.clock() + timedelta(minutes=1)
    assert "turning on, not confirmed yet" in in_effect(browse(world.olive).visit("/"))
    assert "On ·" not in in_effect(browse(world.olive).visit("/"))


def test_another_settings_version_is_unknown(world, browse):
    state = {name: {"enabled": False, "retention_days": 30} for name in schemas.ControlName.__args__}
    body = schemas.RequestedControls.model_validate({"epoch": 7, "controls": state})
    world.server.client.put_controls(world.olive.actor, world.northwind, body)
    page = browse(world.olive).visit("/")
    assert "Unknown" in in_effect(page)
    assert "does not claim what is in effect" in in_effect(page)
    assert "Off" not in in_effect(page)
    assert "the gateway contradicts your settings" in page.text


def test_a_gateway_that_contradicts_what_it_confirmed_is_unknown(world, browse):
    switch(world, enabled=True)
    with world.db.transaction() as tx:  # as if it had confirmed "off" under the version that it obeys
        change = tx.get_one(ControlChange, world.rows(ControlChange)[0].id)
        change.enabled, change.state = False, with_value(change.state, Scope(LOGGING.name), Value())
    page = browse(world.olive).visit("/")
    assert "Unknown" in in_effect(page)
    assert "does not claim what is in effect" in in_effect(page)
    assert "the gateway contradicts your settings" in page.text
    page.follow("the gateway contradicts your settings")
    assert "The gateway contradicts what it had confirmed" in page.text


def test_without_the_gateway_and_without_a_choice_nothing_is_said_to_be_confirmed(world):
    page = world.browser(world.olive)
    world.break_gateway()
    page.visit("/")
    assert "Unknown" in in_effect(page)
    assert "Last confirmed" not in in_effect(page)


@pytest.mark.parametrize("fault", ["down", "silent", "dripping", "failing", "html", "truncated", "wrong-types", "huge"])
def test_without_the_gateway_the_rest_is_there(world, fault):
    make_key(world, world.olive)
    switch(world, enabled=True)
    page = world.browser(world.olive)
    world.break_gateway(fault)
    assert page.visit("/").status == 200
    assert "The gateway’s figures cannot be shown" in page.text
    assert "Spend, requests, keys and stored items are missing here." in page.text
    assert "Unknown" in in_effect(page)
    assert "Last confirmedon" in in_effect(page)
    assert page.select(".stats") == []
    assert "Nothing needs you" not in page.text
    world.mend_gateway()
    assert "cannot be shown" not in page.follow("Try again").text


def test_what_needs_somebody(world, browse):
    key = make_key(world, world.olive, "batch", expires_at=world.clock() + timedelta(days=5, minutes=1))
    world.chat(key.secret)
    with world.db.transaction() as tx:
        tx.add(
            Deletion(
                account_id=world.northwind,
                category="request_content",
                scope={"category": "request_content"},
                count=1,
                state="failed",
                requested_by=world.olive.id,
                requested_by_name="Olive",
                requested_at=world.clock(),
            )
        )
    page = browse(world.olive).visit("/")
    assert "2 things need you: a deletion failed, and the key batch expires in 5 days." in page.text
    assert "1 expires within 14 days" in page.one(".stats").text
    assert "1 thing needs you: the key batch expires in 5 days." in browse(world.vera).visit("/").text
    page.follow("the key batch expires in 5 days")
    assert page.heading == "batch"


def test_bill_sees_figures_and_no_requests(world, browse):
    world.chat(make_key(world, world.olive).secret)
    page = browse(world.bill).visit("/")
    assert "Requests today" in page.text
    assert "Latest requests" not in page.text
    assert not page.offers("API keys")


def test_a_person_without_an_account(world, browse):
    with world.db.transaction() as tx:
        tx.execute(delete(Membership).where(Membership.user_id == world.vera.id))
    page = browse(world.vera).visit("/")
    assert "You belong to no account" in page.text


def test_a_stranger_sees_the_way_in(browse):
    assert browse().visit("/").heading == "Sign in"


@pytest.mark.parametrize(("hour", "part"), [(4, "evening"), (5, "morning"), (12, "afternoon"), (18, "evening")])
def test_greetings(hour, part):
    assert presentation.greeting(datetime(2026, 5, 1, hour, tzinfo=UTC), "Olive Lindqvist") == f"Good {part}, Olive"
    assert presentation.greeting(datetime(2026, 5, 1, hour, tzinfo=UTC), " ") == f"Good {part}"


def test_the_greeting_goes_by_the_persons_own_clock(world, browse):
    world.clock.now = world.clock.now.replace(hour=6)
    zone = "Pacific/Auckland"
    with world.db.transaction() as tx:
        tx.get_one(User, world.vera.id).time_zone = zone
    assert browse(world.olive).visit("/").heading == "Good morning, Olive"
    assert browse(world.vera).visit("/").heading == "Good evening, Vera"


def test_the_chart_shows_spend_where_there_is_some(world):
    overview = world.gateway.overview(world.olive.actor, world.northwind)
    today = overview.as_of.date()

    def drawn(*days):
        return presentation.spend_chart(overview.model_copy(update={"days": list(days)}))

    def day(when: date, cost: int) -> schemas.Day:
        return schemas.Day(day=when, requests=2, errors=0, cost_micro_usd=cost)

    chart, title, unit, peak = drawn(day(today, 1_500_000), day(today - timedelta(days=29), 250))
    assert (title, unit) == ("Spend, last 30 days", "US$ per day")
    assert peak.startswith("Highest $1.50, ")
    assert [chart.rows[0].text, chart.rows[1].text, chart.rows[-1].text] == ["$0.00025", "$0", "$1.50"]
    assert drawn(day(today, 0))[1:3] == ("Requests, last 30 days", "per day")
    assert drawn()[3] == "None in the last 30 days"


def test_shares_of_failures(world):
    overview = world.gateway.overview(world.olive.actor, world.northwind)

    def share(requests: int, errors: int) -> str:
        return presentation.failed_share(
            overview.model_copy(update={"requests_today": requests, "errors_today": errors})
        )

    assert share(0, 0) == "since midnight UTC"
    assert share(10, 0) == "none failed"
    assert share(100_000, 1) == "less than 0.1% failed"
    assert share(1000, 4) == "0.4% failed"
