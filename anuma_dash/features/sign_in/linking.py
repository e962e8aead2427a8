"""Linking a second provider: by a signed-in person, freshly confirmed, in one browser. People are never merged."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from flask import make_response, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in import blueprint
from anuma_dash.features.sign_in.documents import ProviderDown
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.features.sign_in.newcomers import TRIP_COOKIE
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.features.sign_in.providers import find_provider
from anuma_dash.features.sign_in.trips import leave_for_provider
from anuma_dash.identity import Actor, SignInIdentity, User
from anuma_dash.settings import Provider, Settings
from anuma_dash.web import cookies, sessions
from anuma_dash.web.access import access, set_session_cookie
from anuma_dash.web.flashes import Tone, flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.web.state import actor, now, services, viewer

Outcome = Literal["linked", "yours", "another", "others"]


@blueprint.post("/sign-in-methods/<slug>/connection")
@access(reauth=True)
@limiter.limit("30 per minute")
def create_link(slug: str) -> ResponseReturnValue:
    """Begin to link a provider to the signed-in person."""
    provider, target = find_provider(slug), url_for("sign_in_methods.index")
    try:
        return leave_for_provider(provider, target, "link")
    except ProviderDown:
        flash("stop", f"{provider.label} does not answer right now, so nothing was connected. Try again soon.")
        return redirect(target, 303)


def link(provider: Provider, attempt: SignInAttempt, identity: Identity) -> ResponseReturnValue:
    """The way back from a provider that is to be linked. Raises `SignInRefused` if the session has ended meanwhile."""
    found = viewer()
    if found is None or found.session.id != attempt.session_id:
        raise SignInRefused("The session that asked for this has ended, so nothing was connected.")
    with services().db.transaction(durable=True) as tx:
        outcome, token = link_identity(tx, services().settings, actor(), found.session, provider.slug, identity, now())
    response = make_response(redirect(attempt.next_path, 303))
    flash(*_words(outcome, provider.label))
    if token:
        set_session_cookie(response, token)
    cookies.forget(response, TRIP_COOKIE)
    return response


def _words(outcome: Outcome, label: str) -> tuple[Tone, str]:
    if outcome == "linked":
        return "ok", f"{label} is connected. From now on you can sign in with it, too."
    if outcome == "yours":
        return "info", f"This sign-in at {label} is connected already. Nothing was changed."
    if outcome == "another":
        return "stop", f"You have connected another sign-in at {label}. Disconnect that one first. Nothing was changed."
    return "stop", f"This sign-in at {label} belongs to somebody else here, so it cannot be connected to you."


def link_identity(
    tx: Session,
    settings: Settings,
    actor: Actor,
    session: BrowserSession,
    provider: str,
    identity: Identity,
    now: datetime,
) -> tuple[Outcome, str]:
    """Link an identity that belongs to nobody to the person of this session; with it comes the session's new token.

    An identity of somebody else stays theirs, whatever its e-mail address. The database lets an issuer and subject
    exist once, so of two that link it at the same moment one finds it taken. Raises `SignInRefused` if the session
    ended while the provider was asked.
    """
    # The person's row is the lock: two windows must not link two sign-ins of one provider.
    tx.scalar(select(User.id).where(User.id == session.user_id).with_for_update())
    if tx.scalar(select(BrowserSession.ended_at).where(BrowserSession.id == session.id)) is not None:
        raise SignInRefused("The session that asked for this has ended, so nothing was connected.")
    taken = _standing(tx, session, identity)
    if taken is not None:
        return taken, ""
    row = SignInIdentity(
        user_id=session.user_id,
        provider=provider,
        issuer=identity.issuer,
        subject=identity.subject,
        claims=dict(identity.claims),
        created_at=now,
        last_sign_in_at=None,
    )
    try:
        with tx.begin_nested():
            tx.add(row)
    except IntegrityError:
        return _standing(tx, session, identity) or "others", ""
    label = settings.provider_label(provider)
    record(tx, actor, Event.IDENTITY_LINKED, at=now, account_id=session.account_id, provider=label)
    return "linked", sessions.renew_token(tx, settings, session.id, session.authenticated_at)


def _standing(tx: Session, session: BrowserSession, identity: Identity) -> Outcome | None:
    owner = tx.scalar(
        select(SignInIdentity.user_id).where(
            SignInIdentity.issuer == identity.issuer, SignInIdentity.subject == identity.subject
        )
    )
    if owner is not None:
        return "yours" if owner == session.user_id else "others"
    another = tx.scalar(
        select(SignInIdentity.id).where(
            SignInIdentity.issuer == identity.issuer, SignInIdentity.user_id == session.user_id
        )
    )
    return "another" if another is not None else None
