"""The page of the stricter rules: which apps and keys never store, and what decides about a key."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import controls
from anuma_dash.domain.controls import find_control
from anuma_dash.errors import Invalid
from anuma_dash.features.data_controls import blueprint, rules
from anuma_dash.features.data_controls.settings_routes import CHANGES_A_MINUTE
from anuma_dash.identity import Permission
from anuma_dash.names import one_line
from anuma_dash.web.access import access
from anuma_dash.web.flashes import flash
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, services


@blueprint.get("/data-controls/rules")
@access(Permission.READ_CONTROLS, support="read")
def list_rules() -> ResponseReturnValue:
    """The stricter rules, and the decision about one key."""
    key, model = request.args.get("key", ""), one_line(request.args.get("model", ""))[:200]
    return page(
        "data_controls/rules.html",
        breadcrumbs=[("Data controls", url_for("data_controls.index")), ("Apps and keys", None)],
        rules=rules.read_rules(services().context, actor(), account().id, key, model),
        controls=[(control.slug, control.label) for control in controls.CONTROLS.values()],
        key=key,
        model=model,
        may_change=actor().may(Permission.CHANGE_CONTROLS),
        may_switch_on=actor().may(Permission.SWITCH_ON),
    )


@blueprint.post("/data-controls/rules")
@access(Permission.CHANGE_CONTROLS)
@CHANGES_A_MINUTE
def change_rule() -> ResponseReturnValue:
    """Make an app or a key stricter, or no longer."""
    off = {"off": True, "account": False}.get(request.form.get("state", ""))
    if off is None:
        raise Invalid("The form did not say what is wanted.", field="state")
    control = find_control(request.form.get("control", ""))
    target = rules.find_target(services().context, actor(), account().id, request.form.get("target", ""))
    change = controls.request_rule(services().context, actor(), account().id, control, target, off=off)
    what = f"{control.label} of {target.name}: {'off, whatever the account says' if off else 'as the account has it'}"
    if change.outcome == "in_effect":
        flash("ok", f"{what}, confirmed by the gateway.")
    else:
        flash("wait", f"{what}, requested; the gateway has not confirmed it yet.")
    return redirect(url_for("data_controls.list_rules"), 303)
