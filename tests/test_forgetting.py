"""What the worker deletes by itself, on both sides of each period; and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash import features, mail
from anuma_dash.domain.data_register import SESSIONS_KEPT, UNDER_WAY_KEPT
from anuma_dash.features.sign_in.models import ConfirmationCode, SignInAttempt
from anuma_dash.mail import Mail
from anuma_dash.web.sessions import BrowserSession, Draft, keep_draft

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
    assert forget(world) == {"mail": 0, "sessions": 0, "sign_in": 0}
