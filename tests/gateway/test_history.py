"""Chat history: kept for who switched it on, under the name that their program gave the conversation; found again."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from anuma_dash.embedded.gateway.content_tables import conversations, messages, search_terms
from anuma_dash.embedded.gateway.history.words import stems_of_word
from anuma_dash.embedded.gateway.tables import data_keys
from tests.gateway.test_storing import Stream

ON = {"chat_history": {"enabled": True, "retention_days": 30}}


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def person():
    return str(uuid4())


@pytest.fixture
def key(dashboard, account, person):
    """A key of somebody who has switched their chat history on."""
    dashboard.put_controls(account, 1, people={person: ON})
    return dashboard.new_key(account, created_by=person)


@pytest.fixture
def history(dashboard, account, person):
    return History(dashboard, account, person)


class History:
    """What a person sees of their own."""

    def __init__(self, dashboard, account, person):
        self.dashboard, self.account, self.claims = dashboard, account, {"sub": person}

    def get(self, path="", **params):
        return self.dashboard.get(self.account, f"/conversations{path}", self.claims, **params)

    def list(self, **params):
        return self.get(**params)["data"]

    def titles(self, **params):
        return [row["title"] for row in self.list(**params)]

    def said(self, conversation_id, **params):
        found = self.get(f"/{conversation_id}/messages", **params)["data"]
        return [(message["role"], message["text"]) for message in found]

    def search(self, q):
        found = self.get("/search", q=q)["data"]
        return [hit["conversation"]["title"] for hit in found]

    def change(self, conversation_id, **body):
        path = f"/conversations/{conversation_id}"
        return self.dashboard.call("PATCH", self.account, path, body=body, claims=self.claims)


def talk(running, key, *texts, name="c-1", headers=None, **fields):
    """What a program sends: everything said so far, roles in turn, and the last words."""
    roles = ["user", "assistant"] * len(texts)
    said = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    answer = running.chat(
        key["secret"], messages=said, headers={"x-anuma-conversation-id": name} | (headers or {}), **fields
    )
    assert answer.status_code == 200, answer.text
    return answer


def rule(dashboard, account):
    found = dashboard.requests(account)[0]["controls"]["chat_history"]
    return found["stored"], found["rule"]


def test_a_conversation_is_kept_and_goes_on(running, dashboard, account, key, history):
    assert talk(running, key, "Where is Lisbon?").headers["x-anuma-content-stored"] == "true"
    talk(running, key, "Where is Lisbon?", "Echo: Where is Lisbon?", "And Porto?")
    (row,) = history.list()
    assert (row["title"], row["messages"], row["model"], row["pinned"]) == ("Where is Lisbon?", 4, "anuma/echo", False)
    assert history.said(row["id"]) == [
        ("user", "Where is Lisbon?"),
        ("assistant", "Echo: Where is Lisbon?"),
        ("user", "And Porto?"),
        ("assistant", "Echo: And Porto?"),
    ]
    assert [request["conversation_id"] for request in dashboard.requests(account)] == [row["id"]] * 2
    assert dashboard.requests(account)[0]["content"]["stored"] is False  # prompt logging is another control


def test_a_stream_is_kept_as_its_answer_is(running, dashboard, account, key, history):
    talk(running, key, "Tell me", stream=True)
    (row,) = history.list()
    assert history.said(row["id"]) == [("user", "Tell me"), ("assistant", "Echo: Tell me")]


@pytest.mark.parametrize("how", ["header", "metadata", "field"])
def test_three_ways_to_name_a_conversation(running, dashboard, account, key, history, how):
    headers = {"authorization": f"Bearer {key['secret']}"}
    body = {"model": "anuma/echo", "input": "hello"}
    if how == "header":
        headers["x-anuma-conversation-id"] = "named"
    elif how == "metadata":
        body["metadata"] = {"conversation_id": "named"}
    else:
        body["conversation_id"] = "named"
    for _ in range(2):
        assert running.http.post("/v1/responses", json=body, headers=headers).status_code == 200
    (row,) = history.list()
    assert row["messages"] == 4  # a program that keeps nothing itself sends only what is new: it goes on


def test_the_name_is_the_gateways_alone(running, dashboard, account, key):
    body = {"model": "fake/plain", "messages": [{"role": "user", "content": "hi"}]}
    body["metadata"] = {"conversation_id": "a private name", "order": "7"}
    answer = running.http.post("/v1/chat/completions", json=body, headers={"x-api-key": key["secret"]})
    assert answer.status_code == 200
    assert running.provider.bodies[-1]["metadata"] == {"order": "7"}


@pytest.mark.parametrize("name", ["", " ", "x" * 201, 7, ["a"]])
def test_a_name_that_is_none(running, dashboard, account, key, name):
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "hi"}], "conversation_id": name}
    refused = running.http.post("/v1/chat/completions", json=body, headers={"x-api-key": key["secret"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "conversation_id")


def test_two_names_are_refused(running, dashboard, account, key):
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "hi"}], "conversation_id": "one"}
    headers = {"x-api-key": key["secret"], "x-anuma-conversation-id": "other"}
    assert running.http.post("/v1/chat/completions", json=body, headers=headers).status_code == 422


def test_nothing_is_kept_that_nobody_asked_for(running, dashboard, account, key, person, history):
    talk(running, key, "not this", headers={"x-anuma-store": "none"})
    running.chat(key["secret"], "nor this, which names no conversation")
    assert rule(dashboard, account) == (False, "no_conversation")
    other = dashboard.new_key(account, created_by=str(uuid4()))
    talk(running, other, "nor what somebody else sends")
    assert rule(dashboard, account) == (False, "person_control")
    dashboard.put_controls(account, 2, people={person: ON}, keys={key["id"]: {"chat_history": {"enabled": False}}})
    talk(running, key, "nor what a stricter key sends")
    assert rule(dashboard, account) == (False, "key_control")
    forbidden = {"chat_history": {"enabled": True, "people": "forbidden"}}
    dashboard.put_controls(account, 3, controls=forbidden, people={person: ON})
    talk(running, key, "nor what the account forbids")
    assert rule(dashboard, account) == (False, "people_forbidden")
    assert history.list() == []
    with running.gateway.stores.main.read() as connection:
        assert connection.scalar(select(func.count()).where(messages.c.account_id == account)) == 0
    with running.gateway.stores.keys.read() as connection:
        kept = select(data_keys.c.kind).where(data_keys.c.account_id == account, data_keys.c.kind == "conversations")
        assert connection.execute(kept).all() == []


def test_switched_off_while_it_streams(running, dashboard, account, key, history):
    """What was received already is not kept either."""
    stream = Stream(running, key, "sent while history was on", conversation_id="c")
    dashboard.put_controls(account, 2)
    assert stream.finish().headers["x-anuma-content-stored"] == "pending"
    assert rule(dashboard, account) == (False, "control_off_at_write")
    assert history.list() == []


def test_an_edited_message_makes_a_branch(running, dashboard, account, key, history):
    talk(running, key, "first", "Echo: first", "second")
    talk(running, key, "first", "Echo: first", "another second")
    (row,) = history.list()
    newest = history.get(f"/{row['id']}/messages")["data"]
    assert [message["text"] for message in newest][2:] == ["another second", "Echo: another second"]
    assert newest[0]["branches"] == []
    older, newer = newest[2]["branches"]
    assert newer == newest[2]["id"]
    assert history.said(row["id"], leaf=older)[2:] == [("user", "second"), ("assistant", "Echo: second")]


def test_two_first_requests_at_once_are_one_conversation(running, dashboard, account, key, history):
    talkers = [threading.Thread(target=talk, args=(running, key, f"number {n}")) for n in range(6)]
    for one in talkers:
        one.start()
    for one in talkers:
        one.join()
    (row,) = history.list()
    assert row["messages"] == 12


def test_a_person_sees_their_own_alone(running, dashboard, account, key, person, history):
    talk(running, key, "mine")
    (row,) = history.list()
    stranger = dashboard.new_account("Strange")
    staff = {"sub": person, "act": {"sub": str(uuid4())}, "scope": "content"}
    for where, claims in (
        (account, {"sub": str(uuid4())}),
        (account, {}),
        (account, staff),
        (stranger, {"sub": person}),
    ):
        assert dashboard.get(where, "/conversations", claims)["data"] == []
        assert dashboard.get(where, "/conversations", claims, owner="account")["data"] == []
        assert dashboard.get(where, "/conversations/search", claims, q="mine")["data"] == []
        for path in (f"/conversations/{row['id']}", f"/conversations/{row['id']}/messages"):
            assert dashboard.call("GET", where, path, claims=claims).status_code == 404
    others = dashboard.call(
        "PATCH", account, f"/conversations/{row['id']}", body={"title": "x"}, claims={"sub": str(uuid4())}
    )
    assert others.status_code == 404


def test_service_keys_talk_for_the_account(running, dashboard, account):
    dashboard.put_controls(account, 1, controls=ON)
    talk(running, dashboard.new_key(account), "of nobody")
    (row,) = dashboard.get(account, "/conversations", owner="account")["data"]
    assert row["title"] == "of nobody"
    assert dashboard.get(account, "/conversations", {"sub": str(uuid4())})["data"] == []


def test_renamed_and_pinned(running, dashboard, account, key, history):
    talk(running, key, "about lemons", name="a")
    talk(running, key, "about oranges", name="b")
    lemons = next(row for row in history.list() if row["title"] == "about lemons")
    changed = history.change(lemons["id"], title="<b>Citrus</b> \U0001f34b", pinned=True).json()
    assert (changed["title"], changed["pinned"]) == ("<b>Citrus</b> \U0001f34b", True)
    assert history.titles() == ["<b>Citrus</b> \U0001f34b", "about oranges"]
    assert history.titles(pinned="false") == ["about oranges"]
    assert history.search("citrus") == ["<b>Citrus</b> \U0001f34b"]
    assert history.change(lemons["id"], title="").status_code == 422


def test_pages_follow_each_other(running, dashboard, account, key, history):
    for number in range(5):
        talk(running, key, f"number {number}", name=f"n-{number}")
        running.clock.advance(seconds=1)
    first = history.get(limit=2)
    second = history.get(limit=2, after=first["next"])
    third = history.get(limit=2, after=second["next"])
    titles = [row["title"] for page in (first, second, third) for row in page["data"]]
    assert titles == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    assert third["next"] is None
    refused = dashboard.call("GET", account, "/conversations", claims=history.claims, params={"after": "nonsense"})
    assert refused.status_code == 422


def test_what_is_past_its_period_is_not_shown(running, dashboard, account, key, person, history):
    talk(running, key, "old news")
    (row,) = history.list()
    dashboard.put_controls(account, 2, people={person: {"chat_history": {"enabled": True, "retention_days": 1}}})
    running.clock.advance(hours=23)
    assert history.titles() == ["old news"]
    running.clock.advance(hours=2)
    assert history.list() == [] == history.search("news")
    assert dashboard.call("GET", account, f"/conversations/{row['id']}", claims=history.claims).status_code == 404
    talk(running, key, "new news")  # the same name: another conversation, the old one does not come back
    assert [one["messages"] for one in history.list()] == [2]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("We were running along the river", "run"),
        ("How do lemons grow?", "lemon"),  # "do" is Portuguese as well
        ("Die Häuser am Fluss sind nicht für dich und mich", "Haus"),
        ("Le café était fermé, et les gens sont partis", "cafe"),
        ("Los niños están en la casa con sus amigos", "niño"),
        ("Мы говорили о больших городах", "город"),
        ("今日は東京で会議があります", "東京"),
        ("أين تقع المكتبة الكبيرة", "مكتبة"),
        ("lucky \U0001f340 charms", "charm"),
    ],
)
def test_words_are_found_by_their_stems(running, dashboard, account, key, history, text, query):
    talk(running, key, text, name="wanted")
    talk(running, key, "something else entirely", name="other")
    (hit,) = history.get("/search", q=query)["data"]
    assert hit["conversation"]["title"] == text
    assert "".join(part["text"] for part in hit["snippet"]).strip("…") in f"Echo: {text}"
    assert any(part["match"] for part in hit["snippet"])


def test_every_word_must_be_there_and_a_phrase_as_it_stands(running, dashboard, account, key, history):
    talk(running, key, "the quick brown fox", name="a")
    talk(running, key, "the brown and quick dog", name="b")
    assert sorted(history.search("quick brown")) == ["the brown and quick dog", "the quick brown fox"]
    assert history.search("quick fox") == ["the quick brown fox"]
    assert history.search('"quick brown"') == ["the quick brown fox"]
    assert history.search('"quick brown" dog') == []
    assert history.search("nothing of the kind") == []
    assert history.search('""') == []


def test_a_database_holds_no_readable_word(running, dashboard, account, key, history):
    talk(running, key, "xylophones in Ouagadougou")
    running.gateway.stores.main.checkpoint()
    with running.gateway.stores.main.read() as connection:
        for table in (conversations, messages, search_terms):
            stored = repr(connection.execute(select(table)).all()).lower()
            assert "xylophon" not in stored
            assert "ouagadougou" not in stored


def test_a_moved_ciphertext_does_not_decrypt(running, dashboard, account, key, history):
    talk(running, key, "the one", name="a")
    talk(running, key, "the other", name="b")
    one, other = history.list()
    with running.gateway.stores.main.write() as connection:
        column = conversations.c
        wanted = select(column.nonce, column.ciphertext).where(column.id == UUID(other["id"]))
        sealed = connection.execute(wanted).one()
        moved = update(conversations).where(column.id == UUID(one["id"]))
        connection.execute(moved.values(nonce=sealed.nonce, ciphertext=sealed.ciphertext))
    answer = dashboard.call("GET", account, f"/conversations/{one['id']}", claims=history.claims)
    assert (answer.status_code, answer.json()["code"]) == (500, "content_unreadable")


def test_a_long_message_is_kept_whole(running, dashboard, account, key, history):
    long = "word and " * 120_000
    talk(running, key, long)
    (row,) = history.list()
    assert len(row["title"]) <= 80
    first = history.get(f"/{row['id']}/messages")
    assert first["data"][0]["text"] == long
    assert first["next"] is not None  # the answer, as long again, is on the next page
    second = history.get(f"/{row['id']}/messages", after=first["next"])
    assert second["data"][0]["text"] == f"Echo: {long}"


def exported(history, **params):
    answer = history.dashboard.call(
        "GET", history.account, "/conversations/export", claims=history.claims, params=params
    )
    assert answer.status_code == 200
    *lines, last = answer.text.splitlines(keepends=True)
    manifest = json.loads(last)["manifest"]
    assert manifest["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    found = [json.loads(line) for line in lines]
    assert manifest["conversations"] == sum("conversation" in line for line in found)
    assert manifest["messages"] == sum("message" in line for line in found)
    return found


def test_an_export_has_every_branch_and_proves_that_it_is_whole(running, dashboard, account, key, history):
    talk(running, key, "first", "Echo: first", "second", name="a")
    talk(running, key, "first", "Echo: first", "another second", name="a")
    talk(running, key, "elsewhere", name="b")
    titles = [line["conversation"]["title"] for line in exported(history) if "conversation" in line]
    assert titles == ["elsewhere", "first"]
    (one,) = [row["id"] for row in history.list() if row["title"] == "first"]
    texts = [line["message"]["text"] for line in exported(history, id=one) if "message" in line]
    assert texts == ["first", "Echo: first", "second", "Echo: second", "another second", "Echo: another second"]
    strange = History(dashboard, account, str(uuid4()))
    assert exported(strange) == [] == exported(strange, id=one)


def test_words_keep_their_stems_when_many_threads_ask():
    words = [f"{begin}{end}" for begin in ("run", "walk", "talk", "jump") for end in ("ning", "ing", "ed", "s", "ness")]
    right = [stems_of_word(word) for word in words]
    found = []
    threads = [threading.Thread(target=lambda: found.append([stems_of_word(w) for w in words * 20])) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [right * 20] * 4
