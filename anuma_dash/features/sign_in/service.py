"""What signing in changes: users, accounts, sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.domain.notices import NOTICES
from anuma_dash.domain.staff import begin_development_staff
from anuma_dash.errors import Conflict, Invalid, PersonSuspended, SignInRefused
from anuma_dash.features.sign_in.confirmation import note_presence
from anuma_dash.features.sign_in.new_devices import is_new_device, write_of_new_device
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import Actor, NoticeReceipt, SignInIdentity, User, memberships_of
from anuma_dash.settings import Settings
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession, Device


@dataclass(frozen=True)
class NewPerson:
    """What a person says of themselves at first sign-in."""

    name: str
    time_zone: str
    thirteen_or_older: bool


def start(
    tx: Session, settings: Settings, actor: Actor, provider: str, identity: Identity, device: Device, now: datetime
) -> tuple[BrowserSession, str] | None:
    """Sign in the person with this identity, found by issuer and subject alone; None if it is new here.

    Raises `PersonSuspended`.
    """
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
    tx.get_one(BrowserSession, session.id).sid = identity.sid
    method = f"signing in at {settings.provider_label(session.provider)}"
    proved_at = min(identity.authenticated_at, now)
    return note_presence(tx, settings, actor, session, method, now, authenticated_at=proved_at)
