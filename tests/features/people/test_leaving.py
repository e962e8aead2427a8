"""Dev is removed, or leaves: the account is gone at once, the keys follow when the gateway says so."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.key_revocations import KeyRevocation
from anuma_dash.errors import Conflict, Invalid, NotAllowed
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.features.keys.service import KeyWish as NewKeyWish
from anuma_dash.features.keys.service import create_key
from anuma_dash.features.people import key_fates
from anuma_dash.features.people.departures import KeyWish, leave_account, remove_member
from anuma_dash.features.people.models import Departure, DepartureKey
from anuma_dash.features.people.service import decide_reading
from anuma_dash.identity import Role, User
from tests.features.people.steps import give_role, key_of, mails_to, make_key, role_of, set_address

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def remove(world, wish, person=None, expected=Role.DEVELOPER, by=None):
    by, person = by or world.olive, person or world.dev
    return remove_member(world.services.context, by.actor, world.northwind, person.id, expected=expected, wish=wish)


def switch_logging_on(world):
    page = world.browser(world.olive).visit("/data-controls/prompt-logging/edit")
    page.submit("Switch it on", accepted=True)


def test_ada_removes_dev_and_takes_over_one_key(world, browse):
    laptop, server = make_key(world, world.dev), make_key(world, world.dev, "server")
    make_key(world, world.vera, "not Dev's")
    switch_logging_on(world)
    assert world.chat(server.secret).status_code == 200
    dev = browse(world.dev).visit("/people")
    page = browse(world.ada).visit("/people").follow("Remove Dev Kapoor")
    assert "the content of 1 request" in page.text
    assert "not Dev's" not in page.text
    assert f"laptop …{laptop.last_four}" in page.text
    assert "Last used never" in page.text
    page.submit("Remove Dev Kapoor")
    assert page.status == 422
    assert "Choose what becomes of the keys" in page.text
    assert role_of(world, world.dev) == "developer"

    assert "so their keys cannot become yours" in page.text
    page.submit("Remove Dev Kapoor", keys="revoke", **{f"key-{server.id}": str(world.olive.id)})

    assert "Dev Kapoor does not belong to Northwind Labs any more" in page.text
    assert "Confirmed by the gateway" in page.text
    rows = {row["Key"]: row["What becomes of it"] for row in page.table("Their keys")}
    assert rows["laptop"].startswith("Revoked · in effect")
    assert rows["server"].startswith(f"Handed over to {world.olive.name}, confirmed")
    assert dev.visit("/people").status == 403, "at the next click"
    assert world.chat(laptop.secret).status_code == 401
    assert world.chat(server.secret).status_code == 200
    assert (key_of(world, server).created_by, key_of(world, laptop).state) == (world.olive.id, "revoked")
    persons = [row.created_by for row in world.gateway.requests(world.olive.actor, world.northwind).data]
    assert (persons[0], persons[-1]) == (world.olive.id, world.dev.id), "earlier requests stay Dev's"
    assert "You do not belong to Northwind Labs any more" in mails_to(world, world.dev)
    assert "Keys in Northwind Labs are yours now" in mails_to(world, world.olive)
    activity = page.visit("/activity").text
    assert "removed Dev Kapoor, who was developer; their keys: revoke, with 1 chosen apart" in activity
    assert f"handed over the key server (…{server.last_four}) of Dev Kapoor to {world.olive.name}" in activity
    assert page.visit("/keys").table("API keys")[0]["Created by"] != "Dev Kapoor"


@ONE_ENGINE
def test_ada_gets_no_content_by_taking_over_keys(world):
    laptop = make_key(world, world.dev)
    wishes = (KeyWish(world.ada.id), KeyWish(None, {laptop.id: world.ada.id}))
    for wish in wishes:
        with pytest.raises(Invalid, match="You may not read what others have stored here"):
            remove(world, wish, by=world.ada)
    decide_reading(world.services.context, world.olive.actor, world.northwind, allowed=True)
    assert remove(world, wishes[0], by=world.ada).recipient_id == world.ada.id


@ONE_ENGINE
def test_a_suspended_owner_is_no_owner_to_leave_an_account_to(world):
    give_role(world, world.ada, "owner")
    with world.db.transaction() as tx:
        tx.get_one(User, world.ada.id).status = "suspended"
    with pytest.raises(Conflict, match="this is the last one"):
        leave_account(world.services.context, world.olive.actor, world.northwind, wish=KeyWish())
    with pytest.raises(Invalid, match="Choose somebody of the account who may have keys"):
        remove(world, KeyWish(world.ada.id))


def test_the_gateway_is_down_while_dev_is_removed(world, browse):
    laptop, server = make_key(world, world.dev), make_key(world, world.dev, "server")
    page = browse(world.olive).visit("/people")
    world.break_gateway()
    page.follow("Remove Dev Kapoor")
    assert "the keys cannot be listed" in page.text
    assert "not known right now" in page.text
    page.submit("Remove Dev Kapoor", keys="revoke")

    assert "Dev Kapoor does not belong to Northwind Labs any more" in page.text
    assert "Not confirmed by the gateway" in page.text
    assert "these keys may still work" in page.text
    assert role_of(world, world.dev) is None
    assert "is not confirmed by the gateway yet" in page.visit("/people").text
    world.run_worker(seconds=3)
    assert world.chat(laptop.secret).status_code == 200, "and the page says so"
    assert mails_to(world, world.dev) == ["You do not belong to Northwind Labs any more"]
    for part in ("plain", "html"):
        told = " ".join(world.mailbox.latest().content(part).split())
        assert "Your keys there will be revoked, or handed over" in told
        assert "as soon as the gateway confirms" in told
    world.mend_gateway()
    world.run_worker(seconds=10)

    page.visit(f"/people/departures/{world.rows(Departure)[0].id}")
    assert "Confirmed by the gateway" in page.text
    assert world.chat(laptop.secret).status_code == 401
    assert {row.key_id for row in world.rows(KeyRevocation)} == {laptop.id, server.id}


@ONE_ENGINE
def test_a_worker_that_dies_after_any_transaction_of_a_departure_does_all_of_it_once(world, monkeypatch):
    make_key(world, world.dev), make_key(world, world.dev, "server")
    world.break_gateway()
    remove(world, KeyWish(recipient_id=world.ada.id))
    world.mend_gateway()
    (row,) = world.rows(Departure)
    for dies_before in ("_hand_over", "_finish", ""):
        with monkeypatch.context() as patched:
            if dies_before:
                patched.setattr(key_fates, dies_before, None)
            with suppress(TypeError):
                key_fates.settle_departure(world.services.context, row.id, row.attempt)
        assert bool(world.rows(Departure)[0].settled_at) == (not dies_before)
    key_fates.settle_departure(world.services.context, row.id, row.attempt)
    assert mails_to(world, world.ada).count("Keys in Northwind Labs are yours now") == 1
    assert mails_to(world, world.dev).count("You do not belong to Northwind Labs any more") == 1
    assert len(world.rows(DepartureKey)) == len(world.rows(AuditEntry, event="key.handed_over")) == 2


def test_dev_leaves_with_what_is_his(world, browse):
    key = make_key(world, world.dev)
    page = browse(world.dev).visit("/people").follow("Leave")
    assert page.heading == "Leave Northwind Labs"
    answer = page.request("POST", "/people/leaving/export", data={"csrf_token": page.csrf_token()})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="what-is-mine.json"'
    taken = json.loads(answer.text)
    assert [one["name"] for one in taken["keys"]] == ["laptop"]
    assert key.secret not in answer.text
    assert "Olive" not in answer.text

    page.submit("Leave the account", keys=str(world.ada.id))

    assert page.path == "/"
    assert "You left Northwind Labs" in page.text
    assert role_of(world, world.dev) is None
    assert key_of(world, key).created_by == world.ada.id
    assert mails_to(world, world.dev)[-1] == "You left Northwind Labs"
    text = world.browser(world.olive).visit("/activity").text
    assert "left the account as developer; their keys: hand over" in text
    assert "downloaded what is theirs here" in text


@ONE_ENGINE
class TestOneEngine:
    def test_removing_oneself_is_leaving(self, world):
        page = world.browser(world.ada).visit(f"/people/{world.ada.id}/removal")
        assert page.heading == "Leave Northwind Labs"
        form = {"csrf_token": page.csrf_token(), "keys": "revoke", "expected": "admin"}
        answer = page.request("POST", f"/people/{world.ada.id}/removal", data=form)
        assert answer.status_code == 409
        assert "leave the account" in answer.text
        assert role_of(world, world.ada) == "admin"

    def test_the_role_changed_while_the_page_was_open(self, world):
        page = world.browser(world.ada).visit(f"/people/{world.dev.id}/removal")
        give_role(world, world.dev, "billing")
        page.submit("Remove Dev Kapoor")

        assert page.status == 409
        assert "Dev Kapoor is now billing. Nobody was removed." in page.text
        page.submit("Remove Dev Kapoor")
        assert role_of(world, world.dev) is None

    def test_keys_go_only_to_those_who_may_have_keys(self, world):
        key = make_key(world, world.dev)
        page = world.browser(world.olive).visit(f"/people/{world.dev.id}/removal")
        offered = page.one("select[name=keys]").text
        assert "Ada Moreau" in offered
        assert "Vera" not in offered
        for person in (world.vera, world.strange, world.dev):
            with pytest.raises(Invalid, match="who may have keys"):
                remove(world, KeyWish(recipient_id=person.id))
            with pytest.raises(Invalid, match="who may have keys"):
                remove(world, KeyWish(exceptions={key.id: person.id}))
        assert role_of(world, world.dev) == "developer"

    def test_the_recipient_is_gone_when_the_gateway_comes_back(self, world):
        key = make_key(world, world.dev)
        world.break_gateway()
        remove(world, KeyWish(recipient_id=world.ada.id))
        give_role(world, world.ada, "viewer")
        world.mend_gateway()
        world.run_worker(seconds=10)

        (row,) = world.rows(DepartureKey)
        assert row.note == "Ada Moreau may not have keys any more, so it is revoked instead."
        assert key_of(world, key).state == "revoked"

    def test_it_dies_between_the_gateway_and_our_own_record(self, world, monkeypatch):
        """The key is not listed under its former person any more, and is confirmed all the same."""
        key = make_key(world, world.dev)
        real = world.gateway.change_key

        def dies(*call):
            real(*call)
            raise KeyboardInterrupt

        monkeypatch.setattr(world.gateway, "change_key", dies)
        with pytest.raises(KeyboardInterrupt):
            remove(world, KeyWish(recipient_id=world.ada.id))
        monkeypatch.undo()
        assert world.gateway.keys(world.olive.actor, world.northwind, person=world.dev.id).data == []
        world.run_worker(seconds=30)

        (row,) = world.rows(DepartureKey)
        assert (row.confirmed_at is not None, key_of(world, key).created_by) == (True, world.ada.id)
        assert mails_to(world, world.ada).count("Keys in Northwind Labs are yours now") == 1

    def test_who_came_back_keeps_new_keys(self, world):
        old = make_key(world, world.dev)
        world.clock.now = old.created_at
        world.break_gateway()
        remove(world, KeyWish())
        give_role(world, world.dev, "developer")
        world.mend_gateway()
        new = make_key(world, world.dev, "new")
        world.run_worker(seconds=30)

        assert (key_of(world, old).state, key_of(world, new).state) == ("revoked", "active")

    def test_a_key_that_was_asked_for_in_the_moment_of_removal_is_shown_to_nobody(self, world, monkeypatch):
        real = world.gateway.create_key

        def slowly(*call, **more):
            made = real(*call, **more)
            monkeypatch.undo()
            remove(world, KeyWish())
            return made

        monkeypatch.setattr(world.gateway, "create_key", slowly)
        wish = NewKeyWish("late", "live", None)
        creation = create_key(world.services.context, world.dev.actor, world.northwind, new_id(), wish)
        assert creation.secret is None
        world.run_worker(seconds=5)

        assert [row.outcome for row in world.rows(KeyIntent)] == ["withdrawn"]
        states = [key.state for key in world.gateway.keys(world.olive.actor, world.northwind).data]
        assert states == ["revoked"]
        with pytest.raises(NotAllowed, match="do not belong"):
            create_key(world.services.context, world.dev.actor, world.northwind, new_id(), wish)

    def test_another_accounts_departure_does_not_exist(self, world):
        row = remove(world, KeyWish())
        assert world.browser(world.strange).visit(f"/people/departures/{row.id}").status == 404
        assert "There were no working keys" in world.browser(world.vera).visit(f"/people/departures/{row.id}").text

    def test_the_mail_server_is_down_and_dev_is_removed_all_the_same(self, world):
        world.mailbox.answers["RCPT"] = "451 not now"
        remove(world, KeyWish())
        assert role_of(world, world.dev) is None
        assert mails_to(world, world.dev) == []
        world.mailbox.answers.clear()
        world.run_worker(seconds=5)
        assert len(mails_to(world, world.dev)) == 1

    def test_somebody_without_an_address_can_be_removed(self, world):
        set_address(world, world.dev, None, verified=False)
        remove(world, KeyWish())
        assert role_of(world, world.dev) is None
