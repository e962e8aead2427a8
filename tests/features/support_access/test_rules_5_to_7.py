"""PRODUCT.md, *Support access*: the rules, one test each, by their number. How the acts go on pages stands beside."""

from __future__ import annotations

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import IntegrityError

from anuma_dash.audit import Event, record
from anuma_dash.db import looking_only, new_id
from anuma_dash.domain import support
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.errors import Conflict, GatewayRefused, NotAllowed
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import Permission
from tests.features.support_access.steps import (
    enter,
    inside,
    is_over,
    let_in,
    staff,
)


def test_rule_05_thirty_minutes_at_most_ten_idle_no_renewal(world):
    grant = let_in(world)
    browser = inside(world, grant)
    for _ in range(3):
        world.clock.advance(minutes=9, seconds=50)
        assert browser.visit("/keys").status == 200
    world.clock.advance(seconds=30)
    assert "its 30 minutes were over" in is_over(browser, "/keys")
    idle = inside(world, grant)
    world.clock.advance(minutes=10)
    assert "idle for 10 minutes" in is_over(idle, "/keys")
    enter(world, grant)
    world.clock.advance(minutes=11)
    world.run_worker()
    assert [row.ended_why for row in world.rows(SupportSession)] == ["limit", "idle", "idle"], "nobody has to come back"


def test_rule_06_a_session_of_its_own_and_the_gateway_is_told_both(world, monkeypatch):
    seen, real = [], type(world.gateway)._token

    def note(gateway, caller, account):
        seen.append(caller)
        return real(gateway, caller, account)

    monkeypatch.setattr(type(world.gateway), "_token", note)
    grant = let_in(world, "content")
    browser = inside(world, grant)
    row = world.rows(SupportSession)[0]
    assert browser.support_token not in (row.token_hash, browser.own_token)
    browser.visit("/keys")
    (caller,) = seen
    assert (caller.user_id, caller.delegate, caller.subject) == (world.sam.id, world.sam.id, str(world.olive.id))
    assert (caller.kind, caller.name, caller.account_id) == ("staff", "Sam Ruiz", world.northwind)
    assert caller.support_scopes == {"metadata", "content"}
    with pytest.raises(GatewayRefused) as refused:
        world.gateway.create_key(caller, world.northwind, NewKey(name="x", created_by=world.sam.id), "12345678")
    assert (refused.value.status, refused.value.code) == (403, "support_session_read_only")
    stolen = world.browser(world.dev)
    stolen.set_cookie("anuma_support", browser.support_token)
    assert "over" in is_over(stolen, "/keys"), "without the staff member's own session it is worth nothing"


def test_rule_07_read_only_by_method_in_the_services_and_at_the_gateway(world):
    browser = inside(world, let_in(world, "content", "billing"))
    token = browser.visit("/keys").csrf_token()
    for path in ("/keys", "/support-access", "/theme", "/account/selection", "/sign-out", "/data-controls/tests"):
        answer = browser.request("POST", path, data={"csrf_token": token})
        assert answer.status_code == 403, path
        assert "you can look, and change nothing" in answer.text
    session = world.rows(SupportSession)[0]
    actor = support.acting(staff(world, "sam"), session, world.rows(SupportGrant)[0])
    assert not {one for one in actor.permissions if not one.value.startswith(("read", "see"))}
    with pytest.raises(NotAllowed), world.db.transaction() as tx:
        record(tx, actor, Event.SIGNED_OUT, at=world.clock.now, account_id=world.northwind, session_id="x")
    waiting = looking_only.set(True)
    try:
        with pytest.raises(NotAllowed, match="look"), world.db.transaction():
            pass
    finally:
        looking_only.reset(waiting)
    assert Permission.READ_CONTENT in actor.permissions


def test_rule_07_one_live_session_for_each_grant_and_staff_member(world):
    grant = let_in(world)
    first, _, _ = enter(world, grant)
    with pytest.raises(Conflict, match="inside an account already"):
        enter(world, grant)
    table = SupportSession.__table__
    new = {"id": literal(new_id(), table.c.id.type), "token_hash": literal("other")}
    again = select(*(new.get(column.name, column) for column in table.columns))
    with pytest.raises(IntegrityError), world.db.transaction() as tx:
        tx.execute(table.insert().from_select(table.columns.keys(), again))
    support.stop_support_session(world.services.context, staff(world, "sam"), first.id)
    enter(world, grant)
    assert len(world.rows(SupportSession)) == 2
