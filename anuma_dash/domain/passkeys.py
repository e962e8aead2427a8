"""Passkeys: registered by a signed-in person, used to confirm who they are (Web Authentication Level 3).

A ceremony has two steps. The challenge is made and kept here, for one session and one purpose; the browser's answer
uses it up, whatever the answer is worth. The user must have been verified (by PIN, finger, face) in both ceremonies.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, LargeBinary, String, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, generate_challenge
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from anuma_dash.audit import Event, record
from anuma_dash.db import Base, new_id
from anuma_dash.errors import Conflict, Invalid, NotFound, PasskeyRefused
from anuma_dash.identity import Actor, User
from anuma_dash.settings import Settings

CHALLENGE_LIFETIME = timedelta(minutes=5)
MOST_PASSKEYS = 20
LARGEST_ANSWER_CHARACTERS = 20_000
LONGEST_CREDENTIAL_ID_BYTES = 1023
CREDENTIAL_ID = re.compile(r"[A-Za-z0-9_-]{1,1364}")
RP_NAME = "Anuma"
CeremonyPurpose = Literal["register", "confirm"]


class Passkey(Base):
    """A public key credential of one person. `sign_count` is 0 for authenticators that do not count."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    credential_id: Mapped[str] = mapped_column(String(1364), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """The ceremony that one session has begun; a new one takes its place. `name` is that of the passkey to be."""

    __tablename__ = "passkey_challenges"
    __table_args__ = (CheckConstraint("purpose IN ('register', 'confirm')", name="purpose"),)

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[CeremonyPurpose] = mapped_column(String(8))
    challenge: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(60), default="")
    created_at: Mapped[datetime]

    @property
    def expires_at(self) -> datetime:
        """Until when its answer is taken."""
        return self.created_at + CHALLENGE_LIFETIME


def passkeys_of(tx: Session, user_id: UUID) -> list[Passkey]:
    """A person's passkeys, oldest first."""
    return list(tx.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)))


def find_passkey(tx: Session, user_id: UUID, passkey_id: UUID) -> Passkey:
    """One of a person's passkeys. Raises `NotFound`; another person's does not exist."""
    found = tx.scalar(select(Passkey).where(Passkey.user_id == user_id, Passkey.id == passkey_id))
    if found is None:
        raise NotFound("There is no such passkey.")
    return found


def begin_ceremony(
    tx: Session, session_id: UUID, purpose: CeremonyPurpose, now: datetime, *, name: str = ""
) -> PasskeyChallenge:
    """Make and keep a challenge for this session. Raises `Conflict` if another window does so at this moment."""
    tx.execute(delete(PasskeyChallenge).where(PasskeyChallenge.session_id == session_id))
    row = PasskeyChallenge(
        session_id=session_id,
        purpose=purpose,
        challenge=bytes_to_base64url(generate_challenge()),
        name=name,
        created_at=now,
    )
    try:
        with tx.begin_nested():
            tx.add(row)
    except IntegrityError:
        raise Conflict("This was begun in another window at the same moment. Begin again.") from None
    return row


def find_ceremony(tx: Session, session_id: UUID, purpose: CeremonyPurpose, now: datetime) -> PasskeyChallenge | None:
    """The ceremony that this session has begun for this purpose, if it is not older than five minutes."""
    row = tx.get(PasskeyChallenge, session_id)
    if row is None or row.purpose != purpose or not timedelta(0) <= now - row.created_at <= CHALLENGE_LIFETIME:
        return None
    return row


def take_ceremony(tx: Session, session_id: UUID, purpose: CeremonyPurpose, now: datetime) -> PasskeyChallenge | None:
    """The same, used up by this, whatever comes of it."""
    tx.scalar(select(PasskeyChallenge).where(PasskeyChallenge.session_id == session_id).with_for_update())
    found = find_ceremony(tx, session_id, purpose, now)
    if found is not None:
        tx.delete(found)
        tx.flush()
    return found


def registration_options(tx: Session, settings: Settings, user: User, ceremony: PasskeyChallenge) -> str:
    """What the browser needs to make a passkey, as JSON (PublicKeyCredentialCreationOptionsJSON)."""
    options = generate_registration_options(
        rp_id=settings.host_name,
        rp_name=RP_NAME,
        user_id=user.id.bytes,
        user_name=user.email or user.name,
        user_display_name=user.name,
        challenge=base64url_to_bytes(ceremony.challenge),
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(tx, user.id),
    )
    return str(options_to_json(options))


def confirmation_options(tx: Session, settings: Settings, user_id: UUID, ceremony: PasskeyChallenge) -> str:
    """What the browser needs to use one of the person's passkeys, as JSON."""
    options = generate_authentication_options(
        rp_id=settings.host_name,
        challenge=base64url_to_bytes(ceremony.challenge),
        timeout=int(CHALLENGE_LIFETIME.total_seconds() * 1000),
        allow_credentials=_descriptors(tx, user_id),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return str(options_to_json(options))


def _descriptors(tx: Session, user_id: UUID) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(one.credential_id),
            transports=[AuthenticatorTransport(name) for name in one.transports],
        )
        for one in passkeys_of(tx, user_id)
    ]


def register(
    tx: Session, settings: Settings, actor: Actor, user: User, ceremony: PasskeyChallenge, answer: str, now: datetime
) -> Passkey:
    """Keep the passkey that the browser made.

    Raises `PasskeyRefused` if the answer does not hold, `Conflict` if the passkey is registered already, `Invalid` if
    the person has too many.
    """
    credential = _read(answer)
    try:
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(ceremony.challenge),
            expected_rp_id=settings.host_name,
            expected_origin=settings.public_url,
            require_user_verification=True,
        )
    except Exception:
        # The library and the parsers below it raise whatever a hostile answer provokes; none of it is a passkey.
        raise PasskeyRefused("The browser's answer does not hold, so no passkey was added.") from None
    if len(verified.credential_id) > LONGEST_CREDENTIAL_ID_BYTES:
        raise PasskeyRefused("The passkey's identifier is too long.")
    count = tx.scalar(select(func.count()).select_from(Passkey).where(Passkey.user_id == user.id)) or 0
    if count >= MOST_PASSKEYS:
        raise Invalid(f"You have {count} passkeys, which is the most. Remove one first.")
    passkey = Passkey(
        id=new_id(),
        user_id=user.id,
        name=ceremony.name,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=_transports(credential),
        created_at=now,
    )
    try:
        with tx.begin_nested():
            tx.add(passkey)
    except IntegrityError:
        raise Conflict("This passkey is registered already.") from None
    record(
        tx,
        actor,
        Event.PASSKEY_ADDED,
        at=now,
        account_id=actor.account_id,
        name=passkey.name,
        passkey_id=passkey.id,
    )
    return passkey


def confirm(
    tx: Session, settings: Settings, user_id: UUID, ceremony: PasskeyChallenge, answer: str, now: datetime
) -> Passkey:
    """The person's passkey with which the browser answered, its use noted.

    Raises `PasskeyRefused`, and `PasskeyCopied` if its counter says that a copy of the passkey was used meanwhile
    (Web Authentication Level 3, 7.2, step 22; counters that stay 0 say nothing).
    """
    credential = _read(answer)
    passkey = tx.scalar(
        select(Passkey).where(Passkey.user_id == user_id, Passkey.credential_id == credential["id"]).with_for_update()
    )
    if passkey is None:
        raise PasskeyRefused("This passkey is not one of yours here, or it was removed.")
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(ceremony.challenge),
            expected_rp_id=settings.host_name,
            expected_origin=settings.public_url,
            credential_public_key=passkey.public_key,
            # Compared below: the library does not say which check failed, and a copied passkey is told of.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:
        # As above.
        raise PasskeyRefused("The passkey's answer does not hold.") from None
    if passkey.sign_count > 0 and verified.new_sign_count <= passkey.sign_count:
        raise PasskeyCopied(passkey)
    passkey.sign_count, passkey.last_used_at = verified.new_sign_count, now
    return passkey


class PasskeyCopied(PasskeyRefused):
    """The passkey's counter has gone back: it exists twice. `passkey_id` and `name` say which."""

    def __init__(self, passkey: Passkey) -> None:
        # The row itself is of no use once its transaction was rolled back.
        self.passkey_id, self.name = passkey.id, passkey.name
        super().__init__(
            f"The passkey “{passkey.name}” counts lower than before, so a copy of it may exist. It was not accepted: "
            "remove it and add another."
        )


def remove(tx: Session, actor: Actor, passkey: Passkey, now: datetime) -> None:
    """Forget a passkey: it confirms nothing from now on."""
    tx.delete(passkey)
    record(
        tx,
        actor,
        Event.PASSKEY_REMOVED,
        at=now,
        account_id=actor.account_id,
        name=passkey.name,
        passkey_id=passkey.id,
    )


def _read(answer: str) -> dict[str, Any]:
    try:
        credential = json.loads(answer) if len(answer) <= LARGEST_ANSWER_CHARACTERS else None
        client_data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))  # type: ignore[index]
        embedded = client_data.get("crossOrigin") is True
        plain = CREDENTIAL_ID.fullmatch(credential["id"]) is not None  # type: ignore[index]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise PasskeyRefused("The browser sent no passkey.") from None
    if not plain:
        raise PasskeyRefused("The browser sent no passkey.")
    if embedded:
        # The library does not look: our pages are never inside those of another site.
        raise PasskeyRefused("The passkey was used inside a page of another site.")
    assert isinstance(credential, dict)
    return credential


def _transports(credential: dict[str, Any]) -> list[str]:
    known = {one.value for one in AuthenticatorTransport}
    given = credential["response"].get("transports")
    return sorted({one for one in given if isinstance(one, str)} & known) if isinstance(given, list) else []
