"""Every column of every table of the dashboard: personal, in which category and in what words; or not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import MetaData

from anuma_dash.domain.data_register import BY_NAME


@dataclass(frozen=True)
class Personal:
    """A column that says something of a person: its category in the register, and its words for them."""

    category: str
    words: str


@dataclass(frozen=True)
class NotPersonal:
    """A column that says nothing of a person, and why not."""

    reason: str


Tag = Personal | NotPersonal
ROW = NotPersonal("identifies the row")
WORK = NotPersonal("says how far the work is")
LINK = NotPersonal("names another row, where the person is tagged")
SECRET = NotPersonal("random, made here, or a hash of that")
CHAIN = NotPersonal("holds the chain of entries together")
DURABLE: Mapping[str, Tag] = dict.fromkeys(
    ("id", "attempt", "failures", "next_try_at", "last_try_at", "last_failure"), WORK
)


def _all(category: str, **words: str) -> dict[str, Tag]:
    return {column: Personal(category, text) for column, text in words.items()}


def _none(tag: NotPersonal, *columns: str) -> dict[str, Tag]:
    return dict.fromkeys(columns, tag)


_SUSPENSION = {
    **_all(
        "suspensions",
        reason="Reason",
        contest="Where it can be contested",
        at="Since when",
        ended_at="When it ended",
    ),
    **_all(
        "staff_work",
        by_id="Who suspended",
        by_name="Their name then",
        ended_by_id="Who ended a suspension",
        ended_by_name="Their name then",
    ),
}

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "users": _all(
        "profile",
        id="Your identifier here",
        name="Name",
        email="E-mail address",
        email_verified="Whether your provider has verified it",
        time_zone="Time zone",
        language="Language",
        status="Whether you are suspended",
        created_at="When you first signed in",
        attested_age_at="When you said that you are 13 or older",
    ),
    "sign_in_identities": {
        "id": ROW,
        "user_id": LINK,
        **_all(
            "sign_in",
            provider="Provider",
            issuer="The provider's address",
            subject="Your identifier there",
            claims="What the provider sent",
            created_at="When it was connected",
            last_sign_in_at="Last sign-in with it",
        ),
    },
    "passkeys": {
        **_none(ROW, "id", "sign_count", "transports"),
        "user_id": LINK,
        **_all(
            "sign_in",
            name="Passkey: name",
            credential_id="its identifier",
            public_key="its public key",
            created_at="when it was added",
            last_used_at="when it was last used",
        ),
    },
    "passkey_challenges": {
        "session_id": LINK,
        **_none(SECRET, "purpose", "challenge"),
        **_all("sign_in", name="Name of the passkey to be", created_at="when you began to add or use one"),
    },
    "sign_in_attempts": {
        **_none(SECRET, "id", "token_hash", "state", "nonce", "verifier", "purpose"),
        "session_id": LINK,
        **_all(
            "sign_in",
            provider="Provider of a sign-in under way",
            next_path="where you want to be afterwards",
            created_at="when it began",
        ),
    },
    "used_logout_tokens": _none(SECRET, "token_hash", "remember_until"),
    "confirmation_codes": {
        **_none(LINK, "session_id", "mail_id"),
        "code_hash": SECRET,
        **_all(
            "sign_in",
            failed_tries="Wrong tries of a confirmation code",
            created_at="when it was asked for",
            expires_at="when it ends",
        ),
    },
    "sessions": {
        **_none(ROW, "id", "token_hash", "set_back_seconds"),
        "user_id": LINK,
        "account_id": LINK,
        **_all(
            "sessions",
            provider="Provider",
            issuer="the provider's address",
            subject="your identifier there",
            sid="the provider's name for its own session",
            device="Device",
            address="Address",
            place="Country, if the site's proxy names it",
            created_at="Signed in",
            last_seen_at="Last seen",
            authenticated_at="Last confirmed that it is you",
            ended_at="Ended",
            ended_how="How it ended",
        ),
    },
    "drafts": {
        **_none(ROW, "id"),
        "session_id": LINK,
        **_all(
            "sessions", path="Form left for a confirmation", fields="what you had typed, no secrets", created_at="when"
        ),
    },
    "notice_receipts": {
        "id": ROW,
        "user_id": LINK,
        **_all("notices", notice="Notice", version="Version", sha256="Hash of its text", shown_at="When it was shown"),
    },
    "accounts": {
        **_none(
            NotPersonal("describes the account"),
            *("id", "kind", "status", "created_at", "closes_at", "admins_read_content"),
            *("revision", "gateway_synced_at", "gateway_status", "gateway_status_at"),
        ),
        **_all(
            "accounts",
            name="Name of the account",
            country="Country",
            contact_name="Billing contact: name",
            contact_email="address",
        ),
    },
    "memberships": {
        "id": ROW,
        **_none(LINK, "account_id", "user_id"),
        **_all(
            "accounts", role="Your role", created_at="Since when", on_hold_since="Since when you wait to be confirmed"
        ),
    },
    "clock_marks": _none(NotPersonal("says how a machine's clock stood"), "host", "read_at"),
    "account_closings": {
        **DURABLE,
        **_none(LINK, "account_id", "deletion_id"),
        **_none(WORK, "state", "due_at", "reminded_at", "finished_at"),
        **_all(
            "asked_for",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
            closes_at="When an account was to close",
            undone_by_name="Name of who undid a closing",
        ),
    },
    "account_suspensions": {
        "id": ROW,
        "account_id": LINK,
        **_SUSPENSION,
    },
    "person_suspensions": {
        **_none(ROW, "id"),
        **_all("suspensions", user_id="Who is suspended", sessions_ended="How many of your sessions it ended"),
        **_SUSPENSION,
    },
    "invitations": {
        **_none(ROW, "id"),
        "account_id": LINK,
        "token_hash": SECRET,
        **_all(
            "invitations",
            email="Invited address",
            role="Role",
            state="Whether it was accepted or revoked",
            invited_by="Who invited",
            invited_by_name="Their name then",
            created_at="When",
            expires_at="Until when the link works",
            settled_at="When it was accepted or revoked",
            accepted_by="Who accepted",
        ),
    },
    "invitation_mails": {
        "id": ROW,
        **_none(LINK, "account_id", "invitation_id", "mail_id"),
        **_all("invitations", email="Invited address", created_at="When a message was written to it"),
    },
    "departures": {
        **DURABLE,
        "account_id": LINK,
        "settled_at": WORK,
        **_all(
            "departures",
            user_id="Who left",
            user_name="Their name then",
            role="Their role until then",
            kind="Whether they left or were removed",
            asked_by="Who asked for it",
            asked_by_name="Their name then",
            departed_at="When",
            fate="What was chosen for their keys",
            recipient_id="Who was to get them",
            exceptions="What was chosen for single keys, and for whom",
        ),
    },
    "departure_keys": {
        "id": ROW,
        **_none(LINK, "account_id", "departure_id"),
        **_none(NotPersonal("describes the key"), "key_id", "key_last_four"),
        "confirmed_at": WORK,
        **_all(
            "departures",
            key_name="Names of their keys",
            fate="What was chosen for each",
            recipient_id="Who was to get it",
            recipient_name="Their name then",
            note="Why a key was revoked that was to be handed over",
        ),
    },
    "owner_recoveries": {
        **DURABLE,
        "account_id": LINK,
        **_all(
            "owner_recoveries",
            new_owner_email="Address of the new owner",
            reason="Reason that was given",
            ticket="Ticket",
            state="How far it is",
            asked_at="When it was asked",
            effective_at="When it comes into effect",
            settled_at="When it was settled",
            settled_by_name="Name of who stopped it",
            outcome="Why it failed",
        ),
        **_all("staff_work", asked_by="Who asked for an ownership", asked_by_name="Their name then"),
    },
    "owner_recovery_approvals": {
        "id": ROW,
        "recovery_id": LINK,
        **_all(
            "staff_work",
            approved_by="Who approved it",
            approved_by_name="Their name then",
            approved_at="When it was approved",
        ),
    },
    "support_grants": {
        "id": ROW,
        "account_id": LINK,
        **_none(NotPersonal("says what may be seen in the account"), "kind", "scopes", "hours"),
        **_all(
            "support_access",
            state="Whether it was allowed, refused or ended",
            granted_by="Who let staff in",
            granted_at="When",
            expires_at="Until when",
            ticket="Ticket",
            ended_by="Who refused or ended it",
            ended_at="When it was refused or ended",
        ),
        **_all(
            "staff_work",
            asked_by="Who asked for support access",
            asked_at="When it was asked",
            reason="The reason you gave",
            approved_by="Who approved emergency access",
        ),
    },
    "support_sessions": {
        **DURABLE,
        **_none(LINK, "account_id", "grant_id", "staff_session_id"),
        "token_hash": SECRET,
        "scopes": NotPersonal("says what may be seen in the account"),
        **_all(
            "staff_work",
            staff_id="Who looked into an account",
            reason="The reason you gave",
            ticket="Ticket",
            started_at="When a support session began",
            last_seen_at="When it was last used",
            ends_at="When it was to end",
            ended_at="When it ended",
            ended_why="What ended it",
        ),
        "ended_by": Personal("support_access", "Who ended a support session"),
    },
    "control_notices": {
        **_none(ROW, "id", "control"),
        **_none(LINK, "account_id", "change_id"),
        **_all(
            "control_notices",
            user_id="Who is told",
            switched_on_by="Name of who switched it on",
            in_effect_at="Since when it is on",
            dismissed_at="When you put the notice away, or it was changed again",
        ),
    },
    "organization_forms": {
        "id": ROW,
        **_none(LINK, "account_id"),
        **_none(WORK, "token"),
        **_all("asked_for", user_id="Who made an organization", sent_at="When"),
    },
    "account_syncs": {**DURABLE, "account_id": LINK, "created_at": WORK},
    "key_intents": {
        **DURABLE,
        "account_id": LINK,
        **_none(NotPersonal("describes the key"), "environment", "expires_at", "key_id", "last_four"),
        **_none(WORK, "outcome", "reason", "settled_at"),
        **_all("asked_for", name="Name of the key", created_by="Who asked", requested_at="When"),
    },
    "key_revocations": {
        **DURABLE,
        "account_id": LINK,
        **_none(NotPersonal("describes the key"), "key_id", "key_last_four"),
        **_none(WORK, "outcome", "in_effect_at", "confirmed_at"),
        **_all(
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
        **_none(NotPersonal("describes the control"), "epoch", "control", "old_enabled", "enabled", "state"),
        **_none(WORK, "outcome", "in_effect_at", "confirmed_at"),
        **_all(
            "asked_for",
            disclosure_version="Version of the text that was accepted",
            disclosure_sha256="Hash of that text",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
            kept_at="When it was chosen to keep what is stored",
        ),
    },
    "control_tests": {
        **_none(ROW, "id", "control", "report"),
        "account_id": LINK,
        **_all(
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
        **_none(WORK, "category", "count", "state", "finished_at", "report"),
        **_all(
            "asked_for",
            scope="What was to be deleted",
            requested_by="Who asked",
            requested_by_name="Their name then",
            requested_at="When",
        ),
    },
    "audit_entries": {
        **_none(CHAIN, "id", "chain", "number", "actor_kind", "commitment", "previous_hash", "hash"),
        **_none(LINK, "support_session_id", "request_id"),
        **_all("activity", at="When", event="What", actor_id="Who"),
    },
    "audit_details": {
        **_none(CHAIN, "entry_id", "salt"),
        **_all("activity", body="Name, address and what was changed, before and after"),
    },
    "audit_objects": {
        **_none(CHAIN, "chain", "number", "entry_id"),
        **_all("activity", object_id="Whom or which thing it was about", kind="As what", at="When"),
    },
    "chain_checks": {
        **DURABLE,
        **_none(CHAIN, "number", "hash", "erased", "entries", "from_start", "broken_at", "broken_reason"),
        **_none(CHAIN, "verified_number", "verified_hash", "verified_erased"),
        **_none(WORK, "state", "verified_at", "whole_at", "checked_at"),
    },
    "detail_expiries": {**DURABLE, **_none(WORK, "requested_at", "erased", "finished_at")},
    "activity_exports": {
        **DURABLE,
        "account_id": LINK,
        **_none(WORK, "state", "up_to", "position", "rows_done", "rows_known", "chunks", "size_bytes"),
        **_all(
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
        **_none(ROW, "id", "number"),
        "export_id": LINK,
        **_none(SECRET, "vault_key_id", "wrapped_data_key"),
        **_all("exports", owner_id="Whose file it is", ciphertext="The file, sealed"),
    },
    "audit_heads": _none(CHAIN, "chain", "number", "hash"),
    "mails": {
        **DURABLE,
        "user_id": LINK,
        **_none(SECRET, "vault_key_id", "wrapped_data_key"),
        **_all(
            "mail",
            ciphertext="Address and text, sealed, until it is sent",
            letter="Kind of message",
            state="Whether it was sent",
            created_at="When it was written",
            expires_at="until when it is sent",
            settled_at="when it was sent",
        ),
    },
    "sign_up_requests": {
        "id": ROW,
        **_all(
            "sign_up",
            email="E-mail address",
            state="Whether you are let in",
            created_at="When it was asked",
            decided_at="When it was decided",
        ),
    },
    "staff_members": {"id": ROW, "user_id": LINK, **_all("staff", role="Role", created_at="Since when")},
}
"""Table → column → tag. A column that is not here fails tests/features/your_data/test_register.py."""


def fields_of(category: str) -> list[str]:
    """What is held in a category, in words, without what is said twice."""
    words = [
        tag.words
        for columns in TAGS.values()
        for tag in columns.values()
        if isinstance(tag, Personal) and tag.category == category
    ]
    return list(dict.fromkeys([*words, *BY_NAME[category].more_fields]))


def faults_of(metadata: MetaData) -> Iterable[str]:
    """What the register lacks, or has too much, beside these tables; each says what to write."""
    for table in metadata.sorted_tables:
        tagged = TAGS.get(table.name, {})
        for column in table.columns:
            if column.name not in tagged:
                yield (
                    f"{table.name}.{column.name} is in no category: in anuma_dash/domain/data_tags.py, "
                    f'TAGS["{table.name}"], add "{column.name}": '
                    'Personal("<category>", "<words for people>") or NotPersonal("<why not>")'
                )
        for name in sorted(set(tagged) - set(table.columns.keys())):
            yield f'{table.name}.{name} is gone: take it out of TAGS["{table.name}"] in anuma_dash/domain/data_tags.py'
    for name in sorted(set(TAGS) - set(metadata.tables)):
        yield f"the table {name} is gone: take it out of TAGS in anuma_dash/domain/data_tags.py"
    for name, columns in TAGS.items():
        for column_name, tag in columns.items():
            if isinstance(tag, Personal) and tag.category not in BY_NAME:
                yield f"{name}.{column_name}: anuma_dash/domain/data_register.py has no category {tag.category!r}"
