"""The staff section as a place: who finds it, how it looks, how staff arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.domain.staff import give_staff_role
from anuma_dash.errors import SettingsError
from anuma_dash.features.people.leavings import export_own
from anuma_dash.features.sign_in import service
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import OPERATOR, Actor, Membership, StaffMember, StaffRole, User
from anuma_dash.settings import Settings
from anuma_dash.web.sessions import Device


@pytest.fixture(scope="module")
def engine():
    """Nothing here depends on the database."""
    return "sqlite"


def test_staff_without_an_account_land_in_their_section(world, browse):
    page = browse(world.sam).visit("/")

    assert page.path == "/staff"
    assert page.heading == "Staff"
    assert "You belong to no account" not in page.text
    assert page.select("body.staff")
    assert "Anuma staff: support" in page.text
    assert "You are signed out after 30 minutes without a click, at the latest" in page.text
    ends = page.one("footer time")["datetime"]
    assert ends == (world.clock.now + timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert not page.offers("Your own account")


def test_after_half_an_hour_without_a_click_and_after_twenty_hours_there_is_nothing_any_more(world):
    idle, busy = world.browser(world.sam).visit("/staff"), world.browser(world.sam).visit("/staff")
    for _ in range(2):
        world.clock.advance(minutes=20)
        assert busy.visit("/staff").status == 200
    assert idle.visit("/staff").status == 404
    assert idle.visit("/sign-in").status == 200
    for _ in range(60):
        world.clock.advance(minutes=20)
        busy.request("GET", "/staff")
    assert busy.visit("/staff").status == 404


def test_a_member_who_is_staff_finds_the_section_in_their_menu(world):
    with world.db.transaction() as tx:
        tx.add(Membership(account_id=world.elsewhere, user_id=world.sam.id, role="viewer", created_at=world.clock.now))
    page = world.browser(world.sam).visit("/keys")

    page.follow("Staff", within="#user")
    assert page.path == "/staff"
    page.follow("Your own account")
    assert page.path == "/"


def test_a_customer_is_shown_no_way_there(world):
    page = world.browser(world.olive).visit("/")

    assert not page.offers("Staff")
    assert "/staff" not in page.document.root.tag + page.response.text


def test_under_staff_there_is_nothing_by_any_method(world):
    for person in (world.olive, None):
        browser = world.browser(person)
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            answers = [browser.request(method, path) for path in ("/staff", "/staff/people/new", "/no-such-page")]
            assert {answer.status_code for answer in answers} == {404}, method
            assert len({frozenset(answer.headers.keys()) for answer in answers}) == 1


def begin(world, subject):
    """Somebody signs in through the sandbox for the first time."""
    identity = Identity(
        issuer="http://localhost:8002",
        subject=subject,
        email=f"{subject}@anuma.example",
        email_verified=True,
        name="Kim Support",
        authenticated_at=world.clock.now,
        sid=None,
        claims={},
    )
    person = service.NewPerson("Kim Support", "UTC", thirteen_or_older=True)
    with world.db.transaction() as tx:
        service.create_person(
            tx,
            world.settings,
            Actor(kind="anonymous"),
            "sandbox",
            identity,
            person,
            Device("Firefox", ""),
            world.clock.now,
        )
    (user,) = world.rows(User, email=f"{subject}@anuma.example")
    return user


def test_in_development_the_sandboxs_staff_are_staff_from_their_first_sign_in(world):
    world.restart(development_staff=("sandbox:kim=support", "other:lee=administrator"))
    kim, lee = begin(world, "kim"), begin(world, "lee")

    assert [row.role for row in world.rows(StaffMember, user_id=kim.id)] == ["support"]
    assert world.rows(Membership, user_id=kim.id) == []
    assert world.rows(StaffMember, user_id=lee.id) == []
    assert [row.role for row in world.rows(Membership, user_id=lee.id)] == ["owner"]


def test_a_redirect_does_not_tell_what_there_is_either(world):
    olive = world.browser(world.olive)
    paths = ("/staff//accounts", "//staff/accounts", "/staff//nothing", "/staff/accounts/", "/staff//people/new")
    assert {path: olive.request("GET", path).status_code for path in paths} == dict.fromkeys(paths, 404)


def test_details_past_their_period_are_not_read_before_the_purge_either(world):
    with world.db.transaction() as tx:
        vera = tx.get_one(User, world.vera.id)
        give_staff_role(tx, world.settings, OPERATOR, vera, StaffRole.SUPPORT, world.clock.now)
    export_own(world.services.context, world.olive.actor, world.northwind)
    first = export_own(world.services.context, world.olive.actor, world.northwind)["activity"]
    assert first[-1]["fields"]
    world.clock.advance(days=731)
    page = world.browser(world.ines).visit("/staff/activity").text
    assert "Details erased (staff.role_given)" in page
    assert world.vera.name not in page
    later = export_own(world.services.context, world.olive.actor, world.northwind)["activity"]
    assert later[-1]["fields"] is None


def test_production_refuses_staff_by_settings():
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"ANUMA_ENV": "production", "ANUMA_DEVELOPMENT_STAFF": "sandbox:kim=support"})
    assert any("ANUMA_DEVELOPMENT_STAFF is set" in point for point in refused.value.points)
    with pytest.raises(SettingsError, match="must be provider:subject=role"):
        Settings.from_environment({"ANUMA_ENV": "production", "ANUMA_DEVELOPMENT_STAFF": "sandbox:kim=king"})
