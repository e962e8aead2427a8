"""The one form that staff may send in a support session: the button of its bar, which ends it."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from anuma_dash.features.support_access import blueprint
from anuma_dash.web import support
from anuma_dash.web.access import access


@blueprint.post(support.STOP)
@access(anonymous=True, support="stop")
def create_stop() -> ResponseReturnValue:
    """End the support session of this browser, whatever is left of it, and go back to the staff section."""
    support.stop()
    return support.leave()
