"""The tables of what the controls other than prompt logging keep, of its search, its purges and its legal holds.

Whatever has a `nonce` and a `ciphertext` is encrypted under the data key with the identifier of the thing itself; a
message under its conversation's. `owner` is a person, or the account for what service keys send.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from .tables import UtcTime, main

traces = Table(
    "traces",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    # Checked when the transaction ends: it is written before the request's own row.
    Column(
        "request_id",
        Uuid,
        ForeignKey("requests.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
        unique=True,
    ),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Uuid),
    Column("provider", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_traces_account", "account_id", "id"),
    Index("ix_traces_time", "account_id", "created_at"),
)

evaluations = Table(
    "evaluations",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("request_id", Uuid, ForeignKey("requests.id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Uuid),  # whose request it is
    Column("person", Uuid),  # who gave it on a page
    Column("key_id", Uuid),  # the key of the program that gave it
    Column("bytes", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_evaluations_account", "account_id", "id"),
    Index("ix_evaluations_time", "account_id", "created_at"),
    Index("ix_evaluations_request", "request_id", "id"),
)

conversations = Table(
    "conversations",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("reference", LargeBinary, nullable=False),  # keyed hash of the name that the client gave it
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),  # its last message; its period counts from here
    Column("app_id", Uuid, ForeignKey("apps.id"), nullable=False),
    Column("model", String(200), nullable=False),
    Column("providers", Text, nullable=False),  # JSON list of the names of those that got any of it
    Column("messages", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("nonce", LargeBinary, nullable=False),  # of its title
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_conversations_reference", "account_id", "owner", "reference", unique=True),
    Index("ix_conversations_list", "account_id", "owner", "pinned", "updated_at", "id"),
    Index("ix_conversations_time", "account_id", "updated_at"),
)

messages = Table(
    "messages",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), nullable=False),
    Column("parent_id", Uuid),
    Column("digest", LargeBinary, nullable=False),  # keyed hash of it and all before it: the same words again are it
    Column("request_id", Uuid),
    Column("created_at", UtcTime, nullable=False),
    Column("model", String(200), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_messages_conversation", "conversation_id", "id"),
    Index("ix_messages_parent", "conversation_id", "parent_id"),
    Index("ix_messages_digest", "conversation_id", "digest", unique=True),
)

search_terms = Table(
    "search_terms",
    main,
    Column("term", LargeBinary, primary_key=True),  # keyed hash of a stem, under the owner's search key
    Column("conversation_id", Uuid, primary_key=True),
    Column("message_id", Uuid, primary_key=True),  # of a title, the conversation
    Index("ix_search_terms_conversation", "conversation_id"),
    sqlite_with_rowid=False,
)

memories = Table(
    "memories",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("source", String(10), nullable=False),
    Column("app_id", Uuid),
    Column("key_id", Uuid),
    Column("app_ids", Text),  # JSON list of the apps that may use it, empty for any
    Column("providers", Text),  # JSON list of the providers that may receive it, empty for any
    Column("sent_to", Text, nullable=False, server_default="[]"),  # JSON list of the providers that have received it
    Column("last_used_at", UtcTime),
    Column("bytes", BigInteger, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Index("ix_memories_owner", "account_id", "owner", "id"),
    Index("ix_memories_time", "account_id", "updated_at"),
)

purges = Table(
    "purges",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("owner", Uuid, nullable=False),
    Column("category", String(20), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("cutoff", UtcTime, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_purges_owner", "account_id", "owner", "id"),
    Index("ix_purges_state", "state"),
)

purge_schedule = Table(
    "purge_schedule",
    main,
    Column("id", Integer, primary_key=True),  # always 1
    Column("next_at", UtcTime, nullable=False),
    Column("last_at", UtcTime),
)
"""When what is past its period is deleted next: a restart neither forgets it nor puts it off."""

legal_holds = Table(
    "legal_holds",
    main,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("category", String(20)),  # empty for all of them
    Column("person", Uuid),  # empty for everybody
    Column("arrived_from", UtcTime),
    Column("arrived_before", UtcTime),
    Column("placed_at", UtcTime, nullable=False),
    Column("released_at", UtcTime),
    Index("ix_legal_holds_account", "account_id"),
)
"""What a legal duty forbids to delete. Nobody places one yet; who deletes must look here first."""
