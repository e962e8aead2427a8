"""Everybody is told when prompt logging is on: when it is, by e-mail, and on top of each page until they dismiss it."""

from __future__ import annotations

import pytest

from anuma_dash.domain.control_notices import ControlNotice
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.domain.owner_recovery import approve_recovery, ask_recovery
from tests.features.people.steps import mails_to

TITLE = "Prompt logging was switched on in Northwind Labs"
LOGGING = CONTROLS["prompt_logging"]
SUBJECT = "Prompt logging was switched on in Northwind Labs"


def switch(world, enabled=True):
    accepted = current_disclosure(LOGGING.name).sha256 if enabled else None
    request_control(
        world.services.context,
        world.olive.actor,
        world.northwind,
        LOGGING,
        enabled=enabled,
        accepted_sha256=accepted,
    )


def test_vera_is_told_when_it_is_true_and_dismisses_it_for_herself(world, browse):
    vera, bill = browse(world.vera), browse(world.bill)
    world.break_gateway()
    switch(world)
    assert TITLE not in vera.visit("/people").text
    assert mails_to(world, world.vera) == []
    world.mend_gateway()
    world.run_worker(seconds=5)

    assert mails_to(world, world.vera) == [SUBJECT]
    assert [mails_to(world, person) for person in (world.olive, world.ada, world.dev, world.bill)] == [[SUBJECT]] * 4
    text = world.mailbox.latest().content("plain")
    assert "Olive Lindqvist did it. The gateway has confirmed it" in text
    for path in ("/", "/people", "/data-controls", "/activity"):
        assert TITLE in vera.visit(path).text
    assert "Olive Lindqvist did it." in vera.text
    vera.visit("/people").submit("Dismiss")
    assert vera.path == "/people"
    assert TITLE not in vera.visit("/").text
    assert TITLE in bill.visit("/").text, "for her alone"
    assert TITLE not in browse(world.strange).visit("/").text

    switch(world, enabled=False)
    assert TITLE not in bill.visit("/").text, "it is not true any more"
    switch(world)
    assert TITLE in vera.visit("/").text
    assert mails_to(world, world.vera) == [SUBJECT, SUBJECT], "per change"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestOneEngine:
    def test_another_persons_notice_does_not_exist(self, world):
        switch(world)
        theirs = {row.user_id: row.id for row in world.rows(ControlNotice)}
        for person in (world.strange, world.vera):
            page = world.browser(person).visit("/people")
            path = f"/people/notices/{theirs[world.bill.id]}/dismissal"
            assert page.request("POST", path, data={"csrf_token": page.csrf_token()}).status_code == 404

    def test_owner_recovery_is_on_top_of_the_page_and_any_admin_stops_it(self, world):
        context, sam = world.services.context, world.sam.actor
        row = ask_recovery(context, sam, world.northwind, new_owner_email="new@x.example", reason="Lost.", ticket="T-1")
        page = world.browser(world.ada).visit("/people")
        assert "new@x.example may become an owner" in page.text
        approve_recovery(context, world.ines.actor, row.id)
        approve_recovery(context, world.theo.actor, row.id)
        assert "new@x.example becomes an owner" in page.visit("/").text
        assert not world.browser(world.vera).visit("/people").offers("Stop this")
        assert "new@x.example becomes an owner" in world.browser(world.vera).visit("/people").text
        stop = f"/people/owner-recoveries/{row.id}/stop"
        for person, status in ((world.vera, 403), (world.strange, 404)):
            other = world.browser(person).visit("/people")
            assert other.request("POST", stop, data={"csrf_token": other.csrf_token()}).status_code == status

        page.visit("/people").submit("Stop this")

        assert "new@x.example does not become an owner" in page.text
        assert not page.offers("Stop this")
        assert "stopped that new@x.example becomes an owner" in page.visit("/activity").text
