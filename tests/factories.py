"""The cast and what they own, made directly through the models and the domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.db import new_id
from anuma_dash.domain.accounts import add_member, create_account
from anuma_dash.embedded.sandbox import cast
from anuma_dash.identity import OPERATOR, Account, Actor, Role, SignInIdentity, User
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
"""The members of Northwind Labs. Strange owns Elsewhere; Sam and Pria are staff and belong to no account."""


def make_cast(tx: Session, provider: Provider, now: datetime) -> dict[str, Person]:
    """Create everybody, with both accounts; the accounts still want to be told to the gateway."""
    users = {member.key: make_user(tx, provider, member.person, now) for member in cast.CAST}
    northwind = create_account(tx, OPERATOR, users["olive"], NORTHWIND, "organization", now)
    elsewhere = create_account(tx, OPERATOR, users["strange"], ELSEWHERE, "organization", now)
    for key in ("ada", "dev", "bill", "vera"):
        add_member(tx, OPERATOR, northwind, users[key], ROLES[key], now)
    homes: dict[str, tuple[Role, Account]] = {key: (role, northwind) for key, role in ROLES.items()}
    homes["strange"] = (Role.OWNER, elsewhere)
    return {key: _person(key, user, provider, *homes.get(key, (None, None))) for key, user in users.items()}


def make_user(tx: Session, provider: Provider, person: cast.Person, now: datetime) -> User:
    """A user who signs in at the provider as this person of the sandbox."""
    user = User(
        id=new_id(),
        name=person.name,
        email=person.email,
        email_verified=person.email_verified,
        created_at=now,
        attested_age_at=now,
    )
    tx.add(user)
    tx.flush()
    tx.add(
        SignInIdentity(
            user_id=user.id,
            provider=provider.slug,
            issuer=provider.issuer,
            subject=person.subject,
            claims={"email": person.email},
            created_at=now,
            last_sign_in_at=now,
        )
    )
    return user


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
