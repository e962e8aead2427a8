"""Chat history: each member's own, found, read, renamed, pinned and deleted by them, and by nobody else."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.deletions import Deletion
from anuma_dash.gateway.schemas import PersonalSetting
from tests.features.requests.steps import make_key, obey
from tests.features.support_access.steps import inside, let_in

XSS = (
    '<img src=x onerror=alert(1)> <div hx-get="/keys" data-copy="x"> [x](javascript:alert(1)) '
    "\u05e9\u05dc\u05d5\u05dd \U0001f44d"
)


def turn_on(world, *people):
    """Chat history is on for these people, as the gateway obeys it."""
    on = PersonalSetting(enabled=True, retention_days=30)
    obey(world, people={person.id: {"chat_history": on} for person in people})


def say(world, key, name, *texts):
    """A conversation of this name, each text sent with what was said before."""
    messages = []
    for text in texts:
        messages.append({"role": "user", "content": text})
        answer = world.chat(key.secret, messages=messages, conversation_id=name)
        assert answer.status_code == 200, answer.text
        messages.append({"role": "assistant", "content": answer.json()["choices"][0]["message"]["content"]})
    return messages


def titles(page):
    return [link.text for link in page.select("#conversation-list th a")]


def of(world, person):
    return world.server.client.conversations(person.actor, person.account_id, owner="me").data


@pytest.fixture
def devs(world):
    """Dev's chat history is on; here is a key of theirs."""
    turn_on(world, world.dev)
    return make_key(world, world.dev)


def test_off_it_says_what_it_is_for(world, browse):
    page = browse(world.vera).visit("/history")
    assert "Chat history is off" in page.text
    assert "Nothing is kept now." in page.text
    assert page.one("#conversation-list a.btn")["href"] == "/data-controls"


def test_on_it_says_how_to_begin(world, browse, devs):
    page = browse(world.dev).visit("/history")
    assert "No conversations yet" in page.text
    codes = [code.text for code in page.select("#conversation-list code")]
    assert len(codes) == 3
    assert all('"my-first-chat"' in code for code in codes)


def test_dev_finds_reads_renames_and_pins(world, browse, devs):
    say(world, devs, "a", "How do **herons** hunt?", "And at night?")
    say(world, devs, "b", "Storks")
    page = browse(world.dev).visit("/history")
    assert titles(page) == ["Storks", "How do **herons** hunt?"]
    row = page.table("Conversations")[1]
    assert (row["Model"], row["App"], row["Messages"]) == ("anuma/echo", "Default", "4")
    assert row["Kept"] in ("29 days left", "30 days left")
    page.follow("How do **herons** hunt?")
    assert [one.text for one in page.select("#messages strong")] == ["herons", "herons"]
    page.submit("Rename", title="Herons \u200f at night")
    assert "The conversation is renamed." in page.text
    assert page.heading.startswith("Herons")
    page.submit("Pin")
    assert "The conversation is pinned." in page.text
    page.visit("/history")
    assert titles(page)[1] == "Storks", "the pinned one stands first"
    assert "Pinned" in page.table("Conversations")[0]["Conversation"]
    page.visit(f"/history/{of(world, world.dev)[0].id}").submit("Unpin")
    assert "The conversation is not pinned any more." in page.text
    kinds = [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("conversation.")]
    assert kinds == ["conversation.renamed", "conversation.pinned", "conversation.unpinned"]
    assert not any("eron" in str(detail.body) for detail in world.rows(AuditDetail)), "no title in the activity"


def test_words_are_found_and_marked(world, browse, devs):
    say(world, devs, "a", "How do herons hunt in the marsh?")
    say(world, devs, "b", "Storks")
    page = browse(world.dev).visit("/history").submit("Search", q="marsh heron")
    assert titles(page) == ["How do herons hunt in the marsh?"]
    assert {mark.text.lower() for mark in page.select("mark")} >= {"marsh"}
    page.submit("Search", q="pelican")
    assert "No conversation matches" in page.text
    page.follow("Show all")
    assert len(titles(page)) == 2


def test_filters_stand_in_the_address(world, browse, devs):
    say(world, devs, "a", "Herons")
    page = browse(world.dev).visit("/history?model=other")
    assert "No conversation fits these filters." in page.text
    page.visit("/history?pinned=maybe&from=yesterday&app=x")
    assert "Left out, because it could not be read: app, pinned, from." in page.text or "Left out" in page.text
    assert titles(page) == ["Herons"]
    page.submit("Filter", pinned="no")
    assert titles(page) == ["Herons"]
    page.submit("Filter", pinned="yes")
    assert "No conversation fits these filters." in page.text


def test_where_it_branches_each_way_can_be_read(world, browse, devs):
    first = say(world, devs, "a", "Herons")
    for text in ("In spring?", "In autumn?"):
        messages = [*first, {"role": "user", "content": text}]
        assert world.chat(devs.secret, messages=messages, conversation_id="a").status_code == 200
    page = browse(world.dev).visit(f"/history/{of(world, world.dev)[0].id}")
    assert "In autumn?" in page.text
    assert "2 of 2" in page.text
    assert "In spring?" not in page.text
    page.follow("The way before")
    assert "1 of 2" in page.text
    assert "In spring?" in page.text
    assert "In autumn?" not in page.text


def test_what_is_hostile_is_shown_and_does_nothing(world, browse, devs):
    say(world, devs, "a", XSS)
    page = browse(world.dev).visit("/history")
    assert titles(page)[0].startswith("<img src=x onerror")
    page.follow(titles(page)[0])
    assert "<img src=x onerror=alert(1)>" in page.text
    assert not page.select("#messages img, #messages [hx-get], #messages [data-copy], #messages [href^=javascript]")


def test_a_megabyte_does_not_break_the_page(world, browse, devs):
    text = "the heron " * 100_000 + "THE END"
    say(world, devs, "a", text)
    path = f"/history/{of(world, world.dev)[0].id}"
    page = browse(world.dev).visit(path)
    assert "THE END" not in page.text
    page.follow("Show the whole message")
    assert "THE END" in page.text


def test_the_selected_are_counted_wait_and_can_be_undone(world, browse, devs):
    for name in "abc":
        say(world, devs, name, f"Conversation {name}")
    page = browse(world.dev).visit("/history")
    chosen = [box["value"] for box in page.select("#conversation-list input[name=id]")][:2]
    page.submit("Delete selected", id=chosen)
    assert "This deletes 2 conversations" in page.text
    page.submit("Delete 2 conversations")
    assert "Waiting, can be undone" in page.text
    page.visit("/history")
    assert "Will be deleted at" in page.text
    assert len(titles(page)) == 3
    page.submit("Undo")
    world.run_worker(seconds=20)
    assert len(of(world, world.dev)) == 3
    assert "Undo" not in page.visit("/history").text


def test_all_that_match_go_and_the_others_stay(world, browse, devs):
    for name in ("heron a", "heron b", "stork"):
        say(world, devs, name, f"About the {name}")
    page = browse(world.dev).visit("/history?q=heron").follow("Delete all that match")
    assert "This deletes 2 conversations" in page.text
    page.submit("Delete 2 conversations")
    world.run_worker(seconds=10)
    for _ in range(30):
        world.run_worker(seconds=1)
    assert world.rows(Deletion)[0].state == "verified"
    assert "heron" not in str(world.rows(Deletion)[0].scope), "a search is never written down"
    page.visit("/history")
    assert titles(page) == ["About the stork"]
    page.visit(f"/deletions/{world.rows(Deletion)[0].id}")
    assert "2 conversations are gone from every store listed below." in page.text


def test_nothing_chosen_deletes_nothing(world, browse, devs):
    say(world, devs, "a", "Herons")
    page = browse(world.dev).visit("/history/deletion")
    assert "No conversation is selected." in page.text
    page.visit("/history/deletion?all=yes&pinned=perhaps")
    assert "A filter could not be read, so nothing is chosen." in page.text
    page.visit("/history/deletion?all=yes&pinned=yes")
    assert "None of your conversations is meant" in page.text
    assert world.rows(Deletion) == []


def test_a_scope_that_no_page_counted_is_refused(world, browse, devs):
    say(world, devs, "a", "Herons")
    page = browse(world.dev).visit("/history/deletion?all=yes")
    fields = {field["name"]: field["value"] for field in page.select("#confirm form input")}
    wider = fields["scope"].replace(str(world.dev.id), str(world.olive.id))
    answer = page.request("POST", "/history/deletion", data=fields | {"scope": wider})
    assert answer.status_code == 422
    assert world.rows(Deletion) == []


@pytest.mark.parametrize("person", ["olive", "ada", "bill", "vera", "strange"])
def test_nobody_else_finds_or_changes_it(world, devs, person):
    say(world, devs, "a", "Herons")
    (mine,) = of(world, world.dev)
    page = world.browser(getattr(world, person)).visit(f"/history/{mine.id}")
    assert page.status == 404
    assert page.visit(f"/history/{new_id()}").status == 404
    token = page.visit("/history").csrf_token()
    assert titles(page) == []
    for path, fields in (("", {"title": "Mine"}), ("/pinning", {"pinned": "yes"})):
        data = {"csrf_token": token} | fields
        assert page.request("POST", f"/history/{mine.id}{path}", data=data).status_code == 404
    assert "None of your conversations is meant" in page.visit(f"/history/deletion?id={mine.id}").text
    assert of(world, world.dev) == [mine]


def test_staff_in_a_support_session_see_none(world, devs):
    say(world, devs, "a", "Herons")
    page = inside(world, let_in(world, "content", by="olive"))
    assert not page.offers("History")
    assert page.visit("/history").status in (403, 404)
    assert page.visit(f"/history/{of(world, world.dev)[0].id}").status in (403, 404)


def test_while_the_gateway_is_down_it_says_so(world, browse, devs):
    say(world, devs, "a", "Herons")
    world.break_gateway()
    page = browse(world.dev).visit("/history")
    assert page.status == 503
    assert "Conversations cannot be shown" in page.text
    world.mend_gateway()
    page.follow("Try again")
    assert titles(page) == ["Herons"]


def test_the_gateways_export_proves_itself_whole(world, devs):
    say(world, devs, "a", "Herons", "And at night?")
    say(world, devs, "b", "Storks")
    export = world.server.client.export_conversations
    lines = list(export(world.dev.actor, world.northwind))
    assert sum(line.conversation is not None for line in lines) == 2
    assert sum(line.message is not None for line in lines) == 6
    (one, *_) = of(world, world.dev)
    chosen = export(world.dev.actor, world.northwind, ids=[one.id])
    assert [line.conversation.id for line in chosen if line.conversation] == [one.id]
    assert list(export(world.olive.actor, world.northwind)) == []
