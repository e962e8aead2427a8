"""The overview."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from anuma_dash.features.overview import blueprint
from anuma_dash.web.access import access
from anuma_dash.web.render import page
from anuma_dash.web.state import services, viewer


@blueprint.get("/")
@access(anonymous=True)
def index() -> ResponseReturnValue:
    """Signed out: what this is. Signed in: the overview."""
    if viewer() is None:
        return page(
            "sign_in/index.html",
            providers=services().settings.sign_in_providers,
            next_path="/",
            problem="",
            sign_up=services().settings.sign_up,
        )
    return page("overview/index.html")
