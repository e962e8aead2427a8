"""The pages of exports of the activity."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import new_id
from anuma_dash.errors import Invalid
from anuma_dash.features.activity import export, service
from anuma_dash.features.activity.filters import NAMES, parse_filters, zone_of
from anuma_dash.features.activity.forms import ExportForm
from anuma_dash.features.activity.models import ActivityExport
from anuma_dash.features.activity.service import KINDS
from anuma_dash.identity import Permission
from anuma_dash.web import sessions
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.formats import time_zone
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import filters, uuid_argument
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, now, services, signed_in

READERS = (Permission.READ_ACTIVITY, Permission.READ_OWN_ACTIVITY)
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


@access(*READERS)
def index_exports() -> ResponseReturnValue:
    """The exports that this person asked for."""
    return page(
        "activity/exports.html",
        breadcrumbs=[("Activity", url_for("activity.index")), ("Exports", None)],
        exports=export.list_exports(services().context, actor(), account().id),
        formats=export.FORMATS,
        chosen_words=_chosen_words,
    )


@access(*READERS, reauth=True)
def new_export() -> ResponseReturnValue:
    """Which format, and what will be in it."""
    return _draw_form(_draft() or ExportForm(filters(*NAMES)))


def _draft() -> ExportForm | None:
    draft_id = uuid_argument("draft")
    if draft_id is None:
        return None
    with services().db.reading() as tx:
        kept = sessions.find_draft(tx, signed_in().session.id, draft_id, request.path, now())
    return ExportForm({name: str(values[0]) for name, values in (kept or {}).items() if values})


@access(*READERS, reauth=True)
@limiter.limit("10 per minute")
def create_export() -> ResponseReturnValue:
    """Ask for an export."""
    form = ExportForm(request.form)
    if form.token is None:
        raise Invalid("The form did not say which export it is. Open it again.")
    zone = signed_in().user.time_zone
    try:
        made = export.request_export(
            services().context, actor(), account().id, form.format, form.filters, zone, token=form.token
        )
    except Invalid as error:
        return _draw_form(form, error, status=422)
    return leave_for(url_for("activity.show_export", export_id=made.id))


def _draw_form(form: ExportForm, error: Invalid | None = None, *, status: int = 200) -> Response:
    problems = {} if error is None else {error.field or "": str(error)}
    return page(
        "activity/new_export.html",
        fragment="form",
        status=status,
        breadcrumbs=[("Activity", url_for("activity.index")), ("New export", None)],
        form=form,
        problems=problems | dict(parse_filters(form.filters, time_zone()).problems),
        token=str(form.token or new_id()),
        formats=[
            ("csv", "CSV", "For spreadsheets: a row for each entry, with times in UTC and in your time zone."),
            ("jsonl", "JSON Lines", "For programs: everything that is needed to check the chain without us."),
        ],
        chosen=_chosen_words(form.filters),
        entries=service.entry_count(services().context, account().id),
        own_only=not actor().may(Permission.READ_ACTIVITY),
    )


def _chosen_words(chosen: dict[str, str]) -> list[str]:
    """The filters in words."""
    read = parse_filters(chosen, time_zone())
    people = dict(service.people(services().context, actor(), account().id, read.who)) if read.who else {}
    context, whose = services().context, account().id
    return [
        *([KINDS[read.what][0] if read.what in KINDS else "A kind that does not exist"] if read.what else []),
        *([people.get(read.who, "Your own acts")] if read.who else []),
        *([service.object_label(context, whose, read.object)] if read.object else []),
        *([f"From {read.first_day}"] if read.first_day else []),
        *([f"To {read.last_day}"] if read.last_day else []),
    ]


@access(*READERS)
def show_export(export_id: UUID) -> ResponseReturnValue:
    """How far an export is, and its file."""
    found = export.read_export(services().context, actor(), account().id, export_id)
    return page(
        "activity/export.html",
        fragment="export",
        breadcrumbs=[
            ("Activity", url_for("activity.index")),
            ("Exports", url_for("activity.index_exports")),
            ("Export", None),
        ],
        export=found,
        over=found.expires_at is not None and found.expires_at <= now(),
        format=export.FORMATS[found.format],
        chosen=_chosen_words(found.filters),
        new_url=url_for("activity.new_export", **found.filters),  # type: ignore[arg-type]
        zone=zone_of(found.time_zone).key,
    )


@access(*READERS, reauth=True)
@limiter.limit("10 per minute")
def create_download(export_id: UUID) -> ResponseReturnValue:
    """The file of an export."""
    found, chunks = export.download_export(services().context, actor(), account().id, export_id)
    response = Response(chunks, content_type=MEDIA_TYPES[found.format])
    response.content_length = found.size_bytes
    response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(found)}"'
    return response


def _file_name(found: ActivityExport) -> str:
    return f"anuma-activity-{found.requested_at:%Y-%m-%d}-{str(found.id)[-4:]}.{found.format}"


def install(blueprint: Blueprint) -> None:
    """Give the pages of exports their addresses."""
    blueprint.get("/activity/exports")(index_exports)
    blueprint.get("/activity/exports/new")(new_export)
    blueprint.post("/activity/exports")(create_export)
    blueprint.get("/activity/exports/<uuid:export_id>")(show_export)
    blueprint.post("/activity/exports/<uuid:export_id>/download")(create_download)
