"""Staff roles: who gives and takes them, and what ends with them."""

from __future__ import annotations

import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from anuma_dash.audit import SYSTEM_CHAIN, AuditEntry, verify
from anuma_dash.cli import main
from anuma_dash.domain.staff import give_staff_role, require_tenure, take_staff_role
from anuma_dash.errors import DashboardError, NotAllowed
from anuma_dash.identity import OPERATOR, Actor, StaffMember, StaffRole, User


def roles_of(world, person):
    return {row.role for row in world.rows(StaffMember, user_id=person.id)}


def as_staff(person, *roles):
    return Actor(kind="staff", user_id=person.id, name=person.name, staff_roles=frozenset(roles))


def give(world, actor, person, role):
    with world.db.transaction() as tx:
        give_staff_role(tx, world.settings, actor, tx.get_one(User, person.id), role, world.clock.now)


def take(world, actor, person, role):
    with world.db.transaction() as tx:
        take_staff_role(tx, actor, person.id, role, world.clock.now)


def test_ines_gives_pria_support_and_takes_it_again(world, browse):
    page = browse(world.ines).visit("/staff").follow("People of the service")
    assert [(row["Person"], row["Role"]) for row in page.table("People of the service")] == [
        ("Ines Duarte ines@anuma.example", "Administrator"),
        ("Pria Castellanos pria@anuma.example", "Privacy"),
        ("Sam Ruiz sam@anuma.example", "Support"),
        ("Theo Baum theo@anuma.example", "Administrator"),
    ]
    page.follow("Give a role").submit("Give the role", email="", role="support")
    assert page.status == 422
    assert "Enter the person’s e-mail address." in page.text
    page.submit("Give the role", email="pria@anuma.example", role="support")
    assert "Pria Castellanos has the role support from their next click on." in page.text
    assert world.browser(world.pria).visit("/staff/accounts").status == 200

    page.follow("Take away: support of Pria Castellanos")
    assert page.heading == "Take the role support from Pria Castellanos"
    page.submit("Take the role away")
    assert "Pria Castellanos does not have the role support any more." in page.text
    assert roles_of(world, world.pria) == {"privacy"}
    page.visit("/staff/activity")
    assert "Ines Duarte took the staff role support from Pria Castellanos" in page.text
    assert "Ines Duarte gave Pria Castellanos the staff role support" in page.text
    with world.db.reading() as tx:
        assert verify(tx, SYSTEM_CHAIN).broken_at is None


NOT_GIVEN = (
    ("nobody@anuma.example", "support", "Nobody who has signed in has this verified address."),
    ("ines@anuma.example", "support", "Nobody gives themselves a staff role."),
    ("sam@anuma.example", "support", "Sam Ruiz has the role support already."),
    ("vera@northwind.example", "support", "Nobody who has signed in has this verified address."),
    ("strange@elsewhere.example", "support", "This person is suspended, so they cannot be staff."),
    ("sam@anuma.example", "king", "Choose a role."),
)


def test_whom_a_role_is_not_given_to(world):
    with world.db.transaction() as tx:
        tx.execute(update(User).where(User.id == world.vera.id).values(email_verified=False))
        tx.execute(update(User).where(User.id == world.strange.id).values(status="suspended"))
    before = len(world.rows(StaffMember))
    browser = world.browser(world.ines).visit("/staff/people/new")
    for email, role, words in NOT_GIVEN:
        form = {"csrf_token": browser.csrf_token(), "email": email, "role": role}
        answer = browser.request("POST", "/staff/people/new", data=form)
        assert answer.status_code in (403, 422), email
        assert words in answer.text
    assert len(world.rows(StaffMember)) == before


def test_every_other_administrator_is_written_to(world):
    give(world, as_staff(world.ines), world.vera, StaffRole.ADMINISTRATOR)
    world.run_worker()

    (message,) = world.mailbox.messages
    assert message.recipients == ("theo@anuma.example",)
    assert str(message.parsed["Subject"]) == f"{world.vera.name} has the staff role administrator now"
    assert "Given by: Ines Duarte." in message.content("plain")


def test_in_development_those_whom_the_settings_name_approve_at_once(world):
    named = world.settings.model_copy(update={"development_staff": (f"sandbox:{world.vera.subject}=administrator",)})
    give(world, OPERATOR, world.vera, StaffRole.ADMINISTRATOR)
    with world.db.reading() as tx:
        require_tenure(tx, named, world.vera.actor, world.clock.now)
        with pytest.raises(NotAllowed, match="administrator for 24 hours"):
            require_tenure(tx, world.settings, world.vera.actor, world.clock.now)


def test_giving_and_taking_ask_for_a_fresh_sign_in(world):
    browser = world.browser(world.ines)
    world.clock.advance(minutes=11)
    for path in ("/staff/people/new", f"/staff/people/{world.sam.id}/roles/support/removal"):
        assert browser.visit(path).heading == "Confirm that it is you"


def test_a_role_that_is_taken_away_stops_at_the_next_click(world):
    page = world.browser(world.sam).visit("/staff/accounts")
    take(world, as_staff(world.ines), world.sam, StaffRole.SUPPORT)

    form = {"csrf_token": page.csrf_token(), "by": "name", "term": "Northwind"}
    answer = page.request("POST", "/staff/accounts", data=form)
    assert answer.status_code == 404
    assert "Northwind" not in answer.text
    assert page.visit("/staff").status == 404
    assert page.visit("/").text.count("Staff") == 0


def test_the_last_administrator_stays_unless_an_operator_says_otherwise(world):
    take(world, as_staff(world.ines), world.theo, StaffRole.ADMINISTRATOR)
    page = world.browser(world.ines).visit(f"/staff/people/{world.ines.id}/roles/administrator/removal")
    page.submit("Take the role away")
    assert page.status == 409
    assert "This is the last administrator." in page.text
    take(world, OPERATOR, world.ines, StaffRole.ADMINISTRATOR)
    assert roles_of(world, world.ines) == set()


def test_two_administrators_who_take_each_others_role_at_once_leave_one(world):
    outcomes, gate = [], threading.Barrier(2)

    def remove(actor, person):
        gate.wait()
        try:
            take(world, actor, person, StaffRole.ADMINISTRATOR)
            outcomes.append("taken")
        except Exception as error:  # whatever it is, the test shall name it
            outcomes.append(type(error).__name__)

    threads = [
        threading.Thread(target=remove, args=(as_staff(one), other))
        for one, other in ((world.ines, world.theo), (world.theo, world.ines))
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(outcomes) == ["NotAllowed", "taken"]
    assert len(world.rows(StaffMember, role="administrator")) == 1


def test_nobody_else_gives_roles_whatever_they_claim(world):
    for person in (world.sam, world.olive):
        with pytest.raises(NotAllowed):
            give(world, as_staff(person, StaffRole.ADMINISTRATOR), world.vera, StaffRole.SUPPORT)
    with pytest.raises(DashboardError):
        take(world, as_staff(world.ines), world.vera, StaffRole.SUPPORT)
    assert not [one for one in world.rows(AuditEntry) if one.event.startswith("staff.")]


def test_an_operator_gives_takes_and_lists_on_the_command_line(world, monkeypatch):
    monkeypatch.setattr("anuma_dash.cli.Settings.from_environment", lambda: world.settings)

    def staff(*arguments):
        return CliRunner().invoke(main, ["staff", *arguments])

    assert staff("grant", "pria@anuma.example", "finance").output == "pria@anuma.example has the role finance now.\n"
    assert "finance, privacy         pria@anuma.example" in staff("list").output
    assert "any more" in staff("revoke", "pria@anuma.example", "finance").output
    refused = staff("grant", "who@anuma.example", "support")
    assert (refused.exit_code, refused.output) == (1, "Error: Nobody who has signed in has this verified address.\n")
    assert staff("revoke", "pria@anuma.example", "support").exit_code == 1
    assert staff("grant", "pria@anuma.example", "king").exit_code == 2
    events = [(one.event, one.actor_kind) for one in world.rows(AuditEntry) if one.event.startswith("staff.")]
    assert events == [("staff.role_given", "operator"), ("staff.role_taken", "operator")]
