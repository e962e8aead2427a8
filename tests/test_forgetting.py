"""What the worker deletes by itself, on both sides of each period; and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash import features, mail
from anuma_dash.db import new_id
from anuma_dash.domain import support
from anuma_dash.domain.closings import AccountClosing, request_closing, undo_closing
from anuma_dash.domain.data_register import EXPORTS_KEPT, SESSIONS_KEPT, SETTLED_KEPT, UNDER_WAY_KEPT
from anuma_dash.domain.invitations import Invitation, InvitationMail
from anuma_dash.domain.owner_recovery import UNAPPROVED_LIFETIME, OwnerRecovery, ask_recovery
from anuma_dash.domain.support import SupportGrant
from anuma_dash.features.activity.export import request_export
from anuma_dash.features.activity.export_making import make_exports_due
from anuma_dash.features.activity.models import ActivityExport
from anuma_dash.features.people.invitations import invite, revoke_invitation
from anuma_dash.features.sign_in.models import ConfirmationCode, SignInAttempt
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import Role
from anuma_dash.mail import Mail
from anuma_dash.web.sessions import BrowserSession, Draft, keep_draft
from tests.features.support_access.steps import ask, enter, let_in, staff

SECOND = timedelta(seconds=1)


def forget(world):
    return features.forget_old(world.db, world.settings, world.clock.now)


def write(world, settled=True):
    with world.db.transaction() as tx:
        now = world.clock.now
        row = Mail(user_id=world.olive.id, letter="x", state="sent", created_at=now, expires_at=now)
        row.settled_at, row.next_try_at = (now, None) if settled else (None, now)
        row.state = "sent" if settled else "waiting"
        tx.add(row)
        tx.flush()
        return row.id


def test_settled_mail_goes_after_thirty_days_and_what_another_row_names_stays(world):
    session, _ = world.start_session(world.olive)
    write(world)
    waiting, named = write(world, settled=False), write(world)
    with world.db.transaction() as tx:
        far = world.clock.now + timedelta(days=400)
        tx.add(ConfirmationCode(session_id=session.id, mail_id=named, code_hash="", created_at=far, expires_at=far))
    world.clock.now += mail.KEPT
    assert forget(world)["mail"] == 0
    world.clock.now += SECOND

    assert forget(world)["mail"] == 1
    assert {row.id for row in world.rows(Mail)} == {waiting, named}


def test_sessions_go_ninety_days_after_they_were_last_seen_with_what_hangs_on_them(world):
    world.start_session(world.olive)
    world.clock.now += SECOND
    kept, _ = world.start_session(world.ada)
    world.clock.now += SESSIONS_KEPT - SECOND
    assert forget(world)["sessions"] == 0
    world.clock.now += SECOND

    assert forget(world)["sessions"] == 1
    assert [row.id for row in world.rows(BrowserSession)] == [kept.id]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sessions_are_never_forgotten_while_they_may_still_live(world):
    world.restart(session_idle_days=200)
    world.start_session(world.olive)
    world.clock.advance(days=199)

    assert forget(world)["sessions"] == 0


def test_what_was_under_way_goes_an_hour_later(world):
    session, _ = world.start_session(world.olive)
    now = world.clock.now
    with world.db.transaction() as tx:
        keep_draft(tx, session.id, "/keys/new", {"name": ["Laptop"]}, now)
        tx.add(
            SignInAttempt(
                token_hash="x", provider="sandbox", state="s", nonce="n", verifier="v", next_path="/", created_at=now
            )
        )
    world.clock.now += UNDER_WAY_KEPT
    assert forget(world)["sign_in"] == 0
    world.clock.now += SECOND

    assert forget(world)["sign_in"] == 2
    assert (world.rows(Draft), world.rows(SignInAttempt)) == ([], [])
    assert set(forget(world).values()) == {0}


def test_invitations_go_ninety_days_after_they_are_over_and_the_activity_keeps_the_sentence(world):
    context = world.services.context
    revoked, lapsed = (
        invite(context, world.olive.actor, world.northwind, email=f"{name}@invited.example", role=Role.VIEWER)
        for name in ("revoked", "lapsed")
    )
    revoke_invitation(context, world.olive.actor, world.northwind, revoked.id)
    world.clock.now += SETTLED_KEPT
    assert forget(world)["people"] == 0
    world.clock.now += SECOND
    assert forget(world)["people"] == 1
    assert [row.id for row in world.rows(Invitation)] == [lapsed.id]
    assert [row.invitation_id for row in world.rows(InvitationMail)] == [lapsed.id]
    world.clock.now = lapsed.expires_at + SETTLED_KEPT + SECOND

    assert forget(world)["people"] == 1
    assert (world.rows(Invitation), world.rows(InvitationMail)) == ([], [])
    assert "revoked the invitation of revoked@invited.example" in world.browser(world.olive).visit("/activity").text


def test_a_recovery_that_nobody_approved_ends_in_a_week_and_goes_ninety_days_later(world):
    words = {"new_owner_email": "new@northwind.example", "reason": "Nobody can sign in.", "ticket": "T-9"}
    ask_recovery(world.services.context, staff(world, "sam"), world.northwind, **words)
    world.clock.now += UNAPPROVED_LIFETIME
    forget(world)
    assert "may become an owner" in world.browser(world.olive).visit("/people").text
    world.clock.now += SECOND
    forget(world)
    (row,) = world.rows(OwnerRecovery)
    assert (row.state, row.outcome) == ("failed", "nobody approved it in time")
    page = world.browser(world.olive).visit("/people")
    assert "may become an owner" not in page.text
    world.clock.now += SETTLED_KEPT
    assert forget(world)["people"] == 0
    world.clock.now += SECOND

    assert forget(world)["people"] == 1
    assert world.rows(OwnerRecovery) == []
    said = world.browser(world.olive).visit("/activity").text
    assert "new@northwind.example did not become an owner: nobody approved it in time" in said


def test_support_access_goes_ninety_days_after_it_is_over_unless_somebody_looked(world):
    context, olive = world.services.context, world.olive.actor
    used = let_in(world)
    enter(world, used)
    support.revoke_grant(context, olive, world.northwind, used.id)
    unused = let_in(world, hours=1)
    declined = ask(world)
    support.decline_request(context, olive, world.northwind, declined.id)
    lapsed = ask(world)
    world.clock.now += SETTLED_KEPT
    assert forget(world)["support_access"] == 0
    world.clock.now += SECOND
    assert forget(world)["support_access"] == 1
    assert {row.id for row in world.rows(SupportGrant)} == {used.id, unused.id, lapsed.id}
    world.clock.now += support.ASK_LIFETIME

    assert forget(world)["support_access"] == 2
    assert [row.id for row in world.rows(SupportGrant)] == [used.id]
    page = world.browser(world.olive).visit("/activity")
    assert "declined" in page.text
    assert page.visit(f"/support-access/requests/{lapsed.id}").status == 404


def test_that_there_was_an_export_goes_ninety_days_after_it_was_asked_for(world):
    export = request_export(
        world.services.context, world.olive.actor, world.northwind, "csv", {}, "UTC", token=new_id()
    )
    world.run_worker()
    world.clock.now += EXPORTS_KEPT + SECOND
    make_exports_due(world.services.context)
    world.run_worker()
    (row,) = world.rows(ActivityExport)
    assert row.state == "destroyed"
    world.clock.now = export.requested_at + SETTLED_KEPT
    assert forget(world)["activity"] == 0
    world.clock.now += SECOND

    assert forget(world)["activity"] == 1
    assert world.rows(ActivityExport) == []
    assert "asked for an export of the activity" in world.browser(world.olive).visit("/activity").text


def test_who_asked_for_a_closing_goes_ninety_days_after_it_was_stopped_and_keys_still_say_what_stopped_them(world):
    context, olive = world.services.context, world.olive.actor
    world.gateway.create_key(olive, world.northwind, NewKey(name="ci", created_by=world.dev.id), str(new_id()))
    request_closing(context, olive, world.northwind, typed_name="Northwind Labs")
    undo_closing(context, olive, world.northwind)
    world.clock.now += SETTLED_KEPT
    assert forget(world)["account"] == 0
    world.clock.now += SECOND

    assert forget(world)["account"] == 1
    (row,) = world.rows(AccountClosing)
    assert (row.requested_by, row.requested_by_name, row.undone_by_name) == (None, "", "")
    assert forget(world)["account"] == 0
    page = world.browser(world.olive).visit("/keys")
    assert "Stopped by the closing of" in page.text
    assert "stopped the closing of the account" in page.visit("/activity").text


def test_the_register_says_how_long_each_of_them_stays(world):
    page = world.browser(world.olive).visit("/your-data")

    assert "90 days after it was accepted or revoked, or has expired." in page.text
    assert "That there was one: 90 days after you asked" in page.text
    assert "90 days after it is over, if nobody looked." in page.text
    assert "90 days after it was done, stopped, or had failed" in page.text
    assert "who asked to close an account: 90 days after that is over." in page.text
