"""One request: its metadata for readers, its content for those who may, and that it was looked at on record."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.features.requests.words import NOT_STORED, why
from anuma_dash.gateway.schemas import Decision
from tests.features.requests.steps import ask, make_key, readings, switch_logging
from tests.features.support_access.steps import inside, let_in

SECRET_TEXT = 'canary <img src=x hx-get="/x"> {{ 7*7 }} of the prompt'


def test_the_facts_of_a_request(world, browse):
    request_id = ask(world, make_key(world, world.dev, "laptop"))
    page = browse(world.vera).visit(f"/requests/{request_id}")
    assert page.heading == f"Request {request_id[-8:]}"
    for words in (
        "metered, not charged yet",
        "at $0 per million",
        "built into this gateway",
        "laptop",
        "Dev Kapoor",
        "Settings version",
        "Prompt logging was off when this request arrived.",
    ):
        assert words in page.text
    assert not page.offers("Show prompt and response")
    page.follow("laptop")
    assert page.heading == "laptop"


def test_olive_reads_what_was_stored_and_that_is_recorded(world, browse):
    key = make_key(world, world.dev)
    switch_logging(world, enabled=True)
    request_id = ask(world, key, SECRET_TEXT)
    page = browse(world.olive).visit("/requests")
    page.follow(page.table("Requests, newest first")[0]["Time"])
    assert SECRET_TEXT not in page.text
    assert "It is stored until" in page.text
    assert readings(world) == 0
    page.follow("Show prompt and response")
    assert SECRET_TEXT in page.one(".talk li[data-role=user] .said").text
    assert page.select(".talk img") == []
    assert "That you opened it is recorded." in page.text
    assert readings(world) == 1
    entry = next(row for row in world.rows(AuditEntry) if row.event == "content.read")
    assert entry.actor_id == world.olive.id
    page.follow("Hide")
    assert SECRET_TEXT not in page.text
    assert page.offers("Show prompt and response")
    assert page.visit(f"/requests/{request_id}/content").status == 200
    assert readings(world) == 2


def test_an_embedding_has_a_prompt_and_says_that_its_vectors_are_not_stored(world, browse):
    key = make_key(world, world.olive)
    switch_logging(world, enabled=True)
    body = {"model": "anuma/echo", "input": ["first text", "second text"]}
    headers = {"Authorization": f"Bearer {key.secret}"}
    assert world.server.public.post("/v1/embeddings", json=body, headers=headers).status_code == 200
    page = browse(world.olive).visit("/requests")
    page.follow(page.table("Requests, newest first")[0]["Time"])
    assert not page.offers("Show prompt and response")
    page.follow("Show prompt")
    assert [one.text for one in page.select(".talk .said")] == ["first text", "second text"]
    assert "The response was vectors, which are never stored." in page.text


def test_looking_at_metadata_writes_nothing(world):
    key = make_key(world, world.olive)
    switch_logging(world, enabled=True)
    request_id = ask(world, key)
    before = len(world.rows(AuditEntry))
    page = world.browser(world.olive)
    page.visit("/requests")
    page.visit(f"/requests/{request_id}")
    assert len(world.rows(AuditEntry)) == before


def test_developers_read_what_their_own_keys_sent(world, browse):
    own, theirs = make_key(world, world.dev, "own"), make_key(world, world.olive, "theirs")
    switch_logging(world, enabled=True)
    mine, foreign = ask(world, own, "mine"), ask(world, theirs, "not mine")
    page = browse(world.dev).visit(f"/requests/{mine}").follow("Show prompt and response")
    assert "mine" in page.one(".talk li[data-role=user] .said").text
    page.visit(f"/requests/{foreign}")
    assert "Only the account's owners, and the person whose key sent it, may read it." in page.text
    assert not page.offers("Show prompt and response")
    refused = page.request("GET", f"/requests/{foreign}/content")
    assert refused.status_code == 403
    assert "Only the account" in refused.text
    assert "not mine" not in refused.text
    assert readings(world) == 1


@pytest.mark.parametrize(("who", "status"), [("ada", 403), ("vera", 403), ("bill", 403), ("strange", 404)])
def test_others_do_not_read_content(world, who, status):
    key = make_key(world, world.olive)
    switch_logging(world, enabled=True)
    request_id = ask(world, key, SECRET_TEXT)
    answer = world.browser(world.people[who]).request("GET", f"/requests/{request_id}/content")
    assert answer.status_code == (404 if who == "strange" else status)
    assert "canary" not in answer.text
    assert readings(world) == 0


def test_content_that_was_not_stored_is_not_there_to_read(world, browse):
    key = make_key(world, world.olive)
    request_id = ask(world, key, SECRET_TEXT)
    page = browse(world.olive).visit(f"/requests/{request_id}/content")
    assert "Prompt logging was off when this request arrived." in page.text
    assert "canary" not in page.text
    assert readings(world) == 0


def test_a_request_that_said_not_to_store_it(world, browse):
    key = make_key(world, world.olive)
    switch_logging(world, enabled=True)
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "x"}]}
    headers = {"Authorization": f"Bearer {key.secret}", "X-Anuma-Store": "none"}
    assert world.server.public.post("/v1/chat/completions", json=body, headers=headers).status_code == 200
    found = world.server.client.requests(world.olive.actor, world.northwind).data[0]
    page = browse(world.olive).visit(f"/requests/{found.id}")
    assert "The request itself said X-Anuma-Store: none." in page.text


def test_if_reading_cannot_be_recorded_nothing_is_shown(world, monkeypatch):
    key = make_key(world, world.olive)
    switch_logging(world, enabled=True)
    request_id = ask(world, key, SECRET_TEXT)

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("anuma_dash.features.requests.stored.record", fail)
    answer = world.browser(world.olive).request("GET", f"/requests/{request_id}/content")
    assert answer.status_code == 500
    assert "canary" not in answer.text


def test_every_rule_has_words():
    documented = set(re.findall(r"`(\w+)`", (Decision.__doc__ or "").partition("one of")[2]))
    assert documented == set(NOT_STORED)
    assert "no words for" in why(Decision(stored=False, rule="new_rule", level="none", epoch=1))
    assert "was on" in why(Decision(stored=True, rule="account_control", level="account", epoch=1))


def test_requests_of_others_do_not_exist(world):
    request_id = ask(world, make_key(world, world.olive))
    page = world.browser(world.strange)
    for path in (f"/requests/{request_id}", f"/requests/{uuid4()}", "/requests/x"):
        assert page.request("GET", path).status_code == 404


def test_a_refused_call_went_to_nobody(world):
    secret = make_key(world, world.olive)
    assert world.chat(getattr(secret, "secret", secret), model="openai/unknown").status_code == 404
    page = world.browser(world.olive).visit("/requests")
    page.visit(page.select("#request-list tbody th a")[0].get("href"))
    assert "none: it was refused before" in page.text
    assert "nothing: no provider received it" in page.text
    assert "assume that it retains" not in page.text
    assert "Prompt logging was off when this request arrived." in page.text


def test_who_opened_it_stands_on_the_page(world, browse):
    key = make_key(world, world.dev)
    switch_logging(world, enabled=True)
    request_id = ask(world, key, SECRET_TEXT)
    dev = browse(world.dev).visit(f"/requests/{request_id}")
    assert "Who opened it" not in dev.text
    browse(world.olive).visit(f"/requests/{request_id}/content")
    world.clock.advance(minutes=3)
    assert "Opened by Olive" in dev.reload().one("#opened").text
    assert "3 min ago" in dev.one("#opened").text
    assert "prompt and response" in dev.one("#opened").text
    assert "Who opened it" not in browse(world.vera).visit(f"/requests/{request_id}").text


def test_staff_who_opened_it_are_marked_as_staff(world):
    key = make_key(world, world.dev)
    switch_logging(world, enabled=True)
    request_id = ask(world, key, SECRET_TEXT)
    inside(world, let_in(world, "content")).visit(f"/requests/{request_id}/content")
    opened = world.browser(world.olive).visit(f"/requests/{request_id}").one("#opened").text
    assert opened.startswith("Who opened it Opened by Sam")
    assert "staff" in opened


def test_each_control_says_why_nothing_was_stored(world, browse):
    request_id = ask(world, make_key(world, world.dev))
    text = browse(world.vera).visit(f"/requests/{request_id}").one("#stored").text
    assert "Prompt logging Not stored, because prompt logging was off when this request arrived." in text
    assert "Traces Not stored, because traces were off when this request arrived." in text
    assert "Chat history Not stored, because" in text
