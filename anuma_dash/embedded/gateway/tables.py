"""The tables of the gateway's two databases: the main one, and the one of the data keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time on every database (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database, in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Out of the database, aware."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


main = MetaData()
keys = MetaData()

accounts = Table(
    "accounts",
    main,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("status_since", UtcTime),
)

controls = Table(
    "controls",
    main,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("applied_at", UtcTime, nullable=False),
    Column("state", Text, nullable=False),  # JSON of policy.State
)

apps = Table(
    "apps",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_apps_account", "account_id", "id"),
)

api_keys = Table(
    "api_keys",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("app_id", Uuid, ForeignKey("apps.id"), nullable=False),
    Column("stricter", Text, nullable=False, server_default="[]"),  # JSON list of controls that are off from the start
    Column("fingerprint", LargeBinary, nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("environment", String(8), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("created_by", Uuid),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("deactivated_at", UtcTime),
    Index("ix_api_keys_account", "account_id", "id"),
    Index("ix_api_keys_person", "account_id", "created_by", "id"),
    Index("ix_api_keys_expiry", "account_id", "expires_at"),
    Index("ix_api_keys_last_four", "last_four", "account_id"),
)

requests = Table(
    "requests",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("key_id", Uuid, ForeignKey("api_keys.id"), nullable=False),
    Column("created_by", Uuid),
    Column("environment", String(8), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("provider", String(100), nullable=False),
    Column("status", Integer, nullable=False),
    Column("status_class", Integer, nullable=False),
    Column("error_class", String(64)),
    Column("streamed", Boolean, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("usage_source", String(16), nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
    Column("input_price_micro_usd_per_million", BigInteger, nullable=False),
    Column("output_price_micro_usd_per_million", BigInteger, nullable=False),
    Column("pricing_source", String(32), nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("first_byte_ms", BigInteger),
    Column("content_stored", Boolean, nullable=False),
    Column("content_rule", String(32), nullable=False),
    Column("content_level", String(16), nullable=False),
    Column("content_epoch", BigInteger, nullable=False),
    Column("content_bytes", BigInteger, nullable=False),
    Column("policy_epoch_at_arrival", BigInteger, nullable=False),
    Column("policy_epoch_at_write", BigInteger, nullable=False),
    Column("provider_retention", String(500), nullable=False),
    Column("provider_training", String(500), nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("other_controls", Text),  # JSON of what the other controls decided
    Column("conversation_id", Uuid),
    Column("memories_used", Integer, nullable=False, server_default="0"),
    Index("ix_requests_account", "account_id", "id"),
    Index("ix_requests_key", "account_id", "key_id", "id"),
    Index("ix_requests_person", "account_id", "created_by", "id"),
    Index("ix_requests_model", "account_id", "model", "id"),
    Index("ix_requests_status", "account_id", "status_class", "id"),
    Index("ix_requests_content", "account_id", "content_stored", "id"),
)

request_contents = Table(
    "request_contents",
    main,
    Column("request_id", Uuid, ForeignKey("requests.id"), primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Uuid),
    Column("provider", String(100), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_request_contents_account", "account_id", "request_id"),
    Index("ix_request_contents_time", "account_id", "created_at"),
)

request_days = Table(
    "request_days",
    main,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

content_days = Table(
    "content_days",
    main,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("category", String(20), primary_key=True),
    Column("owner", Uuid, primary_key=True),  # a person; of what service keys send, the account
    Column("day", Date, primary_key=True),
    Column("entries", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

key_months = Table(
    "key_months",
    main,
    Column("key_id", Uuid, ForeignKey("api_keys.id"), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
)

deletions = Table(
    "deletions",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("backups_unreadable_by", UtcTime, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("providers", Text, nullable=False),  # JSON list of names
    Column("pieces", Text),  # JSON list of hex: never the bytes themselves, or the search would find its own list
    Column("counts", Text, nullable=False, server_default="{}"),  # JSON of how many of each category are erased
    Column("kept", Text, nullable=False, server_default="[]"),
    Column("per_store", Text, nullable=False),
    Column("not_reached", Text, nullable=False),
    Column("failure", Text),
    Index("ix_deletions_account", "account_id", "id"),
    Index("ix_deletions_time", "account_id", "requested_at"),
    Index("ix_deletions_state", "state"),
)

canaries = Table(
    "canaries",
    main,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("last_at", UtcTime, nullable=False),
)

used_tokens = Table(
    "used_tokens",
    main,
    Column("jti", String(200), primary_key=True),
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_used_tokens_expiry", "expires_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    main,
    Column("account_id", Uuid, primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("response", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_idempotency_keys_time", "created_at"),
)

credits = Table(
    "credits",
    main,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("available_micro_usd", BigInteger, nullable=False),
    Column("charged_micro_usd", BigInteger, nullable=False),
    Column("spent_micro_usd", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

reservations = Table(
    "reservations",
    main,
    Column("request_id", Uuid, primary_key=True),  # of a request under way: it has no row yet
    Column("account_id", Uuid, nullable=False),
    Column("micro_usd", BigInteger, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Index("ix_reservations_account", "account_id"),
)

main_scratch = Table("scratch", main, Column("id", Uuid, primary_key=True), Column("planted", Text, nullable=False))
"""Where control strings are planted, so that a search can prove that it finds."""

journal_position = Table(
    "journal_position",
    main,
    Column("id", Integer, primary_key=True),  # always 1
    Column("journal", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
)
"""Up to which act of which journal this database knows what happened: a restored one knows less than the journal."""

data_keys = Table(
    "data_keys",
    keys,
    Column("id", Uuid, primary_key=True),  # of the thing whose content it encrypts
    Column("kind", String(20), nullable=False, server_default="request_content"),
    Column("account_id", Uuid, nullable=False),
    Column("kek_id", String(64), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

destroyed_deletions = Table(
    "destroyed_deletions",
    keys,
    Column("id", Uuid, primary_key=True),
    Column("at", UtcTime, nullable=False),
)
"""The deletions whose data keys this database has destroyed: a restored one has forgotten the later ones."""

keys_scratch = Table("scratch", keys, Column("id", Uuid, primary_key=True), Column("planted", Text, nullable=False))
