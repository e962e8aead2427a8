"""Between the guard and the lock somebody's role is taken: what they send then is refused, whatever it is."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from anuma_dash.domain import support
from anuma_dash.domain.closings import AccountClosing, request_closing, undo_closing
from anuma_dash.domain.owner_recovery import OwnerRecovery, ask_recovery, stop_recovery
from anuma_dash.domain.support import SupportGrant
from anuma_dash.errors import NotAllowed
from anuma_dash.features.account.service import Facts, change_account
from anuma_dash.identity import Account, Membership, StaffMember
from tests.features.people.steps import give_role
from tests.features.support_access.steps import REASON, TICKET, ask, enter, let_in, staff

FACTS = Facts("Southwind", "NO", "", "")


def acts_on_support(world):
    """What Ada may send while she is an admin, by name; the guard has read her role already."""
    context, ada, account = world.services.context, world.ada.actor, world.northwind
    asked, live = ask(world), let_in(world)
    session, _, _ = enter(world, live)
    return {
        "let in": lambda: support.grant_access(context, ada, account, scopes=(), hours=1, ticket=""),
        "approve": lambda: support.approve_request(context, ada, account, asked.id, scopes=(), hours=1),
        "decline": lambda: support.decline_request(context, ada, account, asked.id),
        "end": lambda: support.end_support_session(context, ada, account, session.id),
        "revoke": lambda: support.revoke_grant(context, ada, account, live.id),
    }


@pytest.mark.parametrize("role", ["viewer", None])
def test_who_was_an_admin_a_moment_ago_decides_nothing_of_support(world, role):
    acts = acts_on_support(world)
    if role is None:
        with world.db.transaction() as tx:
            tx.delete(tx.get_one(Membership, world.rows(Membership, user_id=world.ada.id)[0].id))
    else:
        give_role(world, world.ada, role)
    for name, act in acts.items():
        with pytest.raises(NotAllowed, match="do not belong" if role is None else "may not manage support access"):
            act()
        assert sorted(grant.state for grant in world.rows(SupportGrant)) == ["asked", "live"], name


def test_who_was_an_owner_a_moment_ago_neither_closes_nor_renames(world):
    context, olive, account = world.services.context, world.olive.actor, world.northwind
    give_role(world, world.ada, "owner")
    give_role(world, world.olive, "viewer")
    (before,) = world.rows(Account, id=account)
    with pytest.raises(NotAllowed, match="may not close the account"):
        request_closing(context, olive, account, typed_name="Northwind Labs")
    with pytest.raises(NotAllowed, match="may not change the account's name"):
        change_account(context, olive, account, FACTS, revision=before.revision)
    assert world.rows(AccountClosing) == []

    request_closing(context, world.ada.actor, account, typed_name="Northwind Labs")
    with pytest.raises(NotAllowed, match="may not close the account"):
        undo_closing(context, olive, account)
    assert [row.state for row in world.rows(AccountClosing)] == ["requested"]
    assert world.rows(Account, id=account)[0].name == "Northwind Labs"


def test_who_was_an_admin_a_moment_ago_stops_no_new_owner(world):
    words = {"new_owner_email": "strange@elsewhere.example", "reason": REASON, "ticket": TICKET}
    row = ask_recovery(world.services.context, world.sam.actor, world.northwind, **words)
    give_role(world, world.ada, "viewer")
    with pytest.raises(NotAllowed, match="may not stop staff from adding an owner"):
        stop_recovery(world.services.context, world.ada.actor, world.northwind, row.id)
    assert world.rows(OwnerRecovery)[0].state == "asked"


def test_who_was_staff_a_moment_ago_asks_approves_and_enters_nothing(world):
    context, sam, ines, theo = world.services.context, *(staff(world, name) for name in ("sam", "ines", "theo"))
    live, own = let_in(world), world.start_session(world.sam)[0]
    waiting = support.ask_for_emergency(context, ines, world.northwind, reason=REASON, ticket=TICKET)
    words = {"reason": REASON, "ticket": TICKET}
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember))
    for act in (
        lambda: support.ask_for_access(context, sam, world.northwind, scopes=(), hours=1, **words),
        lambda: support.ask_for_emergency(context, theo, world.northwind, **words),
        lambda: support.approve_emergency(context, theo, waiting.id),
        lambda: support.open_support_session(context, sam, own.id, live.id, **words),
    ):
        with pytest.raises(NotAllowed, match="needs the staff role"):
            act()
