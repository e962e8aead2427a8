"""The steps of a request, and what people and programs said of it: shown to those who may read, recorded."""

from __future__ import annotations

from uuid import uuid4

import pytest

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.gateway.schemas import NewEvaluation
from tests.features.requests.steps import ask, make_key, obey

XSS = '<img src=x onerror=alert(1)> "quotes"'


def events(world, *names):
    return [entry.event for entry in world.rows(AuditEntry) if entry.event in names]


def evaluate(world, request_id, name="helpful", score=0.5, comment=""):
    new = NewEvaluation(name=name, score=score, comment=comment)
    client = world.server.client
    return client.create_evaluation(world.olive.actor, world.northwind, request_id, new, str(uuid4()))


def test_the_steps_of_a_request(world, browse):
    obey(world, "traces")
    request_id = ask(world, make_key(world, world.dev))
    page = browse(world.olive).visit(f"/requests/{request_id}")
    assert "Traces Stored, because traces were on when this request arrived" in page.one("#stored").text
    assert "Attempt at" not in page.text
    page.follow("Show the steps")
    assert "Attempt at anuma" in page.one("#trace").text
    assert "after" in page.one("#trace .when").text
    assert events(world, "content.trace_read") == ["content.trace_read"]
    page.visit(f"/requests/{request_id}/trace").follow("Hide steps")
    assert "Opened by Olive" in page.one("#opened").text


def test_without_traces_the_rule_is_said(world, browse):
    request_id = ask(world, make_key(world, world.dev))
    page = browse(world.dev).visit(f"/requests/{request_id}")
    assert "Traces were off when this request arrived." in page.one("#trace").text
    assert not page.offers("Show the steps")
    page.visit(f"/requests/{request_id}/trace")
    assert events(world, "content.trace_read") == [], "nothing was there to open"


def test_others_read_neither(world, browse):
    obey(world, "traces", "evaluations")
    request_id = ask(world, make_key(world, world.olive))
    evaluate(world, request_id, comment="canary words")
    for person, status in ((world.vera, 403), (world.dev, 403), (world.strange, 404)):
        page = browse(person)
        for part in ("trace", "evaluations"):
            answer = page.request("GET", f"/requests/{request_id}/{part}")
            assert answer.status_code == status
            assert "canary words" not in answer.text
    assert events(world, "content.trace_read", "content.evaluations_read") == []
    assert "Only the account's owners" in browse(world.dev).visit(f"/requests/{request_id}").one("#trace").text


def test_dev_evaluates_a_request_of_his_own(world, browse):
    obey(world, "evaluations")
    request_id = ask(world, make_key(world, world.dev))
    page = browse(world.dev).visit(f"/requests/{request_id}").follow("Show evaluations")
    assert "Nobody has evaluated this request" in page.text
    page.submit("Add the evaluation", name="helpful", score="much")
    assert page.status == 422
    assert "Enter a number between -1,000,000 and 1,000,000." in page.text
    page.submit("Add the evaluation", name="helpful", score="0.75", comment=XSS)
    assert "The gateway has stored the evaluation." in page.text
    (row,) = page.table("Evaluations")
    assert (row["What"], row["Score"], row["Comment"], row["By"]) == ("helpful", "0.75", XSS, "Dev Kapoor")
    assert page.select("img[src=x]") == []
    assert events(world, "evaluation.added") == ["evaluation.added"]
    assert not any(XSS in str(detail.body) for detail in world.rows(AuditDetail)), "the words stay out of the record"


def test_an_evaluation_by_a_program(world, browse):
    obey(world, "evaluations")
    key = make_key(world, world.dev)
    request_id = ask(world, key)
    body = {"name": "correct", "score": -3, "comment": ""}
    headers = {"Authorization": f"Bearer {key.secret}"}
    sent = world.server.public.post(f"/v1/requests/{request_id}/evaluations", json=body, headers=headers)
    assert sent.status_code == 201
    (row,) = browse(world.olive).visit(f"/requests/{request_id}/evaluations").table("Evaluations")
    assert (row["What"], row["Score"], row["By"]) == ("correct", "-3", "a program")


def test_while_evaluations_are_off_none_is_taken(world, browse):
    request_id = ask(world, make_key(world, world.dev))
    page = browse(world.dev).visit(f"/requests/{request_id}/evaluations")
    answer = page.request(
        "POST",
        f"/requests/{request_id}/evaluations",
        data={"csrf_token": page.csrf_token(), "token": str(uuid4()), "name": "x", "score": "1"},
    )
    assert answer.status_code == 409
    assert "Evaluations are off, so the gateway takes none. Nothing was stored." in answer.text
    assert events(world, "evaluation.added") == []


def test_sending_the_form_twice_stores_one(world):
    obey(world, "evaluations")
    request_id = ask(world, make_key(world, world.dev))
    page = world.browser(world.dev).visit(f"/requests/{request_id}/evaluations")
    form = {"csrf_token": page.csrf_token(), "token": str(uuid4()), "name": "x", "score": "1"}
    for _ in range(2):
        answer = page.request("POST", f"/requests/{request_id}/evaluations", data=form)
        assert answer.status_code == 303, answer.text
    assert len(page.reload().table("Evaluations")) == 1
    assert events(world, "evaluation.added") == ["evaluation.added"]


@pytest.mark.parametrize("fault", ["down", "silent", "html", "wrong-types"])
@pytest.mark.parametrize("part", ["trace", "evaluations", "content"])
def test_without_the_gateway_nothing_is_shown_or_recorded(world, fault, part):
    obey(world, "traces", "evaluations", "prompt_logging")
    request_id = ask(world, make_key(world, world.olive))
    page = world.browser(world.olive)
    world.break_gateway(fault)
    assert page.request("GET", f"/requests/{request_id}/{part}").status_code == 503
    assert events(world, "content.read", "content.trace_read", "content.evaluations_read") == []


def test_an_evaluation_is_deleted(world, browse):
    obey(world, "evaluations")
    request_id = ask(world, make_key(world, world.dev))
    evaluate(world, request_id, "helpful")
    evaluate(world, request_id, "correct")
    page = browse(world.olive).visit(f"/requests/{request_id}/evaluations")
    page.submit("Delete “helpful”")
    world.run_worker(seconds=10)
    assert "Deleted, verified" in page.reload().text
    assert [row["What"] for row in page.visit(f"/requests/{request_id}/evaluations").table("Evaluations")] == [
        "correct"
    ]
