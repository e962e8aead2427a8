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
from anuma_dash.errors import Halted, NotAllowed, NotFound


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
    MAKE_KEYS = "make API keys"
    ACTIVATE_KEYS = "activate deactivated API keys"
    MANAGE_APPS = "manage apps"
    READ_CONTENT = "read stored content"
    READ_OWN_CONTENT = "read the stored content of their own keys"
    READ_CONTROLS = "read the data controls"
    CHANGE_CONTROLS = "change data controls"
    SWITCH_ON = "switch data controls on"
    CHANGE_OWN_CONTROLS = "decide what is stored for themselves"
    DELETE_CONTENT = "delete stored data"
    DELETE_OWN_CONTENT = "delete the stored data of their own keys"
    OWN_MEMORIES = "keep memories of their own"
    OWN_HISTORY = "keep a chat history of their own"
    READ_ACTIVITY = "read the account's activity"
    READ_OWN_ACTIVITY = "read their own activity"
    READ_ACCOUNT = "read the account's details"
    CHANGE_ACCOUNT = "change the account's name and contact"
    CLOSE_ACCOUNT = "close the account"
    READ_PEOPLE = "see who belongs to the account"
    MANAGE_PEOPLE = "manage people and roles"
    STOP_RECOVERY = "stop staff from adding an owner"
    MANAGE_OWNERS = "make and remove owners"
    DECIDE_READING = "decide whether admins read stored content"
    MANAGE_SUPPORT_ACCESS = "manage support access"


P = Permission
_EVERYBODY = frozenset(
    {
        P.READ_OVERVIEW,
        P.READ_CONTROLS,
        P.OWN_MEMORIES,
        P.OWN_HISTORY,
        P.CHANGE_OWN_CONTROLS,
        P.READ_OWN_ACTIVITY,
        P.READ_ACCOUNT,
        P.READ_PEOPLE,
    }
)
_READERS = _EVERYBODY | {P.READ_REQUESTS, P.READ_KEYS}
_DEVELOPERS = _READERS | {
    P.MANAGE_OWN_KEYS,
    P.MAKE_KEYS,
    P.MANAGE_APPS,
    P.READ_OWN_CONTENT,
    P.DELETE_OWN_CONTENT,
}
_ADMINS = _DEVELOPERS | {
    P.MANAGE_KEYS,
    P.ACTIVATE_KEYS,
    P.CHANGE_CONTROLS,
    P.SWITCH_ON,
    P.DELETE_CONTENT,
    P.READ_ACTIVITY,
    P.CHANGE_ACCOUNT,
    P.MANAGE_PEOPLE,
    P.STOP_RECOVERY,
    P.MANAGE_SUPPORT_ACCESS,
}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: _ADMINS | {P.READ_CONTENT, P.CLOSE_ACCOUNT, P.MANAGE_OWNERS, P.DECIDE_READING},
    Role.ADMIN: _ADMINS,
    Role.DEVELOPER: _DEVELOPERS,
    Role.BILLING: _EVERYBODY,
    Role.VIEWER: _READERS,
}

HALTED = frozenset(
    {
        P.MAKE_KEYS,
        P.ACTIVATE_KEYS,
        P.MANAGE_APPS,
        P.SWITCH_ON,
        P.MANAGE_PEOPLE,
        P.MANAGE_OWNERS,
        P.DECIDE_READING,
        P.CHANGE_ACCOUNT,
    }
)
"""What nobody may do in a suspended account, or one being closed. They may read, switch off, revoke and delete;
and stop staff from adding an owner, which can come into effect while an account is being closed."""


class StaffRole(StrEnum):
    """What a member of staff may do; apart from memberships. A person may have several."""

    SUPPORT = "support"
    PRIVACY = "privacy"
    FINANCE = "finance"
    ADMINISTRATOR = "administrator"


class User(Base):
    """A person. They sign in through identity providers; the e-mail address is for reading, never for finding.

    `language` is a BCP 47 tag. The site speaks "en-US" only so far (decision 033).
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320), index=True)
    email_verified: Mapped[bool] = mapped_column(default=False)
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    language: Mapped[str] = mapped_column(String(8), default="en-US")
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at: Mapped[datetime]
    attested_age_at: Mapped[datetime]


class SignInIdentity(Base):
    """A person at an identity provider: found by issuer and subject, and by nothing else.

    `claims` is what the provider sent at the last sign-in, or when it was connected if there was none since; then
    `last_sign_in_at` is None.
    """

    __tablename__ = "sign_in_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    provider: Mapped[str] = mapped_column(String(31))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


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
    """The tenant: a personal account or an organization. `gateway_synced_at` is when the gateway last confirmed it.

    `country` is an ISO 3166-1 alpha-2 code, empty while nobody has said; `contact_email` is the billing contact's.
    `closes_at` is set from the moment an owner asked to close it. `revision` goes up with each change that the gateway
    must know; `gateway_status` is what the gateway last said that it obeys, since `gateway_status_at`.
    """

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
    country: Mapped[str] = mapped_column(String(2), default="")
    contact_name: Mapped[str] = mapped_column(String(200), default="")
    contact_email: Mapped[str] = mapped_column(String(320), default="", index=True)
    admins_read_content: Mapped[bool] = mapped_column(default=False)
    closes_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=1)
    gateway_status: Mapped[str] = mapped_column(String(16), default="")
    gateway_status_at: Mapped[datetime | None]

    @property
    def halt(self) -> str:
        """Why the account is at a standstill: "suspended", "being closed", "closed"; empty if it is not."""
        if self.status == "active":
            return "being closed" if self.closes_at is not None else ""
        return self.status

    @property
    def wanted_status(self) -> str:
        """What the gateway is to obey: keys stop as soon as an account is suspended or to be closed."""
        return "suspended" if self.status == "active" and self.closes_at is not None else self.status

    @property
    def keys_stopped_at(self) -> datetime | None:
        """Since when the gateway refuses the account's keys, by its own word on the latest change; None as long as it
        has not confirmed."""
        confirmed = self.gateway_synced_at is not None and self.gateway_status in ("suspended", "closed")
        return self.gateway_status_at if confirmed else None


class Membership(Owned, Base):
    """A person's role in an account.

    Since `on_hold_since` they belong to it in name only, until somebody who rules people confirms them: a restored
    backup brought them back, and they may have been removed since.
    """

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("account_id", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    on_hold_since: Mapped[datetime | None]


class StaffMember(Base):
    """A role of a person who works for the service. Staff roles are given by operators and administrators."""

    __tablename__ = "staff_members"
    __table_args__ = (UniqueConstraint("user_id", "role"),)

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


MASKED_TAIL = "••••"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for whom, from where. Services decide by this and by nothing else.

    `kind` is "user" for a signed-in person, "staff" for one who acts for the service (in the staff section, or inside
    an account in a support session), "worker" for the background process, "operator" for the command line, "provider"
    for an identity provider that ends sessions, "anonymous" before sign-in.

    `permissions` is what the actor may do in the account, when that is not simply what the role says: an account's own
    choices, a suspension and a support session change it (`permissions_of`). `halt` is the account's, so that a refusal
    gives the true reason. In a support session `on_behalf_of` is the person who let staff in, and `support_scopes` what
    they let them see.
    """

    kind: Literal["user", "staff", "worker", "operator", "provider", "anonymous"]
    user_id: UUID | None = None
    name: str = ""
    role: Role | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None
    support_session_id: UUID | None = None
    address: str = ""
    request_id: str = ""
    permissions: frozenset[Permission] | None = None
    staff_roles: frozenset[StaffRole] = frozenset()
    on_behalf_of: UUID | None = None
    support_scopes: frozenset[str] = frozenset()
    halt: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the actor has the permission in the current account."""
        if self.permissions is not None:
            return permission in self.permissions
        return self.role is not None and permission in PERMISSIONS[self.role]

    def require(self, *permissions: Permission) -> None:
        """Raise `NotAllowed` unless the actor has at least one of the permissions; `Halted` if only the account's state
        is in the way."""
        if not any(self.may(permission) for permission in permissions):
            by_role = PERMISSIONS[self.role] if self.role is not None else frozenset()
            if self.halt and by_role.intersection(permissions):
                raise Halted(f"This account is {self.halt}. Until that ends, nobody may {permissions[0].value}.")
            if self.support_session_id is not None:
                raise NotAllowed(f"This support session does not let you {permissions[0].value}.")
            role = self.role.value if self.role else "visitor"
            raise NotAllowed(f"Your role here is {role}, which may not {permissions[0].value}.")

    def require_staff(self, *roles: StaffRole) -> None:
        """Raise `NotAllowed` unless the actor is a signed-in person with one of the staff roles, in no support session:
        who looks into an account does nothing else meanwhile."""
        if self.support_session_id is not None:
            raise NotAllowed("You are inside an account. Stop that support session first.")
        if self.user_id is None or not self.staff_roles.intersection(roles):
            raise NotAllowed(f"This needs the staff role {' or '.join(role.value for role in roles)}.")

    @property
    def subject(self) -> str:
        """The `sub` of calls to the gateway: the person, or the part of the system that acts.

        In a support session it is whoever let staff in; who really acts is `delegate`.
        """
        person = self.on_behalf_of if self.support_session_id else self.user_id
        return str(person) if person else f"system:{self.kind}"

    @property
    def delegate(self) -> UUID | None:
        """The `act.sub` of calls to the gateway (RFC 8693): the staff member in a support session."""
        return self.user_id if self.support_session_id else None

    def hides(self, scope: str) -> bool:
        """Whether what a scope of support access covers is kept from this actor."""
        return self.support_session_id is not None and scope not in self.support_scopes

    def tail(self, last_four: str | None) -> str:
        """The last characters of a key as this actor may read them: in a support session never (rule 8)."""
        return MASKED_TAIL if self.support_session_id else last_four or ""


SUPPORT_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "metadata": frozenset(
        {
            P.READ_OVERVIEW,
            P.READ_REQUESTS,
            P.READ_KEYS,
            P.READ_CONTROLS,
            P.READ_ACTIVITY,
        }
    ),
    "content": frozenset({P.READ_CONTENT}),
    "billing": frozenset(),
}
"""What staff may read inside an account, by the scopes that let them in. None of it changes anything."""


def permissions_of(account: Account, role: Role) -> frozenset[Permission]:
    """What a role gives in this very account, by the account's own choices and its state."""
    found = PERMISSIONS[role]
    if role is Role.ADMIN and account.admins_read_content:
        found |= {Permission.READ_CONTENT}
    return found - HALTED if account.halt else found


def staff_roles_of(tx: Session, user_id: UUID) -> frozenset[StaffRole]:
    """The staff roles of a person; empty for customers."""
    return frozenset(
        StaffRole(role) for role in tx.scalars(select(StaffMember.role).where(StaffMember.user_id == user_id))
    )


WORKER = Actor(kind="worker", name="Anuma")
OPERATOR = Actor(kind="operator", name="Operator")


def memberships_of(tx: Session, user_id: UUID) -> list[tuple[Account, Membership]]:
    """The accounts that a person may open and their role in each, oldest membership first.

    Closed ones are left out, and those in which the person waits to be confirmed.
    """
    rows = tx.execute(
        select(Account, Membership)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.user_id == user_id, Membership.on_hold_since.is_(None), Account.status != "closed")
        .order_by(Membership.created_at, Membership.id)
    )
    return [(account, membership) for account, membership in rows]


def membership_of(tx: Session, account_id: UUID, user_id: UUID | None) -> Membership | None:
    """A person's membership in an account, if they belong to it."""
    return tx.scalar(select(Membership).where(Membership.account_id == account_id, Membership.user_id == user_id))


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
