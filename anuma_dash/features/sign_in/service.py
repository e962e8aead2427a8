"""What signing in changes: trips, users, accounts, sessions."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.domain.invitations import forget_address, is_invited
from anuma_dash.domain.notices import NOTICES
from anuma_dash.domain.staff import begin_development_staff
from anuma_dash.errors import Conflict, Invalid, PersonSuspended, SignInRefused
from anuma_dash.features.sign_in.id_tokens import Trip
from anuma_dash.features.sign_in.models import Purpose, SignInAttempt
from anuma_dash.features.sign_in.new_devices import is_new_device, write_of_new_device
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import Actor, NoticeReceipt, SignInIdentity, SignUpRequest, User, memberships_of
from anuma_dash.names import fold_address
from anuma_dash.settings import Provider, Settings
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession, Device

TRIP_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class NewPerson:
    """What a person says of themselves at first sign-in."""

    name: str
    time_zone: str
    thirteen_or_older: bool


def begin_trip(
    tx: Session, provider: str, trip: Trip, next_path: str, session_id: UUID | None, purpose: Purpose = "sign_in"
) -> str:
    """Remember a trip; returns the token that binds it to this browser."""
    tx.execute(delete(SignInAttempt).where(SignInAttempt.created_at < trip.began_at - TRIP_LIFETIME))
    token = secrets.token_urlsafe(32)
    tx.add(
        SignInAttempt(
            id=new_id(),
            token_hash=_hash(token),
            provider=provider,
            state=trip.state,
            nonce=trip.nonce,
            verifier=trip.verifier,
            next_path=next_path[:1000],
            session_id=session_id,
            purpose=purpose,
            created_at=trip.began_at,
        )
    )
    return token


def take_trip(tx: Session, provider: str, token: str, now: datetime) -> SignInAttempt:
    """The trip of this browser, which is used up by this. Raises `SignInRefused`."""
    attempt = tx.scalar(select(SignInAttempt).where(SignInAttempt.token_hash == _hash(token)).with_for_update())
    if attempt is None or attempt.provider != provider:
        raise SignInRefused("This sign-in was not begun in this browser, or it was already used.")
    tx.delete(attempt)
    # From the future: the clock was set back, and for how long this trip was good nobody can tell.
    if not timedelta(0) <= now - attempt.created_at <= TRIP_LIFETIME:
        raise SignInRefused("This sign-in took longer than ten minutes.")
    return attempt


def trip_of(attempt: SignInAttempt, provider: Provider) -> Trip:
    """What must come back for this attempt."""
    fresh = attempt.session_id is not None and asks_again(provider, attempt.purpose)
    return Trip(attempt.state, attempt.nonce, attempt.verifier, attempt.created_at, fresh=fresh)


def asks_again(provider: Provider, purpose: Purpose) -> bool:
    """Whether a signed-in person's trip must bring back a fresh `auth_time`.

    To confirm who one is, always. To link, wherever the provider can say it: a session that somebody left open there
    is then not linked by accident.
    """
    return purpose != "link" or provider.sends_auth_time


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def find_person(tx: Session, identity: Identity) -> User | None:
    """The person with this identity, by issuer and subject alone. Raises `PersonSuspended`."""
    row = tx.scalar(
        select(SignInIdentity).where(
            SignInIdentity.issuer == identity.issuer, SignInIdentity.subject == identity.subject
        )
    )
    if row is None:
        return None
    user = tx.get_one(User, row.user_id)
    if user.status != "active":
        raise PersonSuspended("This user is suspended. Write to us if you think that is wrong.")
    return user


def start(
    tx: Session, settings: Settings, actor: Actor, provider: str, identity: Identity, device: Device, now: datetime
) -> tuple[BrowserSession, str] | None:
    """Sign a known person in; None if the identity is new here."""
    user = find_person(tx, identity)
    if user is None:
        return None
    row = tx.scalars(
        select(SignInIdentity).where(
            SignInIdentity.issuer == identity.issuer, SignInIdentity.subject == identity.subject
        )
    ).one()
    row.last_sign_in_at, row.claims = now, dict(identity.claims)
    user.email, user.email_verified = identity.email, identity.email_verified
    return _start_session(tx, settings, actor, provider, identity, user, device, now)


def _start_session(
    tx: Session,
    settings: Settings,
    actor: Actor,
    provider: str,
    identity: Identity,
    user: User,
    device: Device,
    now: datetime,
) -> tuple[BrowserSession, str]:
    accounts = memberships_of(tx, user.id)
    new_device = is_new_device(tx, user, device.name[:120], provider, now)
    session, token = sessions.start_session(
        tx,
        settings,
        user=user,
        account_id=accounts[0][0].id if accounts else None,
        provider=provider,
        issuer=identity.issuer,
        subject=identity.subject,
        device=device,
        authenticated_at=min(identity.authenticated_at, now),
        now=now,
        sid=identity.sid,
    )
    record(
        tx,
        replace(actor, kind="user", user_id=user.id, name=user.name),
        Event.SIGNED_IN,
        at=now,
        account_id=session.account_id,
        provider=settings.provider_label(provider),
        session_id=session.id,
    )
    if new_device:
        write_of_new_device(tx, settings, user, session, now)
    return session, token


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


def create_person(
    tx: Session,
    settings: Settings,
    actor: Actor,
    provider: str,
    identity: Identity,
    person: NewPerson,
    device: Device,
    now: datetime,
) -> tuple[BrowserSession, str]:
    """Create the user, what they were shown, their personal account (the sandbox's staff have none), their session.

    Raises `Invalid` without the age attestation (policy section 10: not for children under 13).
    """
    if not person.thirteen_or_older:
        raise Invalid("Say that you are 13 or older to go on.", field="thirteen_or_older")
    user = User(
        id=new_id(),
        name=person.name,
        email=identity.email,
        email_verified=identity.email_verified,
        time_zone=person.time_zone,
        created_at=now,
        attested_age_at=now,
    )
    tx.add(user)
    tx.flush()
    tx.add(
        SignInIdentity(
            user_id=user.id,
            provider=provider,
            issuer=identity.issuer,
            subject=identity.subject,
            claims=dict(identity.claims),
            created_at=now,
            last_sign_in_at=now,
        )
    )
    try:
        tx.flush()
    except IntegrityError:
        raise Conflict("Your account was made a moment ago, in another window. Sign in again.") from None
    for notice in NOTICES:
        tx.add(
            NoticeReceipt(
                user_id=user.id, notice=notice.name, version=notice.version, sha256=notice.sha256, shown_at=now
            )
        )
    acting = replace(actor, kind="user", user_id=user.id, name=user.name)
    # Staff look at others' accounts; they have none of their own, unless somebody invites them.
    staff = begin_development_staff(tx, settings, user, provider, identity.subject, now)
    account = None if staff else create_account(tx, acting, user, person.name, "personal", now)
    record(
        tx,
        acting,
        Event.USER_CREATED,
        at=now,
        account_id=account.id if account else None,
        provider=settings.provider_label(provider),
        notices=[f"{notice.name} v{notice.version} {notice.sha256}" for notice in NOTICES],
    )
    return _start_session(tx, settings, acting, provider, identity, user, device, now)


def reauthenticate(
    tx: Session, settings: Settings, actor: Actor, session: BrowserSession, identity: Identity, now: datetime
) -> str:
    """Note that the person of a session proved who they are; returns the session's new token.

    Raises `SignInRefused` if somebody else signed in at the provider.
    """
    if (identity.issuer, identity.subject) != (session.issuer, session.subject):
        raise SignInRefused("You signed in at the provider as somebody else.")
    label = settings.provider_label(session.provider)
    record(
        tx,
        actor,
        Event.REAUTHENTICATED,
        at=now,
        account_id=session.account_id,
        provider=label,
        method=f"signing in at {label}",
    )
    tx.get_one(BrowserSession, session.id).sid = identity.sid
    return sessions.renew_token(tx, settings, session.id, min(identity.authenticated_at, now))
