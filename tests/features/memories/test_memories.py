"""Memories: each member's own, kept only while they are on, always readable, exportable and deletable by them."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.domain.deletions import Deletion
from anuma_dash.gateway.schemas import NewApp, NewMemory, PersonalSetting
from tests.features.requests.steps import make_key, obey
from tests.features.support_access.steps import inside, let_in
from tests.processes import wait_until

XSS = '<img src=x onerror=alert(1)> "quotes" \u05e9\u05dc\u05d5\u05dd \U0001f44d'


def turn_on(world, *people):
    """Memories are on for these people, as the gateway obeys it."""
    on = PersonalSetting(enabled=True, retention_days=30)
    obey(world, people={person.id: {"memories": on} for person in people})


def remember(world, person, text="I write Python", **fields):
    """A memory of this person, kept by the gateway behind the dashboard's back."""
    new = NewMemory(text=text, **fields)
    return world.server.client.create_memory(person.actor, person.account_id, new, str(uuid4()))


def events(world):
    return [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("memory.")]


def texts(page):
    return [row["Memory"] for row in page.table("Memories")]


def test_vera_adds_edits_and_deletes_a_memory(world, browse):
    turn_on(world, world.vera)
    page = browse(world.vera).visit("/memories")
    assert "No memories yet" in page.text
    page.follow("Add the first").submit("Keep it", text="  ")
    assert page.status == 422
    assert "Write what models should be told." in page.text
    page.submit("Keep it", text="I write Python.\nShort sentences.")
    assert "The gateway keeps the memory." in page.text
    (row,) = page.table("Memories")
    assert row["Memory"] == "I write Python. Short sentences."
    assert row["From"].startswith("You, on this page")
    assert row["For"] == "Every app any provider"
    assert row["Last used"] == "never"
    assert row["Kept"] in ("29 days left", "30 days left")
    page.follow("Edit I write Python. Short sentences.").submit("Save", text="I write Rust.", providers="anuma")
    assert page.table("Memories")[0]["For"] == "Every app only the built-in model"
    page.follow("Delete I write Rust.")
    assert "This cannot be undone" in page.text
    page.submit("Delete this memory")
    wait_until(lambda: world.run_worker(seconds=1) or "on its way" not in page.visit("/memories").text, "it is deleted")
    assert "No memories yet" in page.text
    assert events(world) == ["memory.added", "memory.changed"]
    assert not any("Rust" in str(detail.body) or "Python" in str(detail.body) for detail in world.rows(AuditDetail))


def test_which_apps_may_use_it(world, browse):
    turn_on(world, world.dev)
    client = world.server.client
    app = client.create_app(world.dev.actor, world.northwind, NewApp(name="Research"), str(uuid4()))
    page = browse(world.dev).visit("/memories/new").submit("Keep it", text="Only there", apps="some")
    assert "Tick at least one app" in page.text
    page.submit("Keep it", text="Only there", apps="some", chosen=[str(app.id)])
    assert page.table("Memories")[0]["For"] == "Research any provider"
    page.follow("Edit Only there")
    assert page.one(f"input[value='{app.id}']").get("checked") is not None


def test_a_memory_of_a_program_says_so_and_keeps_its_providers(world, browse):
    turn_on(world, world.dev)
    key = make_key(world, world.dev)
    headers = {"Authorization": f"Bearer {key.secret}"}
    body = {"text": "Sent by a program", "providers": ["fake"]}
    assert world.server.public.post("/v1/memories", json=body, headers=headers).status_code == 201
    page = browse(world.dev).visit("/memories")
    assert page.table("Memories")[0]["From"].startswith("A program of the app Default, its key")
    page.follow("Edit Sent by a program")
    assert "As it is: fake" in page.text
    page.submit("Save", text="Sent, then edited")
    assert page.table("Memories")[0]["For"] == "Every app fake"
    assert page.follow("its key").heading == "ci"


def test_search_finds_words_in_ones_own(world, browse):
    turn_on(world, world.dev, world.olive)
    for text in ("I write Python", "I live in Lisbon"):
        remember(world, world.dev, text)
    remember(world, world.olive, "Olive writes Python")
    page = browse(world.dev).visit("/memories")
    assert texts(page) == ["I live in Lisbon", "I write Python"]
    page.submit("Search", q="python")
    assert texts(page) == ["I write Python"]
    assert "q=python" in page.path
    page.submit("Search", q="nowhere")
    assert "No memory has these words" in page.text
    page.follow("Show all")
    assert len(texts(page)) == 2


def test_while_they_are_off_they_can_be_read_exported_and_deleted_only(world, browse):
    turn_on(world, world.dev)
    memory = remember(world, world.dev)
    obey(world)
    page = browse(world.dev).visit("/memories")
    assert "Memories are off for you" in page.text
    assert texts(page) == ["I write Python"]
    assert not page.offers("New memory")
    assert not page.offers("Edit I write Python")
    assert page.offers("Delete I write Python")
    assert page.visit("/memories/new").select("textarea") == []
    assert page.visit(f"/memories/{memory.id}/edit").select("textarea") == []
    form = {"csrf_token": page.csrf_token(), "token": str(uuid4()), "text": "x", "apps": "all", "providers": "all"}
    for path in ("/memories", f"/memories/{memory.id}"):
        answer = page.request("POST", path, data=form)
        assert answer.status_code == 409
        assert "Memories are off, so the gateway keeps and changes none." in answer.text
    assert page.visit("/memories/export").offers("Download")
    assert events(world) == []


def test_nobody_else_ever_sees_or_touches_them(world, browse):
    turn_on(world, world.dev, world.olive, world.ada)
    memory = remember(world, world.dev, "canary words")
    for person in (world.olive, world.ada, world.vera, world.strange):
        page = browse(person)
        assert "canary words" not in page.visit("/memories").text
        form = {"csrf_token": page.csrf_token(), "token": str(uuid4()), "text": "x", "apps": "all", "providers": "all"}
        for method, path in (("GET", "edit"), ("GET", "deletion"), ("POST", "deletion"), ("POST", "")):
            address = f"/memories/{memory.id}/{path}".rstrip("/")
            answer = page.request(method, address, data=form if method == "POST" else None)
            assert answer.status_code in ((404,) if person is not world.vera else (404, 409)), (person.name, address)
            assert "canary words" not in answer.text
    assert texts(browse(world.dev).visit("/memories")) == ["canary words"]


def test_support_sees_nothing_of_them(world):
    turn_on(world, world.dev)
    remember(world, world.dev, "canary words")
    page = inside(world, let_in(world, "content", by="olive"))
    answer = page.request("GET", "/memories")
    assert answer.status_code == 403
    assert "canary words" not in answer.text


def test_deleting_all_says_the_number_and_takes_only_ones_own(world, browse):
    turn_on(world, world.dev, world.olive)
    for number in range(3):
        remember(world, world.dev, f"Number {number}")
    remember(world, world.olive, "Olive's")
    page = browse(world.dev).visit("/memories").follow("Delete all")
    assert "This deletes 3 memories" in page.text
    page.submit("Delete all of them")
    world.run_worker(seconds=10)
    assert "No memories yet" in page.visit("/memories").text
    assert texts(browse(world.olive).visit("/memories")) == ["Olive's"]
    (deletion,) = world.rows(Deletion)
    assert (deletion.state, deletion.count) == ("verified", 3)
    assert browse(world.olive).request("GET", f"/deletions/{deletion.id}").status_code == 404
    assert "All memories of your own" in page.visit("/deletions").text
    assert "memories" not in browse(world.olive).visit("/deletions").one("#deletion-rows").text.lower()


def test_a_deletion_that_is_not_confirmed_is_said_to_be_on_its_way(world):
    turn_on(world, world.dev)
    memory = remember(world, world.dev)
    page = world.browser(world.dev).visit(f"/memories/{memory.id}/deletion")
    world.gateway.start_deletion, real = _unanswered, world.gateway.start_deletion
    page.submit("Delete this memory")
    world.gateway.start_deletion = real
    assert "A deletion of memories is on its way" in page.text
    assert "is deleted, verified" not in page.text
    world.run_worker(seconds=30)
    assert "No memories yet" in page.reload().text


def _unanswered(*_):
    from anuma_dash.errors import GatewayUnavailable

    raise GatewayUnavailable("The gateway does not answer.")


def test_the_export_is_whole_and_recorded(world, browse):
    turn_on(world, world.dev, world.olive)
    for number in range(102):
        remember(world, world.dev, f"Number {number}")
    remember(world, world.olive, "Olive's")
    page = browse(world.dev).visit("/memories").follow("Export")
    answer = page.request("POST", "/memories/export", data={"csrf_token": page.csrf_token()})
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="anuma-memories-')
    found = json.loads(answer.text)
    assert (found["count"], found["complete"], len(found["memories"])) == (102, True, 102)
    assert {one["text"] for one in found["memories"]} == {f"Number {number}" for number in range(102)}
    assert events(world) == ["memory.exported"]


@pytest.mark.parametrize("fault", ["down", "silent", "failing", "html", "truncated", "wrong-types", "huge"])
def test_without_the_gateway_nothing_is_said_that_is_not_known(world, fault):
    turn_on(world, world.dev)
    page = world.browser(world.dev).visit("/memories/new")
    world.break_gateway(fault)
    page.submit("Keep it", text="I write Python")
    assert page.status == 503
    assert "Whether it was done is not known." in page.text
    page.visit("/memories")
    assert page.status == 503
    assert "Memories cannot be shown" in page.text
    assert "Whether memories are on is not known right now" in page.text
    assert page.request("POST", "/memories/export", data={"csrf_token": page.csrf_token()}).status_code == 503
    assert events(world) == []


def test_sending_the_form_twice_keeps_one(world):
    turn_on(world, world.dev)
    page = world.browser(world.dev).visit("/memories/new")
    token = page.one("input[name=token]")["value"]
    form = {"csrf_token": page.csrf_token(), "token": token, "text": "Once", "apps": "all", "providers": "all"}
    for _ in range(2):
        assert page.request("POST", "/memories", data=form).status_code == 303
    assert texts(page.visit("/memories")) == ["Once"]
    assert events(world) == ["memory.added"]


def test_a_text_is_only_text(world, browse):
    turn_on(world, world.dev)
    memory = remember(world, world.dev, XSS)
    page = browse(world.dev)
    for path in ("/memories", f"/memories/{memory.id}/edit", f"/memories/{memory.id}/deletion"):
        page.visit(path)
        assert page.select("img[src=x]") == []
        assert "onerror" in page.text or page.one("textarea").text
