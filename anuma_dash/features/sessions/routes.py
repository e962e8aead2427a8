"""Sessions: the list, ending one, ending all others."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.features.sessions import blueprint, service
from anuma_dash.web.access import access
from anuma_dash.web.flashes import flash
from anuma_dash.web.formats import plural
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.state import actor, now, services, signed_in


@blueprint.get("/sessions")
@access()
def index() -> ResponseReturnValue:
    """Where the person is signed in, and where they were."""
    found, settings = signed_in(), services().settings
    with services().db.reading() as tx:
        live = service.live_rows(tx, settings, found.user.id, found.session.id, now())
        ended = service.ended_rows(tx, settings, found.user.id, now())
    return page("sessions/index.html", live=live, ended=ended, days=service.ENDED_SHOWN_FOR.days, places=_places())


def _places() -> bool:
    settings = services().settings
    return bool(settings.place_header and settings.proxy_hops)


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("Sessions", url_for("sessions.index")), (label, None)]


def _row(session_id: UUID) -> service.SessionRow:
    found = signed_in()
    with services().db.reading() as tx:
        return service.find_row(tx, services().settings, found.user.id, session_id, found.session.id, now())


def _line(row: service.SessionRow) -> Response:
    return page("sessions/row.html", fragment="row", row=row, places=_places())


@blueprint.get("/sessions/<uuid:session_id>")
@access()
def show(session_id: UUID) -> ResponseReturnValue:
    """One line of the list, for whoever keeps the session after all."""
    row = _row(session_id)
    return _line(row) if wants_fragment() else redirect(url_for("sessions.index"), 303)


@blueprint.get("/sessions/<uuid:session_id>/ending")
@access(reauth=True)
def new_ending(session_id: UUID) -> ResponseReturnValue:
    """What ending this session does."""
    row = _row(session_id)
    if not wants_fragment():
        return page("sessions/ending.html", row=row, breadcrumbs=_crumbs("End a session"))
    if row.current or row.ended_at:
        return _line(row)
    return page("sessions/row_confirmation.html", fragment="row", row=row, places=_places())


@blueprint.post("/sessions/<uuid:session_id>/ending")
@access(reauth=True)
@limiter.limit("60 per minute")
def create_ending(session_id: UUID) -> ResponseReturnValue:
    """End a session of the person."""
    found = signed_in()
    with services().db.transaction(durable=True) as tx:
        row = service.end_session(tx, services().settings, actor(), found.user.id, session_id, now())
    if wants_fragment():
        return _line(row)
    flash("ok", f"The session in {row.device} has ended. Its next request is asked to sign in.")
    return redirect(url_for("sessions.index"), 303)


@blueprint.get("/sessions/others/ending")
@access(reauth=True)
def new_others_ending() -> ResponseReturnValue:
    """What ending all other sessions does."""
    found, settings = signed_in(), services().settings
    with services().db.reading() as tx:
        rows = service.live_rows(tx, settings, found.user.id, found.session.id, now())
    others = [row for row in rows if not row.current]
    return page("sessions/others_ending.html", others=others, breadcrumbs=_crumbs("End all others"))


@blueprint.post("/sessions/others/ending")
@access(reauth=True)
@limiter.limit("30 per minute")
def create_others_ending() -> ResponseReturnValue:
    """End every session of the person but this one."""
    found = signed_in()
    with services().db.transaction(durable=True) as tx:
        count = service.end_other_sessions(tx, services().settings, actor(), found.user.id, now())
    if count:
        flash("ok", f"{plural(count, 'other session')} {'has' if count == 1 else 'have'} ended. This one goes on.")
    else:
        flash("info", "There was no other session. Nothing was changed.")
    return redirect(url_for("sessions.index"), 303)
