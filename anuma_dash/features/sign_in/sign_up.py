"""Who may come in that was never here: by the mode of sign-up, an invitation, or a request."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.invitations import forget_address, is_invited
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import Actor, SignUpRequest
from anuma_dash.names import fold_address
from anuma_dash.settings import Settings

Entry = Literal["open", "ask", "waiting"]


def entry(tx: Session, settings: Settings, identity: Identity, now: datetime) -> Entry:
    """Whether a new person may create a user, may ask to be let in, or has asked already. Writes nothing.

    Whom an account invites may create one. Raises `SignInRefused` in the modes that ask for an address which the
    provider has not verified, and for people who were not invited.
    """
    if settings.sign_up == "open":
        return "open"
    if not identity.email_verified or identity.email is None:
        raise SignInRefused(
            "This site lets in people by their e-mail address, and your provider has not verified yours."
        )
    waiting = _sign_up_request(tx, identity)
    if waiting is not None and waiting.state == "approved":
        return "open"
    if is_invited(tx, identity.email, now):
        return "open"
    if settings.sign_up == "invited":
        raise SignInRefused("This site is by invitation, and there is none for your address.")
    return "ask" if waiting is None else "waiting"


def ask_to_be_let_in(
    tx: Session, settings: Settings, actor: Actor, provider: str, identity: Identity, now: datetime
) -> None:
    """Note that somebody of 13 or older asks to be let in; once is enough."""
    if entry(tx, settings, identity, now) != "ask" or identity.email is None:
        return
    tx.add(SignUpRequest(id=new_id(), email=fold_address(identity.email), state="waiting", created_at=now))
    label = settings.provider_label(provider)
    record(tx, actor, Event.SIGN_UP_REQUESTED, at=now, account_id=None, provider=label)


def forget_under_13(tx: Session, identity: Identity) -> None:
    """Delete what an invitation or an earlier request left behind about somebody who says that they are under 13."""
    found = _sign_up_request(tx, identity)
    if found is not None:
        tx.delete(found)
    if identity.email is not None and identity.email_verified:
        forget_address(tx, identity.email)


def _sign_up_request(tx: Session, identity: Identity) -> SignUpRequest | None:
    return tx.scalar(select(SignUpRequest).where(SignUpRequest.email == fold_address(identity.email or "")))
