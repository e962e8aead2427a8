"""What a person had typed before they were asked to confirm who they are, back in the form it was typed into."""

from __future__ import annotations

from flask import request
from werkzeug.datastructures import MultiDict

from anuma_dash.errors import NotFound
from anuma_dash.web import sessions
from anuma_dash.web.listing import uuid_argument
from anuma_dash.web.state import now, services, signed_in


def draft_fields() -> MultiDict[str, str] | None:
    """The kept fields of the form on this page; None if nothing was kept, or it is another session's or too old."""
    try:
        draft_id = uuid_argument("draft")
    except NotFound:
        return None
    if draft_id is None:
        return None
    with services().db.reading() as tx:
        fields = sessions.find_draft(tx, signed_in().session.id, draft_id, request.path, now())
    return MultiDict(fields) if fields else None
