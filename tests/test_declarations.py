"""What views declare: the exceptions from the rules, each with its reason, and what asks for a fresh sign-in."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import wtforms
from werkzeug.datastructures import MultiDict
from wtforms.i18n import DummyTranslations

from anuma_dash.features import FEATURES
from anuma_dash.web.access import rule_of

CSRF_EXEMPT = {
    "reports.collect": "browsers send reports without a form; they are only counted",
    "sign_in.back_channel_logout": "a provider sends it; the token's signature is the proof",
}
"""Every view that takes a form without a token, and why. Besides reports, QUALITY.md allows back-channel logout,
webhooks, one-click unsubscribe and the internal API."""
FRESH = (
    ("keys.new", "keys.create"),
    ("history.new_deletion", "history.create_deletion"),
    ("memories.new_deletion_of_all", "memories.create_deletion_of_all"),
    ("memories.new_export", "memories.create_export"),
    ("staff.new_emergency", "staff.create_emergency"),
    ("staff.new_emergency_approval", "staff.create_emergency_approval"),
    ("staff.new_person_reinstatement", "staff.create_person_reinstatement"),
    ("staff.new_person_suspension", "staff.create_person_suspension"),
    ("staff.new_recovery", "staff.create_recovery"),
    ("staff.new_recovery_approval", "staff.create_recovery_approval"),
    ("staff.new_recovery_stop", "staff.create_recovery_stop"),
    ("staff.new_reinstatement", "staff.create_reinstatement"),
    ("staff.new_role", "staff.create_role"),
    ("staff.new_session", "staff.create_session"),
    ("staff.new_suspension", "staff.create_suspension"),
    ("staff.new_role_removal", "staff.create_role_removal"),
    ("keys.new_activation", "keys.create_activation"),
    ("account.edit", "account.update"),
    ("account.new_closing", "account.create_closing"),
    ("deletions.new", "deletions.create"),
    ("support_access.new", "support_access.create"),
    ("support_access.new_approval", "support_access.create_approval"),
    ("activity.new_export", "activity.create_export"),
    ("sign_in_methods.new", "sign_in_methods.create_ceremony"),
    ("sign_in_methods.new", "sign_in_methods.create"),
    ("sign_in_methods.new_passkey_removal", "sign_in_methods.create_passkey_removal"),
    ("sign_in_methods.new_provider_removal", "sign_in_methods.create_provider_removal"),
    ("sessions.new_ending", "sessions.create_ending"),
    ("sessions.new_others_ending", "sessions.create_others_ending"),
    ("people.new", "people.create"),
    ("people.show_invitation", "people.create_renewal"),
    ("people.show_invitation", "people.create_invitation_revocation"),
    ("people.edit", "people.update"),
    ("people.new_removal", "people.create_removal"),
    ("people.new_leaving", "people.create_leaving"),
    ("people.new_leaving", "people.create_export"),
)
"""What asks for a fresh sign-in: the form, and what it does."""
STAFF_ACTS = {
    "staff.create_search",
    "staff.create_request",
    "staff.create_emergency",
    "staff.create_emergency_approval",
    "staff.create_session",
    "staff.create_session_stop",
    "staff.create_suspension",
    "staff.create_reinstatement",
    "staff.create_person_suspension",
    "staff.create_person_reinstatement",
    "staff.create_recovery",
    "staff.create_recovery_approval",
    "staff.create_recovery_stop",
    "staff.create_role",
    "staff.create_role_removal",
}
"""All that staff can do to a customer or to each other: whatever is not here, nobody of staff does."""
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


def rules(world) -> dict[str, tuple[set[str], Any]]:
    """Methods and rule of each view."""
    found: dict[str, tuple[set[str], Any]] = {}
    for one in world.app.url_map.iter_rules():
        if one.endpoint != "static":
            methods = found.setdefault(one.endpoint, (set(), rule_of(world.app, one.endpoint)))[0]
            methods |= one.methods
    return found


def test_views_without_a_form_token_are_these_and_each_says_why(world):
    exempt = {name: rule.csrf_exempt for name, (_, rule) in rules(world).items() if rule.csrf_exempt}

    assert exempt.items() <= CSRF_EXEMPT.items(), "add it above, with its reason"
    assert "reports.collect" in exempt
    assert all(methods & UNSAFE for name, (methods, _) in rules(world).items() if name in exempt)


def test_an_exempt_view_looks_at_no_session(world):
    for name, (_, rule) in rules(world).items():
        if rule.csrf_exempt:
            assert rule.anonymous, name
            assert not rule.session, f"{name} could act for whoever is signed in"


def test_what_staff_can_do_is_a_closed_list(world):
    assert {name for name, (methods, rule) in rules(world).items() if rule.staff and methods & UNSAFE} == STAFF_ACTS


def test_what_is_dangerous_asks_for_a_fresh_sign_in_on_its_form_already(world):
    """The list of the quality targets but for billing, which is not there yet; and more, each with its form above."""
    found = rules(world)
    for form, act in FRESH:
        assert "GET" in found[form][0]
        assert found[act][0] & UNSAFE
        assert found[form][1].reauth, form
        assert found[act][1].reauth, act
    others = {name for name, (_, rule) in found.items() if rule.reauth} - {name for pair in FRESH for name in pair}
    steps = {"sign_in.create_link", "sign_in_methods.ceremony", "people.update_reading", "activity.create_download"}
    steps |= {"people.create_confirmation", "people.create_confirmations"}
    assert others == steps, "steps that are no form: buttons, and a script"


def forms() -> list[type[wtforms.Form]]:
    """Every form of the features."""
    found = []
    for feature in FEATURES:
        try:
            module = importlib.import_module(f"anuma_dash.features.{feature}.forms")
        except ModuleNotFoundError:
            continue
        found += [
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, wtforms.Form) and one.__module__ == module.__name__
        ]
    return found


WRONG = ("", "x", "\0", "-1", "9" * 31, "A" * 5000, "none of these", "2026-02-30", "é@", "not-a-uuid")


@pytest.mark.parametrize("form", forms(), ids=lambda form: form.__name__)
def test_every_message_of_a_form_is_our_own(form, monkeypatch):
    """WTForms' own words are marked, and must never come up, whatever is sent."""
    monkeypatch.setattr(DummyTranslations, "gettext", lambda _, text: f"WTForms: {text}")
    monkeypatch.setattr(
        DummyTranslations, "ngettext", lambda _, one, many, count: f"WTForms: {one if count == 1 else many}"
    )
    names = list(form())
    sent = [{}, *({field.name: value for field in names} for value in WRONG)]
    said = []
    for fields in sent:
        filled = form(MultiDict(fields))
        filled.validate()
        said += [f"{name}: {words}" for name, errors in filled.errors.items() for words in errors]
    assert not sorted({words for words in said if "WTForms: " in words})
