"""Passkeys: added by somebody freshly confirmed, used to confirm, removed; and every answer that must not count."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.passkeys import Passkey, PasskeyChallenge
from anuma_dash.identity import User
from tests.authenticator import Authenticator, text

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DANGEROUS = "/keys/new"
CONFIRM = "Use a passkey"


def options(page):
    return page.one("form[data-passkey]")["data-options"]


def add(page, name="Laptop", **changes):
    """Somebody who was just confirmed adds a passkey; returns its authenticator."""
    authenticator = Authenticator()
    page.visit("/sign-in-methods").follow("Add a passkey", within="#passkeys")
    page.submit("Continue", name=name)
    page.submit("Add the passkey", credential=authenticator.create(options(page), **changes))
    return authenticator


def begin(world, page, *, minutes=11):
    """The confirmation has gone stale; the page asks for the passkey."""
    world.clock.advance(minutes=minutes)
    return page.visit(DANGEROUS).submit(CONFIRM)


def confirm(world, page, authenticator, **changes):
    begin(world, page)
    return page.submit("Use the passkey", credential=authenticator.get(options(page), **changes))


def events(world):
    return [entry.event for entry in world.rows(AuditEntry, chain=world.northwind)]


def test_olive_adds_a_passkey_and_confirms_with_it(world, browse):
    page = browse(world.olive)
    authenticator = add(page)
    assert page.path == "/sign-in-methods"
    assert "The passkey “Laptop” is added." in page.text
    (row,) = page.table("Passkeys")
    assert (row["Name"], row["Last used"]) == ("Laptop", "never")
    before = page.cookie(world.session_cookie)

    confirm(world, page, authenticator)

    assert (page.path, page.heading) == (DANGEROUS, "New key")
    assert page.cookie(world.session_cookie) != before
    assert events(world)[-2:] == ["passkey.added", "session.reauthenticated"]
    assert "confirmed who they are by the passkey Laptop" in page.visit("/activity").text
    (row,) = page.visit("/sign-in-methods").table("Passkeys")
    assert row["Last used"] != "never"
    page.follow("Remove Laptop")
    assert page.heading == "Remove Laptop"
    page.submit("Remove the passkey")
    assert "The passkey “Laptop” is removed" in page.text
    assert (world.rows(Passkey), events(world)[-1]) == ([], "passkey.removed")


@ONE_ENGINE
class TestAdding:
    def test_it_takes_a_fresh_confirmation(self, world):
        page = world.browser(world.olive)
        world.clock.advance(minutes=11)
        for path in ("/sign-in-methods/passkeys/new", "/sign-in-methods/passkeys/ceremony"):
            assert page.visit(path).heading == "Confirm that it is you"
        form = {"csrf_token": page.csrf_token(), "name": "Laptop", "credential": "{}"}
        for path in ("/sign-in-methods/passkeys/new", "/sign-in-methods/passkeys"):
            answer = page.request("POST", path, data=form)
            assert answer.headers["Location"].startswith("/sign-in/reauthentication")
        assert world.rows(PasskeyChallenge) == []

    def test_what_the_browser_is_asked_for(self, world):
        page = world.browser(world.olive)
        known = add(page)
        page.visit("/sign-in-methods/passkeys/new").submit("Continue", name="Phone")

        asked = json.loads(options(page))
        assert asked["rp"] == {"name": "Anuma", "id": "localhost"}
        assert asked["attestation"] == "none"
        selection = asked["authenticatorSelection"]
        assert (selection["userVerification"], selection["residentKey"]) == ("required", "preferred")
        assert [one["id"] for one in asked["excludeCredentials"]] == [text(known.credential_id)]
        assert len(asked["challenge"]) >= 43

    def test_it_needs_a_name(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods/passkeys/new").submit("Continue", name="  ")

        assert page.status == 422
        assert "Enter a name by which you will know this passkey." in page.text

    @pytest.mark.parametrize(
        "changes",
        [
            {"flags": 0x01},
            {"flags": 0x04},
            {"rp_id": "elsewhere.example"},
            {"client_data": {"origin": "https://elsewhere.example"}},
            {"client_data": {"origin": "http://localhost:8000.elsewhere.example"}},
            {"client_data": {"type": "webauthn.get"}},
            {"client_data": {"challenge": text(b"another challenge of ours")}},
            {"client_data": {"crossOrigin": True}},
        ],
        ids=str,
    )
    def test_an_answer_that_does_not_hold_adds_nothing(self, world, changes):
        page = world.browser(world.olive)
        add(page, **changes)

        assert page.path == "/sign-in-methods"
        assert "is added" not in page.text
        assert (world.rows(Passkey), world.rows(PasskeyChallenge)) == ([], [])

    def test_nonsense_adds_nothing_and_breaks_nothing(self, world):
        page = world.browser(world.olive)
        good = json.loads(Authenticator().create('{"challenge": "x", "rp": {"id": "localhost"}}'))
        for answer in (
            *("", "null", "[]", "{}", '{"response": 1}', "[" * 15_000, "\u0000", "x" * 30_000),
            json.dumps(good | {"id": "a\u0000b"}),
            json.dumps(good | {"response": good["response"] | {"attestationObject": "oA"}}),
            json.dumps(good | {"response": good["response"] | {"clientDataJSON": text(b"[]")}}),
            json.dumps(good | {"response": good["response"] | {"clientDataJSON": 7}}),
        ):
            page.visit("/sign-in-methods/passkeys/new").submit("Continue", name="Laptop")
            page.submit("Add the passkey", credential=answer)
            assert (page.status, page.path) == (200, "/sign-in-methods")
        assert world.rows(Passkey) == []

    def test_the_same_passkey_twice_is_refused(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        page.visit("/sign-in-methods/passkeys/new").submit("Continue", name="Again")
        page.submit("Add the passkey", credential=authenticator.create(options(page)))

        assert (page.status, "This passkey is registered already." in page.text) == (409, True)
        assert [row.name for row in world.rows(Passkey)] == ["Laptop"]


@ONE_ENGINE
class TestConfirming:
    @pytest.mark.parametrize(
        "changes",
        [
            {"flags": 0x01},
            {"flags": 0x04},
            {"rp_id": "elsewhere.example"},
            {"client_data": {"origin": "https://elsewhere.example"}},
            {"client_data": {"origin": "https://localhost:8000"}},
            {"client_data": {"type": "webauthn.create"}},
            {"client_data": {"challenge": text(b"another challenge of ours")}},
            {"client_data": {"crossOrigin": True}},
            {"signature": b"0E\x02 nothing"},
            {"data_afterwards": bytes(32) + b"\x05" + bytes(4)},
        ],
        ids=str,
    )
    def test_an_answer_that_does_not_hold_confirms_nothing(self, world, changes):
        page = world.browser(world.olive)
        authenticator = add(page)
        before = page.cookie(world.session_cookie)
        confirm(world, page, authenticator, **changes)

        assert page.heading == "Confirm that it is you"
        assert page.visit(DANGEROUS).heading == "Confirm that it is you"
        assert page.cookie(world.session_cookie) == before
        assert world.rows(PasskeyChallenge) == []

    def test_an_answer_is_good_once(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        begin(world, page)
        form = {"csrf_token": page.csrf_token(), "credential": authenticator.get(options(page), count=0)}
        path = "/sign-in/reauthentication/assertion"
        first = page.request("POST", path, data=form)
        page.visit(DANGEROUS)
        second = page.request("POST", path, data=form | {"csrf_token": page.csrf_token()})

        assert (first.headers["Location"], second.headers["Location"]) == ("/", "/sign-in/reauthentication?next=/")
        assert events(world).count("session.reauthenticated") == 1

    def test_an_answer_to_an_older_question_is_not_taken(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        begin(world, page)
        old = authenticator.get(options(page))
        page.visit(DANGEROUS).submit(CONFIRM)
        page.submit("Use the passkey", credential=old)

        assert "The passkey’s answer does not hold." in page.text.replace("'", "’")
        assert page.visit(DANGEROUS).heading == "Confirm that it is you"

    def test_the_question_lasts_five_minutes(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        begin(world, page)
        answer = authenticator.get(options(page))
        world.clock.advance(minutes=5, seconds=1)
        page.submit("Use the passkey", credential=answer)

        assert "it took longer than five minutes" in page.text

    def test_a_question_of_another_session_is_not_answered_here(self, world):
        page, other = world.browser(world.olive), world.browser(world.olive)
        authenticator = add(page)
        begin(world, page)
        begin(world, other, minutes=0)
        other.submit("Use the passkey", credential=authenticator.get(options(page)))

        assert "answer does not hold" in other.text

    def test_a_question_for_a_new_passkey_confirms_nothing(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        page.visit("/sign-in-methods/passkeys/new").submit("Continue", name="Phone")
        asked = json.loads(options(page)) | {"rpId": "localhost"}
        world.clock.advance(minutes=4)
        form = {"csrf_token": page.csrf_token(), "credential": authenticator.get(json.dumps(asked))}
        page.request("POST", "/sign-in/reauthentication/assertion", data=form)
        world.clock.advance(minutes=7)

        assert page.visit(DANGEROUS).heading == "Confirm that it is you"

    def test_another_persons_passkey_confirms_nothing(self, world):
        theirs = add(world.browser(world.ada), "Of Ada")
        page = world.browser(world.olive)
        add(page)
        confirm(world, page, theirs)

        assert "This passkey is not one of yours here, or it was removed." in page.text
        assert page.visit(DANGEROUS).heading == "Confirm that it is you"

    def test_a_removed_passkey_confirms_nothing(self, world):
        page = world.browser(world.olive)
        removed = add(page, "Old")
        add(page, "New")
        page.follow("Remove Old").submit("Remove the passkey")
        confirm(world, page, removed)

        assert "This passkey is not one of yours here, or it was removed." in page.text

    def test_with_no_passkey_it_is_not_offered(self, world):
        page = world.browser(world.olive)
        world.clock.advance(minutes=11)
        page.visit(DANGEROUS)

        assert not page.offers(CONFIRM)

    @pytest.mark.parametrize(("stored", "said"), [(5, 5), (5, 4), (5, 0), (1, 1)])
    def test_a_counter_that_does_not_rise_tells_of_a_copy(self, world, stored, said):
        page = world.browser(world.olive)
        authenticator = add(page, count=stored)
        confirm(world, page, authenticator, count=said)

        assert "counts lower than before, so a copy of it may exist" in page.text
        assert page.visit(DANGEROUS).heading == "Confirm that it is you"
        assert events(world)[-1] == "passkey.copied"
        assert world.rows(Passkey)[0].sign_count == stored

    @pytest.mark.parametrize(("stored", "said"), [(0, 0), (0, 7), (5, 6), (1, 2**32 - 1)])
    def test_a_counter_that_rises_or_never_counts_is_fine(self, world, stored, said):
        page = world.browser(world.olive)
        authenticator = add(page, count=stored)
        confirm(world, page, authenticator, count=said)

        assert page.heading == "New key"
        assert world.rows(Passkey)[0].sign_count == said

    def test_what_was_typed_is_there_again(self, world):
        page = world.browser(world.olive)
        authenticator = add(page)
        page.visit(DANGEROUS)
        world.clock.advance(minutes=11)
        page.submit("Make the key", name="Laptop of Olive").submit(CONFIRM)
        page.submit("Use the passkey", credential=authenticator.get(options(page)))

        assert page.one("input[name=name]")["value"] == "Laptop of Olive"


@ONE_ENGINE
def test_somebody_elses_passkey_does_not_exist_and_cannot_be_removed(world):
    add(world.browser(world.ada), "Of Ada")
    (row,) = world.rows(Passkey)
    page = world.browser(world.olive).visit("/sign-in-methods")
    form = {"csrf_token": page.csrf_token()}

    assert "Of Ada" not in page.text
    path = f"/sign-in-methods/passkeys/{row.id}/removal"
    assert page.request("GET", path).status_code == 404
    assert page.request("POST", path, data=form).status_code == 404
    assert len(world.rows(Passkey)) == 1


@ONE_ENGINE
def test_removing_takes_a_fresh_confirmation(world):
    page = world.browser(world.olive)
    add(page)
    world.clock.now += timedelta(minutes=11)
    page.follow("Remove Laptop")

    assert page.heading == "Confirm that it is you"


@ONE_ENGINE
class TestRemovingTheLastOne:
    """Somebody whose provider cannot ask again, and to whom no code can be sent, has nothing else to confirm with."""

    WARNING = "This is your last way to confirm that it is you"

    def removal(self, world, page, *, silent, **changes):
        (provider,) = world.settings.sign_in_providers
        world.restart(sign_in_providers=(provider.model_copy(update={"sends_auth_time": not silent}),), **changes)
        fresh = world.browser()
        fresh.set_cookie(world.session_cookie, page.cookie(world.session_cookie))
        return fresh.visit("/sign-in-methods").follow("Remove Laptop")

    def test_it_warns_who_has_no_other_way(self, world):
        page = world.browser(world.olive)
        add(page)
        page = self.removal(world, page, silent=True, smtp_url="")
        assert self.WARNING in page.text
        assert "In sessions that begin with Sandbox nothing else confirms it" in page.text
        assert "You can add it, or another one, again" not in page.text

        page.submit("Remove the passkey")
        assert world.rows(Passkey) == [], "it is a warning, not a refusal"

    @pytest.mark.parametrize("other_way", ["provider", "code", "passkey"])
    def test_who_has_another_way_is_not_warned(self, world, other_way):
        with world.db.transaction() as tx:
            tx.get_one(User, world.olive.id).email_verified = True
        page = world.browser(world.olive)
        add(page)
        if other_way == "passkey":
            add(page, "Phone")
        more = {} if other_way == "code" else {"smtp_url": ""}
        page = self.removal(world, page, silent=other_way != "provider", **more)

        assert self.WARNING not in page.text
        assert "You can add it, or another one, again" in page.text
