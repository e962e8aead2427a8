"""API keys: list, new, show, revoke."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import new_id
from anuma_dash.domain.controls.names import control_label
from anuma_dash.domain.key_revocations import unconfirmed_revocations
from anuma_dash.errors import GatewayError
from anuma_dash.features.keys import activations, blueprint, presentation, revocations, service
from anuma_dash.features.keys.forms import ENVIRONMENTS, NewKeyForm
from anuma_dash.identity import Permission
from anuma_dash.web.access import access
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, uuid_argument
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.snippets import call_snippets
from anuma_dash.web.state import account, actor, now, services

MANAGE = (Permission.MANAGE_KEYS, Permission.MANAGE_OWN_KEYS)
ANY_MINUTE = "60 per minute"
OUTCOME_STATUS = {"done": 200, "refused": 502, "withdrawn": 200, "pending": 503, "unknown": 503}


@blueprint.get("/keys")
@access(Permission.READ_KEYS, support="read")
def index() -> ResponseReturnValue:
    """The account's keys, newest first."""
    after = uuid_argument("after")
    with services().db.reading() as tx:
        unsettled = service.unsettled_intents(tx, account().id)
        unconfirmed = unconfirmed_revocations(tx, account().id)
    own: dict[str, Any] = {"unsettled": unsettled, "unconfirmed": unconfirmed}
    own["may_create"] = actor().may(Permission.MAKE_KEYS)
    try:
        found = services().gateway.keys(actor(), account().id, after=after, limit=PAGE_ROWS)
    except GatewayError as error:
        own["problem"] = gateway_problem(error)
        return page("keys/index.html", fragment="key_list", status=503, keys=None, **own)
    with services().db.reading() as tx:
        rows = presentation.key_rows(tx, actor(), account().id, found.data, now())
    return page("keys/index.html", fragment="key_list", problem="", keys=listing(rows, found.next, {}), **own)


@blueprint.get("/keys/new")
@access(Permission.MAKE_KEYS, reauth=True)
def new() -> ResponseReturnValue:
    """The form of a new key."""
    form = NewKeyForm(draft_fields())
    return _form_page(form)


def _form_page(form: NewKeyForm, *, status: int = 200, problem: str = "") -> Response:
    form_stays = status == 422 and not form.token.errors
    form.token.data = form.token.data if form_stays else str(new_id())
    form.offer(service.usable_apps(services().context, actor(), account().id))
    return page(
        "keys/new.html",
        fragment="form",
        status=status,
        form=form,
        environments=ENVIRONMENTS,
        problem=problem,
        breadcrumbs=_crumbs("New key"),
    )


def _crumbs(label: str, *between: tuple[str, str]) -> list[tuple[str, str | None]]:
    return [("API keys", url_for("keys.index")), *between, (label, None)]


@blueprint.post("/keys")
@access(Permission.MAKE_KEYS, reauth=True)
@limiter.limit("30 per minute")
def create() -> ResponseReturnValue:
    """Make a key and show its secret, on this answer only."""
    form = NewKeyForm(request.form)
    if not form.validate():
        return _form_page(form, status=422)
    stricter = tuple(form.stricter.data or ())
    wish = service.KeyWish(form.name.data or "", form.environment.data, form.expires_in_days, form.wanted_app, stricter)
    try:
        creation = service.create_key(services().context, actor(), account().id, UUID(form.token.data), wish)
    except GatewayError as error:
        return _form_page(form, status=503, problem=f"{gateway_problem(error)} No key was made.")
    intent = creation.intent
    if intent.outcome == "refused" and not creation.repeated:
        return _form_page(form, status=502, problem=f"The gateway refused: {intent.reason} No key was made.")
    in_flight = creation.repeated and intent.outcome == "pending"
    return page(
        "keys/created.html",
        fragment="created",
        status=202 if in_flight else OUTCOME_STATUS[intent.outcome],
        intent=intent,
        in_flight=in_flight,
        secret=creation.secret,
        stricter=[control_label(name) for name in intent.stricter],
        snippets=call_snippets(services().settings.gateway_public_url, creation.secret),
        breadcrumbs=_crumbs("New key"),
    )


@blueprint.get("/keys/<uuid:key_id>")
@access(Permission.READ_KEYS, support="read")
def show(key_id: UUID) -> ResponseReturnValue:
    """One key."""
    row, status = _row(key_id)
    if wants_fragment():
        return page("keys/row.html", fragment="row", status=status, row=row)
    return page(
        "keys/show.html",
        status=status,
        row=row,
        snippets=call_snippets(services().settings.gateway_public_url),
        breadcrumbs=_crumbs(row.name),
    )


def _row(key_id: UUID) -> tuple[presentation.KeyRow, int]:
    try:
        key = revocations.find_key(services().context, actor(), account().id, key_id)
    except GatewayError:
        with services().db.reading() as tx:
            known = presentation.key_row_without_gateway(tx, actor(), account().id, key_id)
        if known is None:
            raise
        return known, 503
    with services().db.reading() as tx:
        return presentation.key_row(tx, actor(), account().id, key, now()), 200


@blueprint.get("/keys/<uuid:key_id>/activation")
@access(Permission.ACTIVATE_KEYS, reauth=True)
def new_activation(key_id: UUID) -> ResponseReturnValue:
    """What activating this key again will do."""
    row, _ = _row(key_id)
    crumbs = _crumbs("Activate", (row.name, url_for("keys.show", key_id=key_id)))
    return page("keys/activation.html", row=row, breadcrumbs=crumbs)


@blueprint.post("/keys/<uuid:key_id>/activation")
@access(Permission.ACTIVATE_KEYS, reauth=True)
@limiter.limit(ANY_MINUTE)
def create_activation(key_id: UUID) -> ResponseReturnValue:
    """Activate a key that stopped with its account."""
    key = activations.activate_key(services().context, actor(), account().id, key_id)
    flash("ok", f"The gateway has confirmed that the key {key.name} works again.")
    return redirect(url_for("keys.show", key_id=key_id), 303)


@blueprint.get("/keys/<uuid:key_id>/revocation")
@access(*MANAGE)
def new_revocation(key_id: UUID) -> ResponseReturnValue:
    """What revoking this key will do."""
    key = revocations.find_revocable_key(services().context, actor(), account().id, key_id)
    with services().db.reading() as tx:
        row = presentation.key_row(tx, actor(), account().id, key, now())
    if wants_fragment():
        return page("keys/row_confirmation.html" if row.may_revoke else "keys/row.html", fragment="row", row=row)
    crumbs = _crumbs("Revoke", (row.name, url_for("keys.show", key_id=key_id)))
    return page("keys/revocation.html", row=row, breadcrumbs=crumbs)


@blueprint.post("/keys/<uuid:key_id>/revocation")
@access(*MANAGE)
@limiter.limit(ANY_MINUTE)
def create_revocation(key_id: UUID) -> ResponseReturnValue:
    """Revoke a key."""
    again = request.form.get("again") == "yes"
    _, key = revocations.request_revocation(services().context, actor(), account().id, key_id, again=again)
    if not wants_fragment():
        return redirect(url_for("keys.show", key_id=key_id), 303)
    with services().db.reading() as tx:
        if key is not None:
            row: presentation.KeyRow | None = presentation.key_row(tx, actor(), account().id, key, now())
        else:
            row = presentation.key_row_without_gateway(tx, actor(), account().id, key_id)
    return page("keys/row.html", fragment="row", row=row)
