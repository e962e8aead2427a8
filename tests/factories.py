"""The cast and what they own, made directly through the models and the domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from anuma_dash.db import new_id
from anuma_dash.domain.accounts import AccountSync, add_member, create_account
from anuma_dash.embedded.sandbox import cast
from anuma_dash.identity import OPERATOR, Account, Actor, Role, SignInIdentity, StaffMember, StaffRole, User
from anuma_dash.settings import Provider

NORTHWIND = "Northwind Labs"
ELSEWHERE = "Elsewhere"


@dataclass(frozen=True)
class Person:
    """One of the cast: who they are, and their role in the account that they belong to, if any."""

    key: str
    id: UUID
    name: str
    email: str
    issuer: str
    subject: str
    role: Role | None = None
    account_id: UUID | None = None

    @property
    def first_name(self) -> str:
        """What the others call them."""
        return self.name.partition(" ")[0]

    @property
    def actor(self) -> Actor:
        """The person as services know them."""
        return Actor(kind="user", user_id=self.id, name=self.name, role=self.role, account_id=self.account_id)


ROLES = {
    "olive": Role.OWNER,
    "ada": Role.ADMIN,
    "dev": Role.DEVELOPER,
    "bill": Role.BILLING,
    "vera": Role.VIEWER,
}
"""The members of Northwind Labs. Strange owns Elsewhere; staff belong to no account."""

STAFF = {key: StaffRole(role) for key, role in cast.STAFF_ROLES.items()}
"""Who works for the service, and as what."""


def make_cast(tx: Session, provider: Provider, now: datetime) -> dict[str, Person]:
    """Create everybody, with both accounts; the accounts still want to be told to the gateway."""
    users = {member.key: _user(member.person, now) for member in cast.CAST}
    tx.add_all(users.values())
    tx.flush()
    tx.add_all(_identity(user, provider, cast.BY_KEY[key].person.subject, now) for key, user in users.items())
    since = now - timedelta(days=30)
    tx.add_all(StaffMember(user_id=users[key].id, role=role.value, created_at=since) for key, role in STAFF.items())
    northwind = create_account(tx, OPERATOR, users["olive"], NORTHWIND, "organization", now)
    elsewhere = create_account(tx, OPERATOR, users["strange"], ELSEWHERE, "organization", now)
    for key in ("ada", "dev", "bill", "vera"):
        add_member(tx, OPERATOR, northwind, users[key], ROLES[key], now)
    homes: dict[str, tuple[Role, Account]] = {key: (role, northwind) for key, role in ROLES.items()}
    homes["strange"] = (Role.OWNER, elsewhere)
    return {key: _person(key, user, provider, *homes.get(key, (None, None))) for key, user in users.items()}


def _user(person: cast.Person, now: datetime) -> User:
    return User(
        id=new_id(),
        name=person.name,
        email=person.email,
        email_verified=person.email_verified,
        created_at=now,
        attested_age_at=now,
    )


def _identity(user: User, provider: Provider, subject: str, now: datetime) -> SignInIdentity:
    return SignInIdentity(
        user_id=user.id,
        provider=provider.slug,
        issuer=provider.issuer,
        subject=subject,
        claims={"email": user.email},
        created_at=now,
        last_sign_in_at=now,
    )


def mark_known(tx: Session, now: datetime) -> None:
    """Note that the gateway knows every account."""
    tx.execute(update(Account).values(gateway_synced_at=now))
    tx.execute(update(AccountSync).values(next_try_at=None))


def _person(key: str, user: User, provider: Provider, role: Role | None, account: Account | None) -> Person:
    return Person(
        key=key,
        id=user.id,
        name=user.name,
        email=user.email or "",
        issuer=provider.issuer,
        subject=cast.BY_KEY[key].person.subject,
        role=role,
        account_id=account.id if account else None,
    )
