"""The pages of a person's own memories."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import id_of, new_id
from anuma_dash.domain.deletions import Deletion
from anuma_dash.errors import GatewayError, GatewayRefused, Invalid
from anuma_dash.features.memories import blueprint, service
from anuma_dash.features.memories.forms import MemoryForm
from anuma_dash.gateway import schemas
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, filters, listing, uuid_argument
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.shown import shown_count, signed_count
from anuma_dash.web.state import account, actor, now, services

OWN = Permission.OWN_MEMORIES
ANY_MINUTE = "60 per minute"
ALL = "all memories"
UNKNOWN = "Whether it was done is not known. Try again: sending this form twice does it once."


@blueprint.get("/memories")
@access(OWN)
def index() -> ResponseReturnValue:
    """The person's memories, newest first, or those in which words are found."""
    after, active = uuid_argument("after"), filters("q")
    context: dict[str, Any] = {"q": active.get("q", ""), "clear_url": url_for("memories.index")}
    context["under_way"] = service.deletions_under_way(services().context, actor(), account().id)
    context["may_read_keys"] = actor().may(Permission.READ_KEYS)
    wanted = (services().context, actor(), account().id)
    try:
        found, around = service.list_memories(*wanted, q=context["q"], after=after, limit=PAGE_ROWS)
    except GatewayError as error:
        context |= {"memories": None, "around": service.Around("unknown"), "problem": gateway_problem(error)}
        return page("memories/index.html", fragment="memory_list", status=503, **context)
    rows = listing(found.data, found.next, active)
    context |= {"memories": rows, "around": around, "problem": "", "days_left": days_left}
    response = page("memories/index.html", fragment="memory_list", **context)
    if after is None:
        response.headers["HX-Push-Url"] = url_for("memories.index", **active)  # type: ignore[arg-type]
    return response


def days_left(expires_at: datetime | None) -> int | None:
    """Whole days until a memory ends; None if it has no end."""
    return None if expires_at is None else max(0, (expires_at - now()).days)


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("Memories", url_for("memories.index")), (label, None)]


@blueprint.get("/memories/new")
@access(OWN)
def new() -> ResponseReturnValue:
    """The form of a new memory, while memories are on."""
    form = MemoryForm()
    form.token.data = str(new_id())
    return _new_page(form, service.read_around(services().context, actor(), account().id))


def _new_page(form: MemoryForm, around: service.Around, *, status: int = 200, problem: str = "") -> Response:
    form.offer(around.apps)
    own: dict[str, Any] = {"form": form, "around": around, "problem": problem}
    own["breadcrumbs"] = _crumbs("New memory")
    return page("memories/new.html", fragment="form", status=status, **own)


@blueprint.post("/memories")
@access(OWN)
@limiter.limit(ANY_MINUTE)
def create() -> ResponseReturnValue:
    """Keep a memory."""
    form, wanted = MemoryForm(request.form), (services().context, actor(), account().id)
    around = service.read_around(*wanted)
    form.offer(around.apps)
    token = form.token_id
    if not form.validate() or token is None:
        form.token.data = str(token or new_id())
        return _new_page(form, around, status=422, problem="" if token else "This form is out of date. Send it again.")
    wish = schemas.NewMemory(text=form.text.data or "", app_ids=form.app_ids, providers=form.provider_names)
    try:
        service.add_memory(*wanted, token, wish)
    except GatewayRefused as error:
        form.token.data = str(new_id())
        return _new_page(form, around, status=502, problem=f"{gateway_problem(error)} This memory was not kept.")
    except GatewayError as error:
        return _new_page(form, around, status=503, problem=f"{error} {UNKNOWN}")
    flash("ok", "The gateway keeps the memory.")
    return leave_for(url_for("memories.index"))


@blueprint.get("/memories/<uuid:memory_id>/edit")
@access(OWN)
def edit(memory_id: UUID) -> ResponseReturnValue:
    """The form of one memory, while memories are on."""
    memory, around = service.find_memory_and_around(services().context, actor(), account().id, memory_id)
    form = MemoryForm()
    form.show(memory)
    return _edit_page(memory_id, form, around)


def _edit_page(
    memory_id: UUID, form: MemoryForm, around: service.Around, *, status: int = 200, problem: str = ""
) -> Response:
    form.offer(around.apps)
    own: dict[str, Any] = {"form": form, "around": around, "problem": problem, "breadcrumbs": _crumbs("Edit")}
    return page("memories/edit.html", fragment="form", status=status, memory_id=memory_id, **own)


@blueprint.post("/memories/<uuid:memory_id>")
@access(OWN)
@limiter.limit(ANY_MINUTE)
def update(memory_id: UUID) -> ResponseReturnValue:
    """Change a memory."""
    form, wanted = MemoryForm(request.form), (services().context, actor(), account().id)
    try:
        service.find_memory(*wanted, memory_id)
    except GatewayError as error:
        problem = f"{gateway_problem(error)} It was not changed."
        return _edit_page(memory_id, form, service.Around("on"), status=503, problem=problem)
    # Which apps there are is asked for where the form is drawn again; the gateway refuses what is none.
    around = service.Around("on")
    form.offer(around.apps)
    if not form.validate():
        return _edit_page(memory_id, form, service.read_around(*wanted), status=422)
    change = schemas.MemoryChange(text=form.text.data or "", app_ids=form.app_ids, providers=form.provider_names)
    try:
        service.change_memory(*wanted, memory_id, change)
    except GatewayRefused as error:
        problem = f"{gateway_problem(error)} It was not changed."
        return _edit_page(memory_id, form, around, status=502, problem=problem)
    except GatewayError as error:
        return _edit_page(memory_id, form, around, status=503, problem=f"{error} {UNKNOWN}")
    flash("ok", "The memory is changed.")
    return leave_for(url_for("memories.index"))


@blueprint.get("/memories/<uuid:memory_id>/deletion")
@access(OWN)
def new_deletion(memory_id: UUID) -> ResponseReturnValue:
    """What deleting this memory will do."""
    memory = service.find_memory(services().context, actor(), account().id, memory_id)
    return page("memories/deletion.html", memory=memory, token=str(new_id()), breadcrumbs=_crumbs("Delete"))


@blueprint.post("/memories/<uuid:memory_id>/deletion")
@access(OWN)
@limiter.limit(ANY_MINUTE)
def create_deletion(memory_id: UUID) -> ResponseReturnValue:
    """Delete one memory."""
    wanted = (services().context, actor(), account().id, memory_id)
    service.find_memory(*wanted)
    deletion = service.delete_memory(*wanted, _token())
    return _after(deletion, "The memory is deleted, verified.")


def _token() -> UUID:
    token = id_of(request.form.get("token"))
    if token is None:
        raise Invalid("This form is out of date. Reload its page.")
    return token


def _after(deletion: Deletion, done: str) -> ResponseReturnValue:
    if deletion.state == "verified":
        flash("ok", done)
    return leave_for(url_for("memories.index"))


@blueprint.get("/memories/deletion")
@access(OWN, reauth=True)
def new_deletion_of_all() -> ResponseReturnValue:
    """What deleting all memories will do, with their number."""
    number = service.count_memories(services().context, actor(), account().id)
    shown = signed_count(ALL, number)
    own: dict[str, Any] = {
        "number": number,
        "shown": shown,
        "token": str(new_id()),
        "breadcrumbs": _crumbs("Delete all"),
    }
    return page("memories/deletion_of_all.html", **own)


@blueprint.post("/memories/deletion")
@access(OWN, reauth=True)
@limiter.limit(ANY_MINUTE)
def create_deletion_of_all() -> ResponseReturnValue:
    """Delete all of the person's memories."""
    token, count = _token(), shown_count(ALL, request.form.get("shown", ""))
    deletion = service.delete_all_memories(services().context, actor(), account().id, token, count)
    return _after(deletion, "Your memories are deleted, verified.")


@blueprint.get("/memories/export")
@access(OWN, reauth=True)
def new_export() -> ResponseReturnValue:
    """What is in the file."""
    return page("memories/export.html", breadcrumbs=_crumbs("Export"))


@blueprint.post("/memories/export")
@access(OWN, reauth=True)
@limiter.limit("10 per minute")
def create_export() -> ResponseReturnValue:
    """All of the person's memories as JSON, streamed."""
    chunks = service.export_memories(services().context, actor(), account().id)
    response = Response(chunks, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="anuma-memories-{now():%Y-%m-%d}.json"'
    return response
