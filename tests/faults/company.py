"""Northwind Labs and the staff of the service, each with a browser of their own in front of one running installation.

Weeks pass here by moving the times that rows keep, because the processes' clock is the real one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from anuma_dash import features
from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import add_member, create_account
from anuma_dash.domain.owner_recovery import OwnerRecovery
from anuma_dash.domain.support import SupportSession
from anuma_dash.embedded.sandbox import cast
from anuma_dash.gateway import schemas
from anuma_dash.identity import OPERATOR, Actor, Role, SignInIdentity, StaffMember, User
from anuma_dash.mail import Mail
from anuma_dash.workflows import unfinished, utc_now
from tests.faults.killing import act
from tests.faults.site import Site
from tests.forms import Value
from tests.mailserver import MailboxOfTests
from tests.processes import wait_until
from tests.signed_in import session_of

NAME = "Northwind Labs"
MEMBERS = {"olive": Role.OWNER, "ada": Role.ADMIN, "dev": Role.DEVELOPER}
STAFF = {"sam": "support", "ines": "administrator", "theo": "administrator"}
MESSAGE_ID = re.compile(r"<([0-9a-f-]{36})@")


@dataclass
class Company:
    """One account, and those who have to do with it: `company.people["olive"]` is Olive's browser."""

    running: Site
    mailbox: MailboxOfTests
    account_id: UUID
    owner: Actor
    people: dict[str, Site] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    earlier: frozenset[str] = frozenset()
    """Messages of those who were here before."""

    def __getattr__(self, key: str) -> Site:
        try:
            return self.__dict__["people"][key]
        except KeyError:
            raise AttributeError(key) from None

    def key(self, name: str, of: str = "olive") -> schemas.Key:
        """A key of this person's, made past the proxy."""
        new = schemas.NewKey(name=name, created_by=self.users[of].id)
        return self.running.context.gateway.create_key(self.owner, self.account_id, new, str(new_id()))

    def key_now(self, key: schemas.Key) -> schemas.Key:
        """A key as the gateway has it now."""
        return self.running.context.gateway.key(self.owner, self.account_id, key.id)

    def refusal(self, key: schemas.Key) -> str:
        """Why the gateway refuses a request under this key; nothing if it takes it."""
        answer = self.running.chat(key.secret or "")
        return "" if answer.status_code == 200 else str(answer.json()["error"]["code"])

    def stored(self) -> int:
        """How many requests are stored."""
        rows = self.running.context.gateway.inventory(self.owner, self.account_id).rows
        return {row.category: row.count for row in rows}["request_content"]

    def rows(self, model: type[Any]) -> list[Any]:
        """Rows of this account, oldest first."""
        with self.running.context.db.reading() as tx:
            return list(tx.scalars(select(model).filter_by(account_id=self.account_id).order_by(model.id)))

    def set(self, model: type[Any], *, whose: InstrumentedAttribute[UUID] | None = None, **values: Any) -> None:
        """Write into rows of this account, behind everybody's back: mostly because time has passed."""
        with self.running.context.db.transaction() as tx:
            tx.execute(update(model).where((whose or model.account_id) == self.account_id).values(**values))

    def events(self, *names: str) -> dict[str, int]:
        """How often each of these was recorded for the account."""
        with self.running.context.db.reading() as tx:
            found = Counter(tx.scalars(select(AuditEntry.event).where(AuditEntry.chain == self.account_id)))
        return {name: found[name] for name in names}

    def letters(self, letter: str) -> Counter[str]:
        """To whom of the cast a letter was written, and how often."""
        keys = {user.id: key for key, user in self.users.items()}
        with self.running.context.db.reading() as tx:
            query = select(Mail.user_id).where(Mail.letter == letter, Mail.user_id.in_(keys))
            return Counter(keys[user_id] for user_id in tx.scalars(query) if user_id)

    def settled(self) -> None:
        """Wait until nothing is left to do but to wait for a day; then every message that was sent is there, once."""
        wait_until(lambda: not _under_way(self.running), "everything is settled")
        with self.running.context.db.reading() as tx:
            rows = {str(row_id): state for row_id, state in tx.execute(select(Mail.id, Mail.state))}
        states = {row_id: state for row_id, state in rows.items() if row_id not in self.earlier}
        arrived = Counter(_message_id(one.raw) for one in self.mailbox.messages)
        assert set(states.values()) <= {"sent", "unknown"}
        assert {row_id for row_id, state in states.items() if state == "sent"} <= set(arrived) <= set(states)
        assert set(arrived.values()) <= {1}, "nothing is mailed twice"


RESTING = (OwnerRecovery, SupportSession)
"""What is looked at now and then until its time has come."""


def _under_way(running: Site) -> int:
    with running.context.db.reading() as tx:
        return sum(unfinished(tx, kind.model) for kind in features.kinds() if kind.model not in RESTING)


@dataclass(frozen=True)
class Form:
    """A form that somebody opens, and sends by its button; perhaps nobody answers."""

    who: Site
    path: str
    button: str
    fields: Mapping[str, Value] = field(default_factory=dict)

    def open(self) -> None:
        assert self.who.visit(self.path).status_code == 200

    def send(self) -> httpx.Response | None:
        return act(lambda: self.who.submit(self.button, **self.fields))


def until_asked(company: Company, event: str, form: Form, times: int = 1) -> None:
    """What was asked for is settled; if the web process died before it was stored, it is asked for once more."""
    company.settled()
    stored = company.events(event)[event]
    assert times - 1 <= stored <= times, "asked for once"
    if stored < times:
        form.open()
        form.send()
        company.settled()
    assert company.events(event) == {event: times}


def _message_id(raw: bytes) -> str:
    found = MESSAGE_ID.search(raw.decode())
    assert found is not None
    return found[1]


def found_company(running: Site, mailbox: MailboxOfTests) -> Company:
    """Make the account and everybody, sign them all in, and let the gateway know the account."""
    wait_until(lambda: not _under_way(running), "those before are done")
    mailbox.reset()
    now, run = utc_now(), str(new_id())[-8:]
    settings = running.settings
    tokens = {}
    with running.context.db.transaction(durable=True) as tx:
        users = {key: _user(key, run) for key in (*MEMBERS, *STAFF, "strange")}
        tx.add_all(users.values())
        tx.flush()
        since = now - timedelta(days=30)
        tx.add_all(StaffMember(user_id=users[key].id, role=role, created_at=since) for key, role in STAFF.items())
        account = create_account(tx, OPERATOR, users["olive"], NAME, "organization", now)
        for key in ("ada", "dev"):
            add_member(tx, OPERATOR, account, users[key], MEMBERS[key], now)
        for key, user in users.items():
            tokens[key] = session_of(tx, settings, user, account.id if key in MEMBERS else None, now)
            tx.add(_identity(user, settings.sign_in_providers[0].issuer))
    olive = users["olive"]
    owner = Actor(kind="user", user_id=olive.id, name=olive.name, role=Role.OWNER, account_id=account.id)
    with running.context.db.reading() as tx:
        earlier = frozenset(str(row_id) for row_id in tx.scalars(select(Mail.id)))
    company = Company(running, mailbox, account.id, owner, users=users, earlier=earlier)
    for key, token in tokens.items():
        company.people[key] = browser = running.with_browser()
        browser.olive = owner
        browser.browser.cookies.set("anuma_session", token, domain="localhost.local")
    company.settled()
    return company


def _user(key: str, run: str) -> User:
    person, now = cast.BY_KEY[key].person, utc_now()
    email = person.email.replace("@", f"-{run}@")
    user = User(id=new_id(), name=person.name, email=email, email_verified=True, created_at=now, attested_age_at=now)
    user.time_zone = "UTC"
    return user


def _identity(user: User, issuer: str) -> SignInIdentity:
    return SignInIdentity(
        user_id=user.id,
        provider="sandbox",
        issuer=issuer,
        subject=str(user.id),
        claims={"email": user.email},
        created_at=user.created_at,
        last_sign_in_at=user.created_at,
    )
