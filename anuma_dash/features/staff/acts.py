"""One way to draw and to send every form of the staff section: what will happen, why, and the button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Response, request
from flask.typing import ResponseReturnValue
from wtforms import Form

from anuma_dash.errors import Conflict, Invalid
from anuma_dash.web.access import leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.render import page


@dataclass(frozen=True)
class Act:
    """One act as its page describes it. `points` say what it will do; `back` is where its page was opened from."""

    title: str
    submit: str
    points: Sequence[str]
    action: str
    back: str
    crumbs: list[tuple[str, str | None]]
    form: type[Form]
    danger: bool = False


def act_page(act: Act) -> Response:
    """The empty form of an act, or what was typed before the person had to confirm who they are."""
    return _draw(act, act.form(draft_fields()))


def _draw(act: Act, form: Form, status: int = 200, problem: str = "") -> Response:
    return page(
        "staff/act.html", fragment="form", status=status, act=act, form=form, problem=problem, breadcrumbs=act.crumbs
    )


def send(act: Act, do: Callable[[Form], str], goal: str = "") -> ResponseReturnValue:
    """Check the form and do what it says; `do` returns the words that stand on the next page.

    What the domain refuses is said on the form: a wrong field (422), or that it cannot be done any more (409).
    """
    form = act.form(request.form)
    if not form.validate():
        return _draw(act, form, 422)
    try:
        words = do(form)
    except Invalid as error:
        field = form[error.field if error.field and error.field in form else next(iter(form)).name]
        field.errors = [*field.errors, str(error)]
        return _draw(act, form, 422)
    except Conflict as error:
        return _draw(act, form, 409, str(error))
    flash("ok", words)
    return leave_for(goal or act.back)
