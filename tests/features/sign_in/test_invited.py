"""From the message to the account: signed out, somebody new, or signed in as somebody else."""

from __future__ import annotations

import pytest

from anuma_dash.identity import Membership, User
from tests.features.people.steps import invite, role_of
from tests.features.sign_in.conftest import LEAVE

NORA = ("Nora Field", "nora@field.example")
ACCEPT = "Create my account"
ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_nora_who_was_never_here_comes_by_her_invitation_where_only_invited_people_are_let_in(world, visitor):
    world.restart(sign_up="invited")
    visitor.page = world.browser(htmx=visitor.page.htmx)
    path = invite(world, NORA[1], "Viewer")
    page = visitor.leave(path).come_as(*NORA).page
    assert page.heading == "Welcome"
    page.submit(ACCEPT, thirteen_or_older=True)
    assert page.heading == "Join Northwind Labs", "back where she was"
    (user,) = world.rows(User, name="Nora Field")
    assert world.rows(Membership, account_id=world.northwind, user_id=user.id) == []
    page.submit("Join Northwind Labs")

    assert page.one(".account b").text == "Northwind Labs"
    (membership,) = world.rows(Membership, account_id=world.northwind, user_id=user.id)
    assert membership.role == "viewer"


@ONE_ENGINE
class TestOneEngine:
    def test_somebody_else_is_not_let_in_by_her_link(self, world, visit):
        world.restart(sign_up="invited")
        path = invite(world, NORA[1])
        visitor = visit()
        visitor.leave(path).come_as("Mallory", "mallory@field.example")
        assert visitor.page.status == 403
        assert "by invitation, and there is none for your address" in visitor.page.text
        visitor = visit()
        visitor.leave(path).come_as(*NORA, verified=False)
        assert "has not verified yours" in visitor.page.text
        assert world.rows(User, name="Mallory") == []

    def test_strange_is_signed_in_and_comes_back_as_the_one_who_is_invited(self, world, visit):
        path = invite(world, world.vera.email.replace("vera", "robin"))
        visitor = visit()
        visitor.page = world.browser(world.strange)
        visitor.page.visit(path).submit("Sign in as somebody else with Sandbox").follow(LEAVE)
        page = visitor.come_as("Robin Abara", "robin@northwind.example").page
        page.submit(ACCEPT, thirteen_or_older=True)
        page.submit("Join Northwind Labs")

        assert page.one(".account b").text == "Northwind Labs"
        assert role_of(world, world.strange) is None
