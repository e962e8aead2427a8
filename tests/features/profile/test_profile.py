"""The person: what they say, what their providers sent, what they were shown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.notices import NOTICES
from anuma_dash.identity import NoticeReceipt, SignInIdentity, User
from tests.test_sessions import change

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def events(world):
    return [entry.event for entry in world.rows(AuditEntry, chain=world.northwind)]


def test_dev_changes_name_and_time_zone_and_every_time_follows(world, browse):
    page = browse(world.dev).visit("/").follow("Profile")
    world.clock.now = (world.clock.now + timedelta(days=1)).replace(hour=20, minute=0, second=0)
    page.submit("Save", name="Dev K. Kapoor", time_zone="Asia/Kolkata")

    assert (page.path, page.status) == ("/profile", 200)
    assert "Your profile is saved." in page.text
    assert "Time zone: Asia/Kolkata" in page.text
    assert page.one("input[name=name]")["value"] == "Dev K. Kapoor"
    assert events(world)[-2:] == ["profile.name_changed", "profile.time_zone_changed"]
    page.visit("/activity?what=profile")
    assert "Dev Kapoor changed their name from Dev Kapoor to Dev K. Kapoor" in page.text
    assert "changed their time zone from UTC to Asia/Kolkata" in page.text
    assert "01:30:00" in page.text, "20:00 UTC, there already the next day"


@ONE_ENGINE
class TestChanging:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"name": "  "}, "Enter a name that people in your account will see."),
            ({"name": "\u202e\u200b"}, "Enter a name that people in your account will see."),
            ({"name": "x" * 201}, "Use 200 characters at most."),
        ],
    )
    def test_a_name_that_is_none_is_refused_and_nothing_is_lost(self, world, fields, words):
        page = world.browser(world.dev).visit("/profile")
        page.submit("Save", **({"time_zone": "Asia/Kolkata"} | fields))

        assert page.status == 422
        assert words in page.text
        assert page.one("option[selected]")["value"] == "Asia/Kolkata"
        assert world.rows(User, id=world.dev.id)[0].time_zone == "UTC"
        assert page.one("input[name=name]")["aria-describedby"].endswith("name-error")

    def test_a_time_zone_that_is_none_is_refused(self, world):
        page = world.browser(world.dev).visit("/profile")
        for zone in ("Mars/Olympus", "", "../../etc/passwd", "posixrules"):
            form = {"csrf_token": page.csrf_token(), "name": "Dev", "time_zone": zone}
            answer = page.request("POST", "/profile", data=form)
            assert (answer.status_code, "Choose a time zone from the list." in answer.text) == (422, True)

    def test_every_zone_of_the_database_is_offered(self, world):
        page = world.browser(world.dev).visit("/profile")
        offered = [one["value"] for one in page.select("select option")]

        assert offered[0] == "UTC"
        assert {"Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"} <= set(offered)
        assert len(offered) == len(set(offered)) > 400

    def test_saving_what_is_there_already_records_nothing(self, world):
        before = events(world)
        page = world.browser(world.dev).visit("/profile").submit("Save")

        assert "Nothing was changed." in page.text
        assert events(world) == before

    def test_it_is_ones_own_in_every_account_and_without_one(self, world):
        page = world.browser(world.sam).visit("/profile").submit("Save", name="Sam of Support")

        assert "Your profile is saved." in page.text
        assert world.rows(User, id=world.olive.id)[0].name == world.olive.name


@ONE_ENGINE
class TestWhatIsKnown:
    def test_what_each_provider_sent_and_when_is_all_there(self, world):
        (identity,) = world.rows(SignInIdentity, user_id=world.dev.id)
        sent = {"email": world.dev.email, "email_verified": True, "name": "Dev", "auth_time": 1_700_000_000}
        change(world, SignInIdentity, identity.id, claims=sent | {"shoe_size": "44"})
        change(world, User, world.dev.id, email_verified=True)
        page = world.browser(world.dev).visit("/profile")

        facts = dict(
            zip(
                [one.text for one in page.select("#sent-1 dt")],
                [one.text for one in page.select("#sent-1 dd")],
                strict=True,
            )
        )
        assert facts["Your identifier there"] == world.dev.subject
        assert facts["E-mail address"] == world.dev.email
        assert facts["It has verified the address"] == "yes"
        assert facts["When it last asked you to sign in"] == "Nov 14, 2023, 22:13:20"
        assert facts["shoe_size"] == "44"
        assert "at your last sign-in with it" in page.one("#sent-1").text
        assert "verified by Sandbox" in page.one("#given").text
        assert "change it there" in page.one("#given").text
        page.follow("Connect or disconnect")
        assert page.heading == "Sign-in methods"

    def test_an_address_that_nobody_verified_or_none_is_said_to_be(self, world):
        change(world, User, world.dev.id, email_verified=False)
        page = world.browser(world.dev).visit("/profile")
        assert "not verified" in page.one("#given").text
        change(world, User, world.dev.id, email=None)

        assert "sent no address, so no mail can reach you" in page.reload().one("#given").text

    def test_a_provider_that_was_connected_and_never_used_says_so(self, world):
        (identity,) = world.rows(SignInIdentity, user_id=world.dev.id)
        change(world, SignInIdentity, identity.id, last_sign_in_at=None)
        page = world.browser(world.dev).visit("/profile")

        assert "when you connected it; you have not signed in with it yet" in page.text
        assert page.visit("/sign-in-methods").table("Sign-in providers")[0]["Last sign-in"] == "not yet"

    def test_us_english_is_the_only_language_and_there_is_nothing_to_choose(self, world):
        page = world.browser(world.dev).visit("/profile")

        assert "US English" in page.text
        assert [one["name"] for one in page.select("select")] == ["time_zone"]
        assert world.rows(User, id=world.dev.id)[0].language == "en-US"

    def test_the_notices_with_version_and_time_and_one_whose_text_is_gone(self, world):
        with world.db.transaction() as tx:
            for notice, version, sha in ((NOTICES[0].name, 1, NOTICES[0].sha256), ("old-one", 3, "0" * 64)):
                tx.add(
                    NoticeReceipt(
                        user_id=world.dev.id, notice=notice, version=version, sha256=sha, shown_at=world.clock.now
                    )
                )
        page = world.browser(world.dev).visit("/profile")

        rows = page.table("Notices that you were shown")
        assert [
            (row["Notice"].startswith(start), row["Version"])
            for row, start in zip(rows, (NOTICES[0].heading, "old-one"), strict=True)
        ] == [(True, "1"), (True, "3")]
        assert NOTICES[0].text in page.text
        assert "No notice yet" in world.browser(world.vera).visit("/profile").text
