"""Who was never here before is let in by an invitation, also where the site lets in few people."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditDetail
from anuma_dash.domain.invitations import Invitation, InvitationMail
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.features.sign_in.sign_up import entry, forget_under_13
from tests.features.people.steps import give_role, invite

ADDRESS = "robin@invited.example"
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def robin(world, email=ADDRESS, verified=True):
    return Identity(
        issuer="http://localhost:8002",
        subject="robin",
        name="Robin Abara",
        email=email,
        email_verified=verified,
        authenticated_at=world.clock.now,
        sid=None,
        claims={},
    )


def gate(world, identity, mode):
    settings = world.settings.model_copy(update={"sign_up": mode})
    with world.db.reading() as tx:
        return entry(tx, settings, identity, world.clock.now)


def test_an_invitation_opens_the_door_to_its_address_while_it_is_good(world):
    with pytest.raises(SignInRefused, match="by invitation"):
        gate(world, robin(world), "invited")
    assert gate(world, robin(world), "requested") == "ask"
    invite(world, ADDRESS, by=world.ada)

    assert gate(world, robin(world, ADDRESS.upper()), "invited") == "open"
    assert gate(world, robin(world), "requested") == "open"
    with pytest.raises(SignInRefused, match="has not verified"):
        gate(world, robin(world, verified=False), "invited")
    with pytest.raises(SignInRefused, match="by invitation"):
        gate(world, robin(world, "other@invited.example"), "invited")
    give_role(world, world.ada, "viewer")
    with pytest.raises(SignInRefused):
        gate(world, robin(world), "invited")
    give_role(world, world.ada, "admin")
    world.clock.advance(days=7)
    with pytest.raises(SignInRefused):
        gate(world, robin(world), "invited")


def test_who_is_under_13_leaves_no_invitation_behind(world):
    invite(world, ADDRESS)
    invite(world, "other@invited.example")
    with world.db.transaction() as tx:
        forget_under_13(tx, robin(world, verified=False))
    assert len(world.rows(Invitation)) == 2, "an address that is not verified says nothing about anybody"

    with world.db.transaction() as tx:
        forget_under_13(tx, robin(world))

    assert [row.email for row in world.rows(Invitation)] == ["other@invited.example"]
    assert [row.email for row in world.rows(InvitationMail)] == ["other@invited.example"]
    assert ADDRESS not in str([row.body for row in world.rows(AuditDetail)])
    assert "other@invited.example" in str([row.body for row in world.rows(AuditDetail)])
