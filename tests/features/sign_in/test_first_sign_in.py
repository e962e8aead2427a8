"""The first sign-in: who is it, are they 13, what were they shown - and nothing stored before they say so."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from sqlalchemy import func, select

from anuma_dash.audit import AuditEntry
from anuma_dash.db import Base
from anuma_dash.domain.notices import NOTICES
from anuma_dash.identity import Account, NoticeReceipt, SignInIdentity, SignUpRequest, User
from anuma_dash.web.sessions import BrowserSession

WELCOME_COOKIE = "anuma_welcome"
NORA = ("Nora Field", "nora@field.example")
ACCEPT = "Create my account"


def counts(world):
    """How many rows every table has; trips to a provider are under way before anybody is known."""
    with world.db.reading() as tx:
        return {
            table.name: tx.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
            if table.name != "sign_in_attempts"
        }


def nora(world):
    return next(user for user in world.rows(User) if user.email == NORA[1])


def test_somebody_new_is_welcomed_and_shown_what_is_kept(world, visitor):
    page = visitor.leave().come_as(*NORA).page

    assert page.heading == "Welcome"
    assert "You are signing in as nora@field.example. Nothing has been stored about you yet." in page.text
    for notice in NOTICES:
        assert notice.heading in page.text
        assert notice.text in page.text

    page.submit(ACCEPT, thirteen_or_older=True, time_zone="America/New_York")

    assert page.heading.endswith(", Nora")
    assert page.one(".account b").text == "Nora Field"
    assert "Time zone: America/New York." in page.text


def test_what_they_were_shown_is_recorded_with_version_and_hash(world, visitor):
    visitor.leave().come_as(*NORA).page.submit(ACCEPT, thirteen_or_older=True)

    receipts = {row.notice: (row.version, row.sha256, row.shown_at) for row in world.rows(NoticeReceipt)}
    assert receipts == {notice.name: (notice.version, notice.sha256, world.clock.now) for notice in NOTICES}
    user = nora(world)
    assert (user.attested_age_at, user.email_verified, user.time_zone) == (world.clock.now, True, "UTC")
    (account,) = world.rows(Account, kind="personal")
    assert account.gateway_synced_at == world.clock.now
    events = [entry.event for entry in world.rows(AuditEntry, chain=account.id)]
    assert events == ["account.created", "user.created", "session.started"]


def test_before_they_answer_nothing_is_stored(world, visitor):
    before = counts(world)

    visitor.leave().come_as(*NORA)

    assert visitor.page.heading == "Welcome"
    assert counts(world) == before


def test_somebody_under_13_leaves_nothing_behind(world, visitor):
    before = counts(world)
    page = visitor.leave().come_as(*NORA).page

    page.submit("I am under 13")

    assert "Anuma is not for children under 13, so no account was created." in page.text
    assert "Nothing about you was stored." in page.text
    assert counts(world) == before
    assert page.cookie(WELCOME_COOKIE) is None
    assert page.visit("/welcome").status == 403


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Say that you are 13 or older to go on."),
        ({"thirteen_or_older": True, "name": "  "}, "Enter a name that people in your account will see."),
        ({"thirteen_or_older": True, "name": "x" * 201}, "Use 200 characters at most."),
    ],
)
def test_what_is_missing_is_said_beside_its_field_and_nothing_is_stored(world, visitor, fields, words):
    page, before = visitor.leave().come_as(*NORA).page, counts(world)

    page.submit(ACCEPT, **fields)

    assert page.status == 422
    assert "1 thing needs your attention" in page.text
    assert words in page.one(".field .error").text
    assert counts(world) == before

    page.submit(ACCEPT, name="Nora", thirteen_or_older=True)
    assert page.heading.endswith(", Nora")


def test_a_time_zone_that_does_not_exist_is_refused(world, visit):
    page = visit().leave().come_as(*NORA).page
    form = {"csrf_token": page.csrf_token(), "name": "Nora", "thirteen_or_older": "y", "time_zone": "Mars/Crater"}

    assert page.request("POST", "/welcome", data=form).status_code == 422


def test_sending_the_form_twice_makes_one_person(world, visit):
    page = visit().leave().come_as(*NORA).page
    form = {"csrf_token": page.csrf_token(), "name": "Nora", "thirteen_or_older": "y", "time_zone": "UTC"}
    cookie = page.cookie(WELCOME_COOKIE)

    first = page.request("POST", "/welcome", data=form)
    page.set_cookie(WELCOME_COOKIE, cookie)
    page.drop_cookie(world.session_cookie)
    second = page.request("POST", "/welcome", data=form)

    assert (first.status_code, second.status_code) == (303, 303)
    assert len(world.rows(User, email=NORA[1])) == 1
    assert len(world.rows(BrowserSession)) == 2


@pytest.mark.parametrize("wanted", ["/activity?event=key.created", "/requests?model=漢字"])
def test_they_come_out_on_the_page_that_they_wanted(visitor, wanted):
    page = visitor.leave(wanted).come_as(*NORA).page
    page.submit(ACCEPT, thirteen_or_older=True)

    assert unquote(page.path) == wanted


def test_the_welcome_page_waits_for_a_quarter_of_an_hour_in_their_own_browser(world, visit):
    page = visit().leave().come_as(*NORA).page
    packed = page.cookie(WELCOME_COOKIE)

    other = world.browser()
    for cookie in ("", packed[:-2] + "xx", packed.replace(".", "", 1)):
        other.set_cookie(WELCOME_COOKIE, cookie)
        assert other.visit("/welcome").status == 403
        assert "This first sign-in has expired. Begin again." in other.text


def test_the_same_address_with_another_identity_is_another_person(world, visitor):
    page = visitor.leave().come_as("Olive Lindqvist", world.olive.email).page
    page.submit(ACCEPT, thirteen_or_older=True)

    assert page.one(".account b").text == "Olive Lindqvist"
    assert "Northwind Labs" not in page.text
    assert len(world.rows(User, email=world.olive.email)) == 2


def test_a_name_that_is_markup_stays_a_name(world, visitor):
    name = '<img src=x hx-get="/sign-out">'
    page = visitor.leave().come_as(name, "eve@field.example").page
    page.submit(ACCEPT, thirteen_or_older=True)

    assert page.one(".account b").text == name
    assert not page.select("img[src=x]")


def test_with_the_gateway_down_they_get_in_and_the_worker_tells_it_later(world, visitor):
    world.break_gateway()
    page = visitor.leave().come_as(*NORA).page
    page.submit(ACCEPT, thirteen_or_older=True)
    assert page.heading.endswith(", Nora")
    (account,) = world.rows(Account, kind="personal")
    assert account.gateway_synced_at is None

    world.mend_gateway()
    world.run_worker(seconds=2)

    (account,) = world.rows(Account, kind="personal")
    assert account.gateway_synced_at is not None


class TestSignUpModes:
    """Who may create a user is the deployment's choice."""

    @pytest.fixture
    def more_settings(self, more_settings, mode):
        return more_settings | {"sign_up": mode}

    @pytest.fixture
    def operate(self, world, monkeypatch):
        """Run an operator's command on the world's database."""
        from click.testing import CliRunner

        from anuma_dash.cli import main

        monkeypatch.setenv("ANUMA_INSTANCE", str(world.settings.instance))
        monkeypatch.setenv("ANUMA_DATABASE_URL", world.settings.database_url)
        return lambda *command: CliRunner().invoke(main, list(command))

    @pytest.mark.parametrize("mode", ["invited"])
    def test_by_invitation_only_the_invited_get_in(self, world, visit, operate, mode):
        assert "New people need an invitation." in visit().page.visit("/sign-in").text
        page = visit().leave().come_as(*NORA).page
        assert page.status == 403
        assert "This site is by invitation, and there is none for your address." in page.text

        assert operate("sign-up", "invite", "Nora@Field.example").output == "They may sign in.\n"

        page = visit().leave().come_as(*NORA).page.submit(ACCEPT, thirteen_or_older=True)
        assert page.heading.endswith(", Nora")
        assert visit().leave().choose("olive").page.heading.endswith(", Olive")

    @pytest.mark.parametrize("mode", ["requested"])
    def test_on_request_people_wait_until_an_operator_lets_them_in(self, world, visit, operate, mode):
        before = counts(world)
        page = visit().leave().come_as(*NORA).page
        assert page.heading == "Welcome"
        assert counts(world) == before
        page.submit("Ask to be let in", thirteen_or_older=True)
        for _ in range(2):
            assert page.heading == "Your request is noted"
            assert "it keeps your e-mail address" in page.text
            page = visit().leave().come_as(*NORA).page
        changed = {name for name, count in counts(world).items() if count != before[name]}
        assert changed == {"sign_up_requests", "audit_entries", "audit_details"}
        assert "waiting   nora@field.example" in operate("sign-up", "list").output

        operate("sign-up", "invite", NORA[1])

        assert visit().leave().come_as(*NORA).page.heading == "Welcome"

    @pytest.mark.parametrize("mode", ["invited", "requested"])
    def test_an_invitation_of_somebody_under_13_is_deleted(self, world, visit, operate, mode):
        operate("sign-up", "invite", NORA[1])

        page = visit().leave().come_as(*NORA).page
        assert "Your address was stored when you were let in" in page.text
        page.submit("I am under 13")

        assert page.heading == "You cannot use Anuma yet"
        assert world.rows(SignUpRequest) == []
        assert NORA[1] not in operate("sign-up", "list").output

    @pytest.mark.parametrize("mode", ["invited", "requested"])
    def test_an_address_that_the_provider_has_not_verified_lets_nobody_in(self, world, visit, operate, mode):
        operate("sign-up", "invite", NORA[1])
        before = counts(world)

        page = visit().leave().come_as(*NORA, verified=False).page

        assert page.status == 403
        assert "your provider has not verified yours" in page.text
        assert counts(world) == before


def test_where_everybody_may_sign_up_an_unverified_address_is_kept_as_such(world, visit):
    visit().leave().come_as(*NORA, verified=False).page.submit(ACCEPT, thirteen_or_older=True)

    assert nora(world).email_verified is False
    assert world.rows(SignInIdentity)[-1].claims["email_verified"] is False
