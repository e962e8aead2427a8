"""The activity, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from anuma_dash.domain.data_register.terms import (
    CHAIN,
    CONTRACT,
    DURABLE,
    EXPORTS_KEPT,
    LINK,
    PROOF,
    ROW,
    SECRET,
    SETTLED_KEPT,
    WORK,
    Category,
    Counted,
    Tag,
    days,
    each,
    held,
)

CATEGORIES = (
    Category(
        name="activity",
        title="What you did, and what was done about you",
        holder="dashboard",
        source="You, and whoever did something about you, by using these pages: what was done, when, from which "
        "address",
        purpose="To show an account who did what, and to find out when something is wrong",
        basis=PROOF,
        kept=lambda settings: (
            f"The details for {days(settings.activity_detail_days)}: name, address, what was changed, and whom "
            "it was about. The entry without them, which is when, what and your identifier, as long as the account is "
            "there. A closed account stays on file: nothing deletes that yet"
        ),
        recipients="You; owners and admins of the account in which it was done; staff while they are let in. "
        "What was done in no account: administrators of Anuma",
        page=("Activity", "activity.index"),
        counted=(
            Counted("audit_entries", "actor_id", "activity entry", "activity entries"),
            Counted("audit_objects", "object_id", "entry that names you", "entries that name you", by="link"),
        ),
    ),
    Category(
        name="exports",
        title="Exports of the activity",
        holder="dashboard",
        source="You, by asking for one; the file is made from the account's activity",
        purpose="To make the file, to give it to you alone, and to show that it was made",
        basis=CONTRACT,
        kept=lambda _: (
            f"The file for {EXPORTS_KEPT // timedelta(hours=1)} hours after it is ready, then it is destroyed. "
            f"That there was one: {days(SETTLED_KEPT.days)} after you asked"
        ),
        recipients="Nobody but you gets the file",
        page=("Exports", "activity.index_exports"),
        counted=(
            Counted("activity_exports", "requested_by", "export"),
            Counted("activity_export_chunks", "owner_id", "sealed part of a file", "sealed parts of files"),
        ),
    ),
)

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "audit_entries": {
        **each(CHAIN, "id", "chain", "number", "actor_kind", "commitment", "previous_hash", "hash"),
        **each(LINK, "support_session_id", "request_id"),
        **held("activity", at="When", event="What", actor_id="Who"),
    },
    "audit_details": {
        **each(CHAIN, "entry_id", "salt"),
        **held("activity", body="Name, address and what was changed, before and after"),
    },
    "audit_objects": {
        **each(CHAIN, "chain", "number", "entry_id"),
        **held("activity", object_id="Whom or which thing it was about", kind="As what", at="When"),
    },
    "audit_heads": each(CHAIN, "chain", "number", "hash"),
    "chain_checks": {
        **DURABLE,
        **each(CHAIN, "number", "hash", "erased", "entries", "from_start", "broken_at", "broken_reason"),
        **each(CHAIN, "verified_number", "verified_hash", "verified_erased"),
        **each(WORK, "state", "verified_at", "whole_at", "checked_at"),
    },
    "detail_expiries": {**DURABLE, **each(WORK, "requested_at", "erased", "finished_at")},
    "activity_exports": {
        **DURABLE,
        "account_id": LINK,
        **each(WORK, "state", "up_to", "position", "rows_done", "rows_known", "chunks", "size_bytes"),
        **held(
            "exports",
            requested_by="Who asked",
            requested_at="When",
            format="Form of the file",
            filters="What was searched for",
            time_zone="Time zone in the file",
            own_only="Whether it holds your own activity alone",
            finished_at="When it was ready",
            expires_at="Until when it can be downloaded",
        ),
    },
    "activity_export_chunks": {
        **each(ROW, "id", "number"),
        "export_id": LINK,
        **each(SECRET, "vault_key_id", "wrapped_data_key"),
        **held("exports", owner_id="Whose file it is", ciphertext="The file, sealed"),
    },
}
