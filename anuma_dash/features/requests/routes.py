"""The request log: the list, one request, and its content apart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, current_app, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import id_of, new_id
from anuma_dash.domain.members import member_names, person_word
from anuma_dash.errors import GatewayError, Invalid
from anuma_dash.features.requests import blueprint, service, stored
from anuma_dash.features.requests.filters import CONTENT_STATES, NAMES, STATUS_CLASSES, Filters, parse_filters
from anuma_dash.features.requests.forms import EvaluationForm
from anuma_dash.features.requests.words import no_response, per_control, why
from anuma_dash.gateway import schemas
from anuma_dash.identity import Permission
from anuma_dash.web import formats, listing
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.state import account, actor, services

READERS = (Permission.READ_CONTENT, Permission.READ_OWN_CONTENT)


@blueprint.get("/requests")
@access(Permission.READ_REQUESTS, support="read")
def index() -> ResponseReturnValue:
    """The log, newest first, filtered by what the address says."""
    after = listing.uuid_argument("after")
    filters = parse_filters(listing.filters(*NAMES), formats.time_zone())
    context: dict[str, Any] = {
        "filters": filters,
        "statuses": STATUS_CLASSES,
        "content_states": CONTENT_STATES,
        "clear_url": url_for("requests.index"),
    }
    wanted = (services().context, actor(), account().id, filters)
    keys: list[schemas.Key] = []
    try:
        if wants_fragment():
            found = service.list_requests(*wanted, after=after, limit=listing.PAGE_ROWS)
        else:
            found, keys = service.list_requests_and_keys(*wanted, after=after, limit=listing.PAGE_ROWS)
    except GatewayError as error:
        failed = {"requests": None, "problem": gateway_problem(error), "key_choices": _choices(filters, [])}
        failed["app_choices"] = _app_choices(filters, [])
        return page("requests/index.html", fragment="request_list", status=503, **context, **failed)
    response = page(
        "requests/index.html",
        fragment="request_list",
        requests=listing.listing(found.data, found.next, filters.active),
        problem="",
        key_choices=_choices(filters, keys),
        app_choices=_app_choices(filters, keys),
        **context,
    )
    if after is None:
        # Without the fields that were left empty.
        active: dict[str, Any] = dict(filters.active)
        response.headers["HX-Push-Url"] = url_for("requests.index", **active)
    return response


def _choices(filters: Filters, keys: list[schemas.Key]) -> list[tuple[str, str]]:
    choices = [("", "All keys"), *((str(key.id), f"{key.name} (…{actor().tail(key.last_four)})") for key in keys)]
    if filters.key and all(value != str(filters.key) for value, _ in choices):
        choices.append((str(filters.key), f"Key {str(filters.key)[:8]}…"))
    return choices


def _app_choices(filters: Filters, keys: list[schemas.Key]) -> list[tuple[str, str]]:
    # An app without keys has no requests, so the keys name all that there are to choose from.
    names = sorted({(key.app_name, str(key.app_id)) for key in keys})
    choices = [("", "All apps"), *((value, name) for name, value in names)]
    if filters.app and all(value != str(filters.app) for value, _ in choices):
        choices.append((str(filters.app), f"App {str(filters.app)[:8]}…"))
    return choices


@blueprint.get("/requests/<uuid:request_id>")
@access(Permission.READ_REQUESTS, support="read")
def show(request_id: UUID) -> ResponseReturnValue:
    """The metadata of one request, and why anything of it is stored or not."""
    found = service.find_request(services().context, actor(), account().id, request_id)
    return page("requests/show.html", fragment="content_part", **_facts(found))


@blueprint.get("/requests/<uuid:request_id>/content")
@access(*READERS, support="read", writes_on_get="reading content is recorded")
def content(request_id: UUID) -> ResponseReturnValue:
    """The stored prompt and response. Opening this is recorded."""
    found, answer = stored.read_content(services().context, actor(), account().id, request_id)
    messages, missing = None, ""
    if answer.content.stored:
        messages = [*_messages(answer.prompt or [], "prompt"), *_messages(answer.response or [], "response")]
        missing = "" if answer.response else no_response(found.endpoint)
    # What the gateway said with the content is newer than what it said with the metadata.
    found = found.model_copy(update={"content": answer.content})
    shown = {**_facts(found), "messages": messages, "no_response": missing}
    return page("requests/show.html", fragment="content_part", **shown)


@blueprint.get("/requests/<uuid:request_id>/trace")
@access(*READERS, support="read", writes_on_get="reading content is recorded")
def trace(request_id: UUID) -> ResponseReturnValue:
    """The stored steps. Opening this is recorded."""
    found, answer = stored.read_trace(services().context, actor(), account().id, request_id)
    found = found.model_copy(update={"controls": {**found.controls, "traces": answer.trace}})
    steps = answer.steps or [] if answer.trace.stored else None
    return page("requests/show.html", fragment="trace_part", **{**_facts(found), "steps": steps})


@blueprint.get("/requests/<uuid:request_id>/evaluations")
@access(*READERS, support="read", writes_on_get="reading content is recorded")
def evaluations(request_id: UUID) -> ResponseReturnValue:
    """What people and programs said of it. Opening this is recorded."""
    form = EvaluationForm()
    form.token.data = str(new_id())
    return _evaluations_page(request_id, form)


def _evaluations_page(request_id: UUID, form: EvaluationForm, *, status: int = 200, problem: str = "") -> Response:
    found, rows = stored.read_evaluations(services().context, actor(), account().id, request_id)
    shown: dict[str, Any] = {**_facts(found), "evaluations": rows, "form": form, "problem": problem}
    with services().db.reading() as tx:
        names = member_names(tx, account().id)
    program = "a program"
    shown["givers"] = {one.id: person_word(names, one.person) if one.person else program for one in rows.data}
    shown["may_delete"] = actor().support_session_id is None
    shown["may_evaluate"] = shown["may_delete"] and not actor().halt
    shown["deletion_token"] = str(new_id())
    return page("requests/show.html", fragment="evaluation_part", status=status, **shown)


@blueprint.post("/requests/<uuid:request_id>/evaluations")
@access(*READERS)
@limiter.limit("60 per minute")
def create_evaluation(request_id: UUID) -> ResponseReturnValue:
    """Evaluate the request."""
    form = EvaluationForm(request.form)
    if not form.validate():
        if form.token.errors:
            form.token.data = str(new_id())
        return _evaluations_page(request_id, form, status=422)
    wish = schemas.NewEvaluation(
        name=form.name.data or "", score=form.number or 0.0, comment=(form.comment.data or "").strip()
    )
    stored.add_evaluation(services().context, actor(), account().id, request_id, UUID(form.token.data), wish)
    flash("ok", "The gateway has stored the evaluation.")
    return leave_for(url_for("requests.evaluations", request_id=request_id))


@blueprint.post("/requests/<uuid:request_id>/evaluations/<uuid:evaluation_id>/deletion")
@access(*READERS)
@limiter.limit("60 per minute")
def create_evaluation_deletion(request_id: UUID, evaluation_id: UUID) -> ResponseReturnValue:
    """Delete one evaluation."""
    wanted = (services().context, actor(), account().id, request_id)
    stored.find_readable(*wanted)
    token = id_of(request.form.get("token"))
    if token is None:
        raise Invalid("This form is out of date. Reload its page.")
    deletion = stored.delete_evaluation(*wanted, evaluation_id, token)
    return leave_for(url_for("deletions.show", deletion_id=deletion.id))


def _messages(messages: list[schemas.Message], part: str) -> list[dict[str, Any]]:
    return [
        {
            "role": message.role,
            "text": message.text,
            "note": _note(message, part),
            "tool_calls": message.tool_calls,
            "attachments": message.attachments,
        }
        for message in messages
    ]


def _note(message: schemas.Message, part: str) -> str:
    if message.tool_call_id:
        return "answer of a tool"
    return "earlier, sent again" if part == "prompt" and message.role == "assistant" else ""


def _facts(found: schemas.Request) -> dict[str, Any]:
    may_read = service.may_read_content(actor(), found)
    with services().db.reading() as tx:
        names = member_names(tx, account().id)
        opened = stored.openings(tx, account().id, found.id) if may_read else []
    controls, of_trace = "data_controls.index", found.controls.get("traces")
    return {
        "request": found,
        "messages": None,
        "steps": None,
        "evaluations": None,
        "opened": opened,
        "per_control": per_control(found),
        "why_trace": why(of_trace, "traces") if of_trace else "",
        "conversation_url": _conversation_url(found),
        "person": person_word(names, found.created_by),
        "why": why(found.content),
        "may_read": may_read,
        "controls_url": url_for(controls) if controls in current_app.view_functions else "",
        "breadcrumbs": [("Request log", url_for("requests.index")), (str(found.id)[-8:], None)],
    }


def _conversation_url(found: schemas.Request) -> str:
    """The conversation that it belongs to, for the person whose it is and for nobody else."""
    own = found.created_by is not None and found.created_by == actor().user_id and not actor().support_session_id
    if found.conversation_id is None or not own or "history.show" not in current_app.view_functions:
        return ""
    return url_for("history.show", conversation_id=found.conversation_id)
