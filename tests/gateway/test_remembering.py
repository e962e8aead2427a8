"""Memories go along with a request where the control, the app and the provider allow it, and nowhere else."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from anuma_dash.embedded.gateway.content_tables import memories
from tests.gateway.dashboard import said
from tests.gateway.test_memories import OFF, ON, Person
from tests.gateway.test_storing import Stream

HEADING = "What the person asked to have remembered:\n"


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def vera(running, account):
    return Person(running, account)


def received(running, person, model="fake/plain", endpoint="chat/completions", **fields):
    """What the provider got as the first words, and the request's row."""
    tag = uuid4().hex
    headers = {"authorization": f"Bearer {person.key['secret']}", **fields.pop("headers", {})}
    body = {"model": model, "user": tag, **fields}
    body |= {"input": "hello"} if endpoint == "responses" else {"messages": [{"role": "user", "content": "hello"}]}
    answer = running.http.post(f"/v1/{endpoint}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    (got,) = [one for one in running.provider.bodies if one.get("user") == tag]
    return got, person.dashboard.get(person.account, f"/requests/{answer.headers['x-request-id']}")


@pytest.mark.parametrize("stream", [False, True])
def test_they_go_in_front_of_a_chat(running, vera, stream):
    vera.switch()
    for text in ("I live in Vienna", "two\nlines"):
        vera.remember(text)
    got, row = received(running, vera, stream=stream)
    system, user = got["messages"]
    assert system == {"role": "system", "content": f"{HEADING}- two\n  lines\n- I live in Vienna"}
    assert user["content"] == "hello"
    assert row["memories_used"] == 2
    assert row["controls"]["memories"]["rule"] == "not_applicable"
    assert all(memory["last_used_at"] == row["created_at"] for memory in vera.list())


def test_they_go_before_the_instructions_of_a_response(running, vera):
    vera.switch()
    vera.remember("I live in Vienna")
    got, row = received(running, vera, endpoint="responses", instructions="Be brief.")
    assert got["instructions"] == f"{HEADING}- I live in Vienna\n\nBe brief."
    assert (got["input"], row["memories_used"]) == ("hello", 1)
    assert received(running, vera, endpoint="responses")[0]["instructions"] == f"{HEADING}- I live in Vienna"


def test_what_is_stored_is_what_the_client_sent(running, account, vera):
    vera.switch(controls={"prompt_logging": {"enabled": True}})
    vera.remember("I live in Vienna")
    answer = running.chat(vera.key["secret"], "hello")
    row = answer.headers["x-request-id"]
    assert answer.json()["choices"][0]["message"]["content"] == "Echo: hello"
    assert answer.json()["usage"]["prompt_tokens"] > len("hello")
    assert said(vera.dashboard.content(account, row)["prompt"]) == [("user", "hello")]
    assert vera.dashboard.get(account, f"/requests/{row}")["memories_used"] == 1


def test_a_service_key_uses_the_accounts(running, account, vera):
    vera.switch(controls=ON)
    vera.remember("Vera's own")
    vera.key = vera.dashboard.new_key(account)
    assert vera.program(json={"text": "the team's"}).status_code == 201
    assert received(running, vera)[0]["messages"][0]["content"] == f"{HEADING}- the team's"


@pytest.mark.parametrize("level", ["person", "app", "key", "store", "header", "expired", "forbidden"])
def test_they_stay_here_while_anything_says_off(running, account, vera, level):
    vera.switch()
    vera.remember("I live in Vienna")
    assert received(running, vera)[1]["memories_used"] == 1
    key, headers = vera.key, {}
    if level == "person":
        vera.switch(False, controls=ON)
    elif level == "app":
        vera.switch(apps={key["app_id"]: OFF})
    elif level == "key":
        vera.switch(keys={key["id"]: OFF})
    elif level == "forbidden":
        vera.switch(controls={"memories": {"enabled": True, "people": "forbidden"}})
    elif level == "expired":
        running.clock.advance(days=7, minutes=1)
    else:
        headers = {"x-anuma-store": "none"} if level == "store" else {"x-anuma-memories": "None"}
    got, row = received(running, vera, headers=headers)
    assert [message["role"] for message in got["messages"]] == ["user"]
    assert row["memories_used"] == 0


def test_another_persons_are_never_used(running, account, vera):
    other = Person(running, account)
    on = {"memories": {"enabled": True}}
    vera.dashboard.put_controls(account, 1, controls=on, people={vera.id: on, other.id: on})
    other.remember("not Vera's")
    assert received(running, vera)[1]["memories_used"] == 0


def test_app_and_provider_are_obeyed(running, account, vera):
    vera.switch()
    app = vera.dashboard.call("POST", account, "/apps", body={"name": "Other"}).json()
    vera.remember("other app", app_ids=[app["id"]])
    vera.remember("no app", app_ids=[])
    vera.remember("this app", app_ids=[vera.key["app_id"]])
    vera.remember("other provider", providers=["chat-only"])
    vera.remember("this provider", providers=["fake", "else"])
    got = received(running, vera)[0]["messages"][0]["content"]
    assert got == f"{HEADING}- this provider\n- this app"
    got = received(running, vera, model="chat-only/plain")[0]["messages"][0]["content"]
    assert got == f"{HEADING}- other provider\n- this app"
    with running.gateway.stores.main.read() as connection:
        query = select(memories.c.sent_to).where(memories.c.account_id == account).order_by(memories.c.id)
        sent = list(connection.scalars(query))
    assert sent == ["[]", "[]", '["chat-only", "fake"]', '["chat-only"]', '["fake"]']


def test_the_newest_go_as_far_as_they_fit(running, vera):
    vera.switch()
    for letter in "abc":
        vera.remember(letter * 3900)
    got, row = received(running, vera)
    assert row["memories_used"] == 2
    assert [line[2] for line in got["messages"][0]["content"].splitlines()[1:]] == ["c", "b"]
    for number in range(60):
        vera.remember(f"short {number}")
    assert received(running, vera)[1]["memories_used"] == 50


def test_switched_off_in_the_middle_the_log_says_they_were_sent(running, account, vera):
    vera.switch()
    vera.remember("I live in Vienna")
    stream = Stream(running, vera.key, "hello")
    vera.switch(False)
    row = vera.dashboard.get(account, f"/requests/{stream.finish().headers['x-request-id']}")
    assert row["memories_used"] == 1
    assert (row["controls"]["memories"]["stored"], row["controls"]["memories"]["rule"]) == (
        False,
        "control_off_at_write",
    )


@pytest.mark.parametrize(("model", "used"), [("no/such", 0), ("fake/fails", 1)])
def test_of_a_failed_request_only_what_was_sent_counts(running, account, vera, model, used):
    vera.switch()
    vera.remember("I live in Vienna")
    answer = running.chat(vera.key["secret"], model=model)
    assert vera.dashboard.get(account, f"/requests/{answer.headers['x-request-id']}")["memories_used"] == used


def test_embeddings_use_none(running, vera):
    vera.switch()
    vera.remember("I live in Vienna")
    headers = {"authorization": f"Bearer {vera.key['secret']}"}
    body = {"model": "anuma/echo", "input": "hello"}
    answer = running.http.post("/v1/embeddings", json=body, headers=headers)
    row = vera.dashboard.get(vera.account, f"/requests/{answer.headers['x-request-id']}")
    assert row["memories_used"] == 0
