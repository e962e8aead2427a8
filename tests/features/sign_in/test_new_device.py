"""A message about a sign-in in a device that is new: to whom, when, what it says, and never in the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.features.sign_in import service
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import Actor, SignInIdentity, User
from anuma_dash.mail import Mail
from anuma_dash.web.sessions import BrowserSession, Device
from tests.test_sessions import change

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1 Mobile Safari/604.1"
NOBODY = Actor(kind="anonymous")


def sign_in(world, person, device="Firefox on Linux", *, slug="sandbox", verified=True, place="", email=None):
    """The way back from the provider, as the callback takes it."""
    identity = Identity(
        issuer=person.issuer,
        subject=person.subject,
        authenticated_at=world.clock.now,
        name=person.name,
        email=email or person.email,
        email_verified=verified,
        claims={"email": person.email},
        sid=None,
    )
    with world.db.transaction() as tx:
        where = Device(device, "203.0.113.9", place)
        return service.start(tx, world.settings, NOBODY, slug, identity, where, world.clock.now)


def letters(world):
    return [row.letter for row in world.rows(Mail)]


def test_a_device_that_is_new_is_mailed_of_in_the_persons_own_time(world):
    change(world, User, world.olive.id, time_zone="Asia/Kolkata")
    sign_in(world, world.olive)
    assert letters(world) == [], "the first sign-in of all is no news"
    world.clock.now = (world.clock.now + timedelta(days=365)).replace(month=3, day=1, hour=20, minute=0)
    sign_in(world, world.olive, "Safari on iPhone", place="DE")
    world.run_worker()

    message = world.mailbox.latest()
    assert message.recipients == (world.olive.email,)
    assert message.subject == "You signed in to Anuma in Safari on iPhone"
    for kind in ("plain", "html"):
        said = message.content(kind)
        assert f"Mar 2, {world.clock.now.year}, 01:30 (Asia/Kolkata)" in said
        for words in ("Safari on iPhone", "203.0.113.9 (DE)", "Sandbox", "/sessions", "support@anuma.example"):
            assert words in said
    assert len(world.mailbox.messages) == 1


def test_through_the_provider_with_another_browser_and_a_proxy_that_names_the_country(world, visit):
    world.restart(place_header="CF-IPCountry", proxy_hops=1)
    for sent in ({"CF-IPCountry": "PT"}, {"CF-IPCountry": "de", "User-Agent": IPHONE}):
        came = visit()
        opened = came.page._open
        came.page._open = lambda *request, sent=sent, opened=opened: opened(*request[:-1], request[-1] | sent)
        page = came.leave().choose("olive").page
        world.run_worker()

    message = world.mailbox.latest()
    assert len(world.mailbox.messages) == 1, "the first device was the first"
    assert message.subject == "You signed in to Anuma in Safari on iPhone"
    assert "127.0.0.1 (DE)" in message.content("plain")
    rows = {row["Device"]: row["Address"] for row in page.visit("/sessions").table("Signed in now")}
    assert rows == {"Firefox on Linux": "127.0.0.1 PT", "Safari on iPhone this session": "127.0.0.1 DE"}


def test_a_device_that_was_seen_in_the_last_ninety_days_is_not_new(world):
    sign_in(world, world.olive)
    sign_in(world, world.olive, "Safari on iPhone")
    world.clock.advance(days=89, hours=23)
    sign_in(world, world.olive, "Safari on iPhone")
    assert letters(world) == ["new_device"]

    world.clock.advance(days=90)
    sign_in(world, world.olive, "Safari on iPhone")
    assert letters(world) == ["new_device", "new_device"]


def test_a_session_that_has_ended_still_makes_its_device_known(world):
    session, _ = sign_in(world, world.olive)
    change(world, BrowserSession, session.id, ended_at=world.clock.now)
    sign_in(world, world.olive)

    assert letters(world) == []


def test_another_provider_in_the_same_device_is_new_and_so_is_somebody_else(world):
    sign_in(world, world.olive)
    sign_in(world, world.ada)
    assert letters(world) == []
    sign_in(world, world.olive, slug="second")

    (row,) = world.rows(Mail)
    assert row.user_id == world.olive.id


def test_who_comes_back_after_their_sessions_were_forgotten_is_mailed(world):
    world.clock.advance(days=91)
    sign_in(world, world.olive)

    assert letters(world) == ["new_device"]


@pytest.mark.parametrize("without", ["server", "address", "verification"])
def test_without_mail_the_sign_in_goes_on(world, without):
    if without == "server":
        world.restart(smtp_url="")
    sign_in(world, world.olive)
    email = {"address": "Olive <olive@northwind.example>"}.get(without)
    started = sign_in(world, world.olive, "A browser", email=email, verified=without != "verification")

    assert started is not None
    assert letters(world) == []


def test_it_is_written_with_the_session_or_not_at_all_and_never_sent_twice(world):
    sign_in(world, world.olive)
    world.mailbox.hang_up = True
    sign_in(world, world.olive, "Safari on iPhone")
    world.run_worker(seconds=70)

    assert [row.state for row in world.rows(Mail)] == ["unknown"], "the server hung up before it answered"
    assert len(world.mailbox.messages) == 1


def test_the_activity_names_the_provider_as_people_know_it(world):
    sign_in(world, world.olive)
    page = world.browser(world.olive).visit("/activity")

    assert "signed in through Sandbox" in page.text
    assert world.rows(SignInIdentity, user_id=world.olive.id)[0].provider == "sandbox"
