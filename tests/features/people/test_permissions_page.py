"""The permission table on the page is the one that the code obeys, and the one that was promised."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.features.people import permission_table
from anuma_dash.identity import PERMISSIONS, Permission, Role
from tests.features.people.steps import mails_to, make_key

ROLES = ("Owner", "Admin", "Developer", "Billing", "Viewer")
PROMISED = """
Read the overview and usage                | Yes | Yes           | Yes      | Yes      | Yes
Read the request log                       | Yes | Yes           | Yes      | No       | Yes
Manage API keys                            | Yes | Yes           | Own only | No       | No
Make, rename and retire apps               | Yes | Yes           | Yes      | No       | No
Read stored prompts and responses          | Yes | Own only      | Own only | No       | No
Change data controls and retention         | Yes | Yes           | No       | No       | No
Delete stored data                         | Yes | Yes           | Own only | No       | No
Manage people and roles                    | Yes | Except owners | No       | No       | No
Manage support access                      | Yes | Yes           | No       | No       | No
Read the activity                          | Yes | Yes           | Own acts | Own acts | Own acts
Close the account                          | Yes | No            | No       | No       | No
"""
"""The matrix of roles as the product promises it, of what there is so far. Admins have keys of their own, too."""


def test_a_permission_that_nobody_put_into_words_is_still_there(monkeypatch):
    monkeypatch.setattr(permission_table, "LINES", ())
    assert {line.full for line in permission_table.lines()} == set(Permission)


def shown(world, person):
    rows = world.browser(person).visit("/people").table("Permissions")
    return {row["Permission"]: tuple(row[role] for role in ROLES) for row in rows}


P = Permission
EVERY_ROLE = {
    P.READ_OVERVIEW,
    P.READ_CONTROLS,
    P.OWN_MEMORIES,
    P.OWN_HISTORY,
    P.CHANGE_OWN_CONTROLS,
    P.READ_OWN_ACTIVITY,
    P.READ_ACCOUNT,
    P.READ_PEOPLE,
}
KEYS = {P.READ_KEYS, P.MANAGE_KEYS, P.MANAGE_OWN_KEYS, P.MAKE_KEYS, P.ACTIVATE_KEYS, P.MANAGE_APPS}
CLAIMED = {
    "Everything, closing the account and making owners included.": set(P),
    "Apps, keys, data controls, deletions, people but not owners, support access, the whole activity.": {
        *EVERY_ROLE,
        *KEYS,
        *(P.READ_REQUESTS, P.READ_OWN_CONTENT, P.CHANGE_ACCOUNT),
        *(P.CHANGE_CONTROLS, P.SWITCH_ON, P.DELETE_CONTENT, P.DELETE_OWN_CONTENT),
        *(P.MANAGE_PEOPLE, P.STOP_RECOVERY, P.MANAGE_SUPPORT_ACCESS, P.READ_ACTIVITY),
    },
    "Makes apps and keys, and reads and deletes what their own keys stored.": {
        *EVERY_ROLE,
        *(P.READ_REQUESTS, P.READ_KEYS, P.MAKE_KEYS, P.MANAGE_OWN_KEYS, P.MANAGE_APPS),
        *(P.READ_OWN_CONTENT, P.DELETE_OWN_CONTENT),
    },
    "Sees the overview, and neither keys nor requests.": EVERY_ROLE,
    "Sees the overview, keys and the request log; changes nothing.": {*EVERY_ROLE, P.READ_KEYS, P.READ_REQUESTS},
}
"""What a role is chosen by, in the words of the choice, and what those words come to."""


@pytest.mark.parametrize("role", Role)
def test_the_words_by_which_a_role_is_chosen_are_what_it_may(role):
    assert PERMISSIONS[role] == CLAIMED[permission_table.summary(role)]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestTheTable:
    def test_it_says_what_was_promised(self, world):
        table = shown(world, world.vera)
        for line in PROMISED.strip().splitlines():
            words, *cells = (part.strip() for part in line.split("|"))
            assert table[words] == tuple(cells), words

    def test_it_says_what_the_code_obeys(self, world):
        """Every permission, and for every role exactly what it has."""
        table, seen = shown(world, world.bill), set()
        for line in permission_table.lines():
            seen |= {line.full, line.partial}
            for role, cell in zip(Role, table[line.words], strict=True):
                held = PERMISSIONS[role]
                assert (cell == "Yes") == (line.full in held), (line.words, role)
                assert (cell == "No") == (not held & {line.full, line.partial}), (line.words, role)
        assert seen - {None} == set(Permission)
        assert len(table) == len(permission_table.lines())

    def test_only_an_owner_decides_who_reads(self, world):
        for person in (world.ada, world.dev, world.bill, world.vera):
            page = world.browser(person).visit("/people")
            assert not page.select("button[role=switch]")
            answer = page.request("POST", "/people/reading", data={"csrf_token": page.csrf_token(), "state": "on"})
            assert answer.status_code == 403
        assert shown(world, world.ada)["Read stored prompts and responses"][1] == "Own only"


def test_olive_lets_admins_read_what_is_stored_and_takes_it_back(world, browse):
    key, own = make_key(world, world.dev), make_key(world, world.ada, "Ada's")
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    request_control(
        world.services.context, world.olive.actor, world.northwind, logging, enabled=True, accepted_sha256=accepted
    )
    world.chat(own.secret, "a question of Ada's")
    world.chat(key.secret, "a question of Dev's")
    devs, adas = [row.id for row in world.gateway.requests(world.olive.actor, world.northwind).data]
    ada = browse(world.ada)
    assert ada.visit(f"/requests/{devs}/content").status == 403
    assert "a question of Ada's" in ada.visit(f"/requests/{adas}/content").text
    page = browse(world.olive).visit("/people")
    assert page.one("button[role=switch]")["aria-checked"] == "false"

    page.submit("Admins may read stored content")

    assert "Admins can now read stored prompts and responses" in page.text
    assert page.one("button[role=switch]")["aria-checked"] == "true"
    assert "a question of Dev's" in ada.visit(f"/requests/{devs}/content").text
    assert browse(world.vera).visit(f"/requests/{devs}/content").status == 403
    assert shown(world, world.vera)["Read stored prompts and responses"][1] == "Yes"

    page.submit("Admins may read stored content")

    assert ada.visit(f"/requests/{devs}/content").status == 403
    told = {subject for subject in mails_to(world, world.ada) if "stored content" in subject}
    assert told == {
        "Admins of Northwind Labs may now read stored content",
        "Admins of Northwind Labs may no longer read stored content",
    }
    assert not [subject for subject in mails_to(world, world.dev) if "Admins" in subject]
    recorded = [row.event for row in world.rows(AuditEntry, chain=world.northwind)]
    assert recorded.count("account.reading_decided") == 2
    assert "decided that admins may read stored content" in page.visit("/activity").text
