"""Sign-in methods: the list, connecting and disconnecting providers, adding and removing passkeys."""

from __future__ import annotations

from uuid import UUID

from flask import Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import passkeys
from anuma_dash.domain.confirming import without_confirmation
from anuma_dash.errors import PasskeyRefused
from anuma_dash.features.sign_in_methods import blueprint, service
from anuma_dash.features.sign_in_methods.forms import NewPasskeyForm
from anuma_dash.web import cookies
from anuma_dash.web.access import access
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, signed_in


@blueprint.get("/sign-in-methods")
@access()
def index() -> ResponseReturnValue:
    """Linked providers and passkeys."""
    found, settings = signed_in(), services().settings
    with services().db.reading() as tx:
        linked = service.linked_providers(tx, settings, found.session, now())
        linkable = service.linkable_providers(tx, settings, found.user.id)
        own = passkeys.passkeys_of(tx, found.user.id)
    return page("sign_in_methods/index.html", linked=linked, linkable=linkable, passkeys=own)


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("Sign-in methods", url_for("sign_in_methods.index")), (label, None)]


@blueprint.get("/sign-in-methods/passkeys/new")
@access(reauth=True)
def new() -> ResponseReturnValue:
    """The form of a new passkey."""
    return _form_page(NewPasskeyForm(draft_fields()))


def _form_page(form: NewPasskeyForm, status: int = 200) -> Response:
    return page(
        "sign_in_methods/new_passkey.html",
        fragment="form",
        status=status,
        form=form,
        breadcrumbs=_crumbs("Add a passkey"),
    )


@blueprint.post("/sign-in-methods/passkeys/new")
@access(reauth=True)
@limiter.limit("30 per minute")
def create_ceremony() -> ResponseReturnValue:
    """Begin to make a passkey of this name."""
    form = NewPasskeyForm(request.form)
    if not form.validate():
        return _form_page(form, 422)
    with services().db.transaction() as tx:
        passkeys.begin_ceremony(tx, signed_in().session.id, "register", now(), name=form.name.data or "")
    return redirect(url_for("sign_in_methods.ceremony"), 303)


@blueprint.get("/sign-in-methods/passkeys/ceremony")
@access(reauth=True)
def ceremony() -> ResponseReturnValue:
    """Let the browser make the passkey."""
    found = signed_in()
    with services().db.reading() as tx:
        begun = passkeys.find_ceremony(tx, found.session.id, "register", now())
        if begun is None:
            return redirect(url_for("sign_in_methods.new"), 303)
        options = passkeys.registration_options(tx, services().settings, found.user, begun)
    return page(
        "sign_in_methods/ceremony.html",
        options=options,
        name=begun.name,
        expires_at=begun.expires_at,
        breadcrumbs=_crumbs("Add a passkey"),
    )


@blueprint.post("/sign-in-methods/passkeys")
@access(reauth=True)
@limiter.limit("30 per minute")
def create() -> ResponseReturnValue:
    """Keep the passkey that the browser made."""
    found, settings = signed_in(), services().settings
    with services().db.transaction(durable=True) as tx:
        begun = passkeys.take_ceremony(tx, found.session.id, "register", now())
    answer = request.form.get("credential", "")
    try:
        if begun is None:
            raise PasskeyRefused("This was used already, or it took longer than five minutes. Begin again.")
        with services().db.transaction(durable=True) as tx:
            passkey = passkeys.register(tx, settings, actor(), found.user, begun, answer, now())
    except PasskeyRefused as error:
        flash("stop", str(error))
    else:
        flash("ok", f"The passkey “{passkey.name}” is added. You can now confirm with it that it is you.")
    return redirect(url_for("sign_in_methods.index"), 303)


@blueprint.get("/sign-in-methods/passkeys/<uuid:passkey_id>/removal")
@access(reauth=True)
def new_passkey_removal(passkey_id: UUID) -> ResponseReturnValue:
    """What removing this passkey does."""
    user = signed_in().user
    with services().db.reading() as tx:
        passkey = passkeys.find_passkey(tx, user.id, passkey_id)
        last = len(passkeys.passkeys_of(tx, user.id)) == 1
        stranded = without_confirmation(tx, services().settings, user) if last else []
    return page(
        "sign_in_methods/passkey_removal.html",
        passkey=passkey,
        stranded=stranded,
        breadcrumbs=_crumbs("Remove a passkey"),
    )


@blueprint.post("/sign-in-methods/passkeys/<uuid:passkey_id>/removal")
@access(reauth=True)
@limiter.limit("30 per minute")
def create_passkey_removal(passkey_id: UUID) -> ResponseReturnValue:
    """Remove a passkey."""
    with services().db.transaction(durable=True) as tx:
        passkey = passkeys.find_passkey(tx, signed_in().user.id, passkey_id)
        passkeys.remove(tx, actor(), passkey, now())
    flash("ok", f"The passkey “{passkey.name}” is removed. You can no longer confirm with it.")
    return redirect(url_for("sign_in_methods.index"), 303)


@blueprint.get("/sign-in-methods/providers/<uuid:identity_id>/removal")
@access(reauth=True)
def new_provider_removal(identity_id: UUID) -> ResponseReturnValue:
    """What disconnecting this provider does."""
    with services().db.reading() as tx:
        linked = service.find_linked(tx, services().settings, signed_in().session, identity_id, now())
    return page("sign_in_methods/provider_removal.html", linked=linked, breadcrumbs=_crumbs("Disconnect"))


@blueprint.post("/sign-in-methods/providers/<uuid:identity_id>/removal")
@access(reauth=True)
@limiter.limit("30 per minute")
def create_provider_removal(identity_id: UUID) -> ResponseReturnValue:
    """Disconnect a provider."""
    found, settings = signed_in(), services().settings
    with services().db.transaction(durable=True) as tx:
        linked = service.find_linked(tx, settings, found.session, identity_id, now())
        service.unlink(tx, settings, actor(), found.user.id, identity_id, now())
    if not linked.current:
        flash("ok", f"{linked.label} is disconnected. Sessions that began with it have ended.")
        return redirect(url_for("sign_in_methods.index"), 303)
    flash("ok", f"{linked.label} is disconnected, and this session, which began with it, has ended.")
    response = make_response(redirect(url_for("sign_in.index"), 303))
    cookies.forget(response, cookies.SESSION)
    return response
