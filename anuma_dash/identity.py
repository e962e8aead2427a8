"""Who there is: people, accounts, memberships; and who acts in one request, with what permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Owned, new_id
from anuma_dash.errors import NotAllowed, NotFound


class Role(StrEnum):
    """What a member may do in an account; PRODUCT.md *Roles* is the source of the table below."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


class Permission(StrEnum):
    """One thing that a role allows. The `OWN_` ones reach only what belongs to the actor."""

    READ_OVERVIEW = "read the overview"
    READ_REQUESTS = "read the request log"
    READ_KEYS = "read API keys"
    MANAGE_KEYS = "manage API keys"
    MANAGE_OWN_KEYS = "manage their own API keys"
    READ_CONTENT = "read stored content"
    READ_OWN_CONTENT = "read the stored content of their own keys"
    READ_CONTROLS = "read the data controls"
    CHANGE_CONTROLS = "change data controls"
    DELETE_CONTENT = "delete stored data"
    DELETE_OWN_CONTENT = "delete the stored data of their own keys"
    READ_ACTIVITY = "read the account's activity"
    READ_OWN_ACTIVITY = "read their own activity"


P = Permission
_EVERYBODY = frozenset({P.READ_OVERVIEW, P.READ_CONTROLS, P.READ_OWN_ACTIVITY})
_READERS = _EVERYBODY | {P.READ_REQUESTS, P.READ_KEYS}
_DEVELOPERS = _READERS | {P.MANAGE_OWN_KEYS, P.READ_OWN_CONTENT, P.DELETE_OWN_CONTENT}
_ADMINS = _DEVELOPERS | {P.MANAGE_KEYS, P.CHANGE_CONTROLS, P.DELETE_CONTENT, P.READ_ACTIVITY}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: _ADMINS | {P.READ_CONTENT},
    Role.ADMIN: _ADMINS,
    Role.DEVELOPER: _DEVELOPERS,
    Role.BILLING: _EVERYBODY,
    Role.VIEWER: _READERS,
}


class User(Base):
    """A person. They sign in through identity providers; the e-mail address is for reading, never for finding."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    email_verified: Mapped[bool] = mapped_column(default=False)
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at: Mapped[datetime]
    attested_age_at: Mapped[datetime]


class SignInIdentity(Base):
    """A person at an identity provider: found by issuer and subject, and by nothing else."""

    __tablename__ = "sign_in_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    provider: Mapped[str] = mapped_column(String(31))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime]


class NoticeReceipt(Base):
    """That a notice, in this version, was shown to a person and when. Shown, not consented to."""

    __tablename__ = "notice_receipts"
    __table_args__ = (UniqueConstraint("user_id", "notice", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    notice: Mapped[str] = mapped_column(String(60))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    shown_at: Mapped[datetime]


class Account(Base):
    """The tenant: a personal account or an organization. `gateway_synced_at` is when the gateway last confirmed it."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("kind IN ('personal', 'organization')", name="kind"),
        CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at: Mapped[datetime]
    gateway_synced_at: Mapped[datetime | None]


class Membership(Owned, Base):
    """A person's role in an account."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("account_id", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class SignUpRequest(Base):
    """Somebody whom the sign-up mode keeps out: who waits to be let in, or was invited by an operator.

    `email` is matched only if the identity provider has verified it.
    """

    __tablename__ = "sign_up_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for whom, from where. Services decide by this and by nothing else.

    `kind` is "user" for a signed-in person, "worker" for the background process, "operator" for the command line,
    "anonymous" before sign-in.
    """

    kind: Literal["user", "worker", "operator", "anonymous"]
    user_id: UUID | None = None
    name: str = ""
    role: Role | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None
    support_session_id: UUID | None = None
    address: str = ""
    request_id: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the actor's role in the current account gives the permission."""
        return self.role is not None and permission in PERMISSIONS[self.role]

    def require(self, *permissions: Permission) -> None:
        """Raise `NotAllowed` unless the actor has at least one of the permissions."""
        if not any(self.may(permission) for permission in permissions):
            role = self.role.value if self.role else "visitor"
            raise NotAllowed(f"Your role here is {role}, which may not {permissions[0].value}.")

    @property
    def subject(self) -> str:
        """The `sub` of calls to the gateway: the person, or the part of the system that acts."""
        return str(self.user_id) if self.user_id else f"system:{self.kind}"


WORKER = Actor(kind="worker", name="Anuma")
OPERATOR = Actor(kind="operator", name="Operator")


def memberships_of(tx: Session, user_id: UUID) -> list[tuple[Account, Membership]]:
    """The accounts a person belongs to and their role in each, oldest membership first. Closed ones are left out."""
    rows = tx.execute(
        select(Account, Membership)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.user_id == user_id, Account.status != "closed")
        .order_by(Membership.created_at, Membership.id)
    )
    return [(account, membership) for account, membership in rows]


def find_account(tx: Session, account_id: UUID) -> Account:
    """The account. Raises `NotFound`."""
    account = tx.get(Account, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def lock_account(tx: Session, account_id: UUID) -> Account:
    """The account, its row locked until the transaction ends. Raises `NotFound`."""
    account = tx.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None:
        raise NotFound("There is no such account.")
    return account
