"""The request log: the list, one request, and its content apart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.members import member_names, person_word
from anuma_dash.errors import GatewayError
from anuma_dash.features.requests import blueprint, service
from anuma_dash.features.requests.filters import CONTENT_STATES, NAMES, STATUS_CLASSES, Filters, parse_filters
from anuma_dash.features.requests.words import no_response, why
from anuma_dash.gateway import schemas
from anuma_dash.identity import Permission
from anuma_dash.web import formats, listing
from anuma_dash.web.access import access
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.state import account, actor, services


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
    """The metadata of one request, and why its content is stored or not."""
    found = service.find_request(services().context, actor(), account().id, request_id)
    return page("requests/show.html", fragment="content_part", **_facts(found), messages=None)


@blueprint.get("/requests/<uuid:request_id>/content")
@access(
    Permission.READ_CONTENT,
    Permission.READ_OWN_CONTENT,
    support="read",
    writes_on_get="reading content is recorded",
)
def content(request_id: UUID) -> ResponseReturnValue:
    """The stored prompt and response. Opening this is recorded."""
    found, answer = service.read_content(services().context, actor(), account().id, request_id)
    messages, missing = None, ""
    if answer.content.stored:
        messages = [*_messages(answer.prompt or [], "prompt"), *_messages(answer.response or [], "response")]
        missing = "" if answer.response else no_response(found.endpoint)
    # What the gateway said with the content is newer than what it said with the metadata.
    found = found.model_copy(update={"content": answer.content})
    return page("requests/show.html", fragment="content_part", **_facts(found), messages=messages, no_response=missing)


def _messages(messages: list[schemas.Message], part: str) -> list[dict[str, str]]:
    return [
        {
            "role": message.role,
            "text": message.text,
            "note": "earlier, sent again" if part == "prompt" and message.role == "assistant" else "",
        }
        for message in messages
    ]


def _facts(found: schemas.Request) -> dict[str, Any]:
    with services().db.reading() as tx:
        names = member_names(tx, account().id)
    controls = "data_controls.index"
    return {
        "request": found,
        "person": person_word(names, found.created_by),
        "why": why(found.content),
        "may_read": service.may_read_content(actor(), found),
        "controls_url": url_for(controls) if controls in current_app.view_functions else "",
        "breadcrumbs": [("Request log", url_for("requests.index")), (str(found.id)[-8:], None)],
    }
