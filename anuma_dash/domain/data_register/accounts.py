"""Accounts, and what was asked for in them."""

from __future__ import annotations

from collections.abc import Mapping

from anuma_dash.domain.data_register.terms import (
    CONTRACT,
    DURABLE,
    LINK,
    ROW,
    SETTLED_KEPT,
    WITH_ACCOUNT,
    WORK,
    Category,
    Counted,
    NotPersonal,
    Tag,
    days,
    each,
    held,
)

CATEGORIES = (
    Category(
        name="accounts",
        title="The accounts that you belong to",
        holder="dashboard",
        source="You, and the people who let you in",
        purpose="To decide what you may do, and whom to write to about billing",
        basis=CONTRACT,
        kept=lambda _: "As long as you belong to the account; what the account says of itself as long as it is there",
        recipients="People of the account; staff of Anuma, who see its name and status, and the rest while they are "
        "let in; the gateway gets its name and status",
        counted=(Counted("memberships", "user_id", "membership"),),
    ),
    Category(
        name="asked_for",
        title="What you asked for",
        holder="dashboard",
        source="You, by using these pages",
        purpose="To carry it out exactly once, and to show since when it is true",
        basis=CONTRACT,
        kept=lambda _: (
            f"Who asked to close an account: {days(SETTLED_KEPT.days)} after that is over. "
            f"Everything else: {WITH_ACCOUNT[:1].lower()}{WITH_ACCOUNT[1:]}"
        ),
        recipients="The gateway, which carries it out; people of the account who may see it",
        page=("Activity", "activity.index"),
        counted=(
            Counted("key_intents", "created_by", "request for a key", "requests for keys"),
            Counted("key_revocations", "requested_by", "revocation"),
            Counted("control_changes", "requested_by", "change of a data control", "changes of data controls"),
            Counted("disclosure_acceptances", "accepted_by", "accepted text", "accepted texts"),
            Counted("control_tests", "tested_by", "test of a data control", "tests of data controls"),
            Counted("deletions", "requested_by", "deletion"),
            Counted("account_closings", "requested_by", "closing of an account", "closings of accounts"),
            Counted("organization_forms", "user_id", "form for an organization", "forms for organizations"),
        ),
    ),
)

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "accounts": {
        **each(
            NotPersonal("describes the account"),
            *("id", "kind", "status", "created_at", "closes_at", "admins_read_content"),
            *("revision", "gateway_synced_at", "gateway_status", "gateway_status_at"),
        ),
        **held(
            "accounts",
            name="Name of the account",
            country="Country",
            contact_name="Billing contact: name",
            contact_email="address",
        ),
    },
    "memberships": {
        "id": ROW,
        **each(LINK, "account_id", "user_id"),
        **held(
            "accounts", role="Your role", created_at="Since when", on_hold_since="Since when you wait to be confirmed"
        ),
    },
    "clock_marks": each(NotPersonal("says how a machine's clock stood"), "host", "read_at"),
    "account_closings": {
        **DURABLE,
        **each(LINK, "account_id", "deletion_id"),
        **each(WORK, "state", "due_at", "reminded_at", "finished_at"),
        **held(
            "asked_for",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
            closes_at="When an account was to close",
            undone_by_name="Name of who undid a closing",
        ),
    },
    "organization_forms": {
        "id": ROW,
        **each(LINK, "account_id"),
        **each(WORK, "token"),
        **held("asked_for", user_id="Who made an organization", sent_at="When"),
    },
    "account_syncs": {**DURABLE, "account_id": LINK, "created_at": WORK},
    "key_intents": {
        **DURABLE,
        "account_id": LINK,
        **each(
            NotPersonal("describes the key"), "environment", "expires_at", "key_id", "last_four", "app_id", "stricter"
        ),
        **each(WORK, "outcome", "reason", "settled_at"),
        **held("asked_for", name="Name of the key", created_by="Who asked", requested_at="When"),
    },
    "key_revocations": {
        **DURABLE,
        "account_id": LINK,
        **each(NotPersonal("describes the key"), "key_id", "key_last_four"),
        **each(WORK, "outcome", "in_effect_at", "confirmed_at"),
        **held(
            "asked_for",
            key_name="Name of the key",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
        ),
    },
    "control_changes": {
        **DURABLE,
        "account_id": LINK,
        **each(
            NotPersonal("describes the control"),
            *("epoch", "control", "level", "target_name", "aspect", "old_value", "new_value"),
            *("old_enabled", "enabled", "state"),
        ),
        **each(WORK, "outcome", "in_effect_at", "confirmed_at"),
        **held(
            "asked_for",
            disclosure_version="Version of the text that was accepted",
            disclosure_sha256="Hash of that text",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
            kept_at="When it was chosen to keep what is stored",
            target_id="Whose own setting it is",
        ),
    },
    "disclosure_acceptances": {
        **each(ROW, "id", "control", "level"),
        "account_id": LINK,
        **held(
            "asked_for",
            target_id="Whose own setting it is",
            disclosure_version="Version of the text that was accepted",
            disclosure_sha256="Hash of that text",
            accepted_by="Who accepted it",
            accepted_by_name="Their name then",
            accepted_at="When it was accepted",
        ),
    },
    "control_tests": {
        **each(ROW, "id", "control", "report"),
        "account_id": LINK,
        **held(
            "asked_for",
            key_name="Name of the key",
            tested_by="Who tested",
            tested_by_name="Their name then",
            tested_at="When",
        ),
    },
    "deletions": {
        **DURABLE,
        "account_id": LINK,
        **each(WORK, "category", "count", "state", "execute_at", "finished_at", "report"),
        **held(
            "asked_for",
            scope="What was to be deleted",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
        ),
    },
}
