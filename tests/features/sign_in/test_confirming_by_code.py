"""Confirming who is there by a code at the verified address, where the provider cannot ask again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.features.sign_in import confirmation
from anuma_dash.features.sign_in.models import ConfirmationCode
from anuma_dash.identity import User
from anuma_dash.mail import Mail
from anuma_dash.settings import Provider
from anuma_dash.web.sessions import BrowserSession
from tests.processes import free_port

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DANGEROUS = "/keys/new"
MASKED = "o…@northwind.example"
ENTER = "Confirm with this code"


@pytest.fixture
def more_settings():
    provider = Provider(
        slug="quiet",
        label="Quiet",
        issuer="https://quiet.example",
        client_id="a",
        client_secret="b",
        sends_auth_time=False,
    )
    return {"sign_in_providers": (provider,)}


def asked(world, page):
    """The person's last sign-in was eleven minutes ago, and they are about to do something dangerous."""
    world.clock.advance(minutes=11)
    page.visit(DANGEROUS)
    assert page.heading == "Confirm that it is you"
    return page


@pytest.fixture
def olive(world):
    return asked(world, world.browser(world.olive))


@pytest.fixture
def olive_with_code(world, olive):
    olive.submit("Send a code")
    world.run_worker()
    return olive.reload()


def wrong(code):
    return f"{(int(code.replace(' ', '')) + 1) % 10**8:08}"


def test_olive_confirms_with_the_code_and_comes_back(world, browse):
    page = asked(world, browse(world.olive))
    before = page.cookie(world.session_cookie)
    assert f"we can mail a code to {MASKED}." in page.text
    assert "olive@" not in page.one("main").text
    assert not page.offers("Confirm with Quiet")

    page.submit("Send a code")
    assert f"The code for {MASKED} is not sent yet" in page.text
    assert page.path == f"/sign-in/reauthentication?next={DANGEROUS}"
    world.run_worker()
    page.poll("#code-state")
    assert f"Sent to {MASKED} at" in page.text
    assert world.mailbox.latest().recipients == (world.olive.email,)
    assert "in Firefox on Linux" in world.mailbox.latest().content("plain")
    page.submit(ENTER, code=f" {world.mailbox.code().replace(' ', '-')} ")

    assert (page.path, page.heading) == (DANGEROUS, "New key")
    assert page.cookie(world.session_cookie) != before
    (session,) = world.rows(BrowserSession)
    assert session.authenticated_at == world.clock.now
    assert world.rows(AuditEntry, chain=world.northwind)[-1].event == "session.reauthenticated"
    activity = page.visit("/activity").text
    assert "confirmed who they are by a code sent to their address" in activity
    assert "asked for a code at their address, to confirm who they are" in activity
    thief = world.browser()
    thief.set_cookie(world.session_cookie, before)
    assert thief.visit("/").heading == "Sign in"


@ONE_ENGINE
class TestWhatTheCodeIsGoodFor:
    def test_once(self, world, olive_with_code):
        code = world.mailbox.code()
        olive_with_code.submit(ENTER, code=code)
        assert olive_with_code.heading == "New key"
        form = {"csrf_token": olive_with_code.csrf_token(), "code": code}
        answer = olive_with_code.request("POST", "/sign-in/reauthentication/code", data=form)

        assert answer.status_code == 422
        assert "There is no code that still works." in answer.text

    def test_ten_minutes(self, world, olive_with_code):
        world.clock.advance(minutes=10)
        olive_with_code.submit(ENTER, code=world.mailbox.code())

        assert olive_with_code.status == 422
        assert "There is no code that still works. Send a new one." in olive_with_code.text
        assert f"The code for {MASKED} has expired." in olive_with_code.reload().text

    def test_not_at_all_when_the_clock_was_set_back(self, world, olive_with_code):
        world.clock.advance(minutes=-1)
        olive_with_code.submit(ENTER, code=world.mailbox.code())

        assert olive_with_code.status == 422
        assert "There is no code that still works. Send a new one." in olive_with_code.text

    def test_five_tries(self, world, olive_with_code):
        code = world.mailbox.code()
        for left in (4, 3, 2, 1):
            olive_with_code.submit(ENTER, code=wrong(code))
            assert olive_with_code.status == 422
            assert "That is not the code." in olive_with_code.text
            assert f"{left} {'try' if left == 1 else 'tries'} left" in olive_with_code.text
        form = {"csrf_token": olive_with_code.csrf_token(), "code": code}
        olive_with_code.submit(ENTER, code=wrong(code))
        assert "This code no longer works: send a new one." in olive_with_code.text
        assert olive_with_code.request("POST", "/sign-in/reauthentication/code", data=form).status_code == 422

        assert world.rows(AuditEntry, chain=world.northwind)[-1].event == "session.code_exhausted"
        olive_with_code.visit(DANGEROUS).submit("Send a new code")
        world.run_worker()
        olive_with_code.reload().submit(ENTER, code=world.mailbox.code())
        assert olive_with_code.heading == "New key"

    def test_only_the_newest(self, world, olive_with_code):
        old = world.mailbox.code()
        olive_with_code.submit("Send a new code")
        world.run_worker()
        olive_with_code.reload().submit(ENTER, code=old)
        assert "That is not the code." in olive_with_code.text

        olive_with_code.submit(ENTER, code=world.mailbox.code())
        assert olive_with_code.heading == "New key"

    def test_a_code_that_was_replaced_before_it_was_sent_is_never_sent(self, world, olive):
        olive.submit("Send a code").submit("Send a new code")
        world.run_worker(seconds=5)

        assert len(world.mailbox.messages) == 1
        assert [row.state for row in world.rows(Mail)] == ["expired", "sent"]
        olive.reload().submit(ENTER, code=world.mailbox.code())
        assert olive.heading == "New key"

    def test_this_session_only(self, world, olive_with_code):
        other = world.browser(world.olive)
        asked(world, other).submit("Send a code")
        code = world.mailbox.code()
        world.run_worker()
        other.reload().submit(ENTER, code=code)

        assert "That is not the code." in other.text
        assert other.visit(DANGEROUS).heading == "Confirm that it is you"

    def test_this_person_only(self, world, olive_with_code):
        ada = asked(world, world.browser(world.ada)).submit("Send a code")
        code = world.mailbox.code()
        world.run_worker()
        ada.reload().submit(ENTER, code=code)

        assert "That is not the code." in ada.text

    def test_not_for_signing_in(self, world, olive_with_code):
        stranger = world.browser().visit("/sign-in")
        form = {"csrf_token": stranger.csrf_token(), "code": world.mailbox.code()}
        answer = stranger.request("POST", "/sign-in/reauthentication/code", data=form)

        assert answer.headers["Location"].startswith("/sign-in?next=")
        assert stranger.cookie(world.session_cookie) is None

    @pytest.mark.parametrize("typed", ["", "1234", "123456789", "١٢٣٤٥٦٧٨", "1234567a", "x" * 5000])
    def test_what_is_no_code_is_said_to_be_none_and_costs_no_try(self, world, olive_with_code, typed):
        olive_with_code.submit(ENTER, code=typed)

        assert (olive_with_code.status, "Enter the 8 digits of the code." in olive_with_code.text) == (422, True)
        assert "5 tries left" in olive_with_code.text

    def test_a_change_of_the_session_secret_keeps_it(self, world, olive):
        cookie = olive.submit("Send a code").cookie(world.session_cookie)
        world.run_worker()
        world.restart(session_secrets=("another-session-secret-0f43a9e25b8816f2", *world.settings.session_secrets))
        page = world.browser()
        page.set_cookie(world.session_cookie, cookie)
        page.visit("/sign-in/reauthentication").submit(ENTER, code=world.mailbox.code())

        assert page.visit(DANGEROUS).heading == "New key"

    def test_what_was_typed_before_is_there_again(self, world):
        page = world.browser(world.olive).visit(DANGEROUS)
        world.clock.advance(minutes=11)
        page.submit("Make the key", name="Laptop of Olive").submit("Send a code")
        world.run_worker()
        page.reload().submit(ENTER, code=world.mailbox.code())

        assert page.heading == "New key"
        assert page.one("input[name=name]")["value"] == "Laptop of Olive"

    def test_it_is_nowhere_in_the_database_and_the_hash_needs_the_secret(self, world, olive_with_code):
        code = world.mailbox.code().replace(" ", "")
        (row,) = world.rows(ConfirmationCode)
        said = repr([vars(one) for model in (Mail, ConfirmationCode) for one in world.rows(model)])

        assert code not in said
        assert code[:4] + " " + code[4:] not in said
        keyless = world.settings.model_copy(update={"session_secrets": ("x" * 40,)})
        assert row.code_hash not in confirmation._hashes(keyless, row.session_id, code)


def test_tries_at_the_same_moment_are_all_counted(world, olive_with_code):
    code = world.mailbox.code()
    form = {"csrf_token": olive_with_code.csrf_token(), "code": wrong(code)}
    cookie = olive_with_code.cookie(world.session_cookie)

    def guess(_):
        one = world.browser()
        one.set_cookie(world.session_cookie, cookie)
        return one.request("POST", "/sign-in/reauthentication/code", data=form).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(guess, range(8))) == {422}
    (row,) = world.rows(ConfirmationCode)
    assert row.failed_tries == confirmation.MOST_TRIES
    olive_with_code.reload()
    assert "A wrong code was entered too often" in olive_with_code.text


@ONE_ENGINE
class TestWhatThePageSays:
    def test_while_the_mail_server_is_down(self, world, olive):
        url = world.settings.smtp_url
        olive.submit("Send a code")
        world.restart(smtp_url=f"smtp://localhost:{free_port()}")
        world.run_worker()
        olive.follow("Check again")
        assert f"We have not been able to send the code to {MASKED} yet." in olive.text
        assert "Sent to" not in olive.text

        world.restart(smtp_url=url)
        world.run_worker(seconds=2)
        assert "Sent to" in olive.follow("Check again").text

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ("550 no", f"The mail server refused the message to {MASKED} for good. No code was sent."),
            ("hang up", f"The mail server did not say whether it took the code for {MASKED}."),
            ("451 later", "The code was not sent in time, and will not be."),
        ],
    )
    def test_when_it_was_not_sent(self, world, olive, fault, words):
        world.mailbox.hang_up = fault == "hang up"
        world.mailbox.answers |= {} if fault == "hang up" else {"RCPT": fault}
        olive.submit("Send a code")
        world.run_worker()
        if fault.startswith("451"):
            with world.db.transaction() as tx:
                (row,) = tx.query(Mail).all()
                row.expires_at = world.clock.now
            world.run_worker(seconds=3)
        olive.reload()

        assert words in olive.text
        assert "Sent to" not in olive.text
        assert olive.offers("Send a new code")

    def test_to_somebody_whose_address_nobody_verified(self, world, olive):
        with world.db.transaction() as tx:
            tx.get_one(User, world.olive.id).email_verified = False
        token = olive.csrf_token()
        olive.visit(DANGEROUS)

        assert "There is no way to confirm it right now" in olive.text
        assert "Verify your address at Quiet, then sign out here and sign in again." in olive.text
        assert not olive.offers("Send a code")
        answer = olive.request("POST", "/sign-in/reauthentication/codes", data={"csrf_token": token})
        assert (answer.status_code, world.rows(Mail)) == (409, [])

    def test_in_a_session_whose_provider_is_in_use_no_more(self, world, olive):
        world.restart(sign_in_providers=world.settings.sign_in_providers[:0])
        page = world.browser()
        page.set_cookie(world.session_cookie, olive.cookie(world.session_cookie))

        assert "The provider with which this session began is not in use any more." in page.visit(DANGEROUS).text


@ONE_ENGINE
class TestLimits:
    def test_five_codes_in_ten_minutes(self, world, olive):
        for number in range(5):
            olive.submit("Send a new code" if number else "Send a code")
            assert olive.status == 200
        olive.submit("Send a new code")

        assert (olive.status, len(world.rows(Mail))) == (429, 5)
        assert "Wait 10 minutes, then try again." in olive.text
        assert olive.headers["Retry-After"] == "600"

    def test_thirty_tries_in_ten_minutes_whatever_the_session(self, world, olive_with_code):
        form = {"csrf_token": olive_with_code.csrf_token(), "code": "1"}
        path = "/sign-in/reauthentication/code"
        statuses = [olive_with_code.request("POST", path, data=form).status_code for _ in range(31)]

        assert statuses == [422] * 30 + [429]

    def test_without_redis_there_is_no_code_and_none_is_judged(self, world, olive_with_code):
        world.restart(redis_url=f"redis://127.0.0.1:{free_port()}/0")
        page = world.browser()
        page.set_cookie(world.session_cookie, olive_with_code.cookie(world.session_cookie))
        page.visit("/sign-in/reauthentication")
        form = {"csrf_token": page.csrf_token(), "code": world.mailbox.code()}

        for path in ("/sign-in/reauthentication/code", "/sign-in/reauthentication/codes"):
            answer = page.request("POST", path, data=form)
            assert (answer.status_code, "This cannot be done right now" in answer.text) == (503, True)
        assert len(world.rows(Mail)) == 1
        assert page.visit(DANGEROUS).heading == "Confirm that it is you"
