"""What several stories about people have in common."""

from __future__ import annotations

import re

from anuma_dash.db import new_id
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import Membership, User

LINK = re.compile(r"http://localhost:8000(/invitations/[\w-]{40,})")


def role_of(world, person, account_id=None):
    """The person's role in Northwind Labs; None if they do not belong to it."""
    found = world.rows(Membership, account_id=account_id or world.northwind, user_id=person.id)
    return found[0].role if found else None


def give_role(world, person, role):
    """Make a person something else, behind everybody's back."""
    with world.db.transaction() as tx:
        rows = tx.query(Membership).filter_by(account_id=world.northwind, user_id=person.id).all()
        if rows:
            rows[0].role = role
        else:
            tx.add(Membership(account_id=world.northwind, user_id=person.id, role=role, created_at=world.clock.now))


def make_key(world, person, name="laptop"):
    """A key of this person at the gateway."""
    actor = world.olive.actor
    return world.gateway.create_key(
        actor, world.northwind, NewKey(name=name, created_by=person.id), idempotency_key=str(new_id())
    )


def key_of(world, key):
    """The key as the gateway has it now."""
    return world.gateway.key(world.olive.actor, world.northwind, key.id)


def invite(world, email, role="Developer", by=None, browser=None):
    """Invite somebody from the page; returns the path of the link in the message."""
    page = (browser or world.browser(by or world.olive)).visit("/people/invitations/new")
    page.submit("Send the invitation", email=email, role=role.lower())
    assert f"{email} is invited as {role.lower()}" in page.text, page.text
    return link(world, email)


def link(world, email):
    """The path of the link in the last message to an address."""
    world.run_worker()
    message = next(one for one in world.mailbox.messages if one.recipients == (email,))
    (path,) = set(LINK.findall(message.content("plain")))
    return path


def mails_to(world, person):
    """The subjects of what a person was sent, in whatever order."""
    world.run_worker()
    found = [one for one in world.mailbox.messages if one.recipients == (person.email,)]
    return [str(one.parsed["Subject"]) for one in found]


def set_address(world, person, email, *, verified=True):
    """What the person's provider says of their address."""
    with world.db.transaction() as tx:
        user = tx.get_one(User, person.id)
        user.email, user.email_verified = email, verified
