"""The audit log: typed events, one chain an account, personal details that can be erased without breaking it.

An entry's commitment is the SHA-256 of a random salt and the canonical JSON of everything the event says. The chain
runs over commitments, so the details (with their salt) may be erased, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import LOOKING_ONLY, Base, new_id
from anuma_dash.errors import NotAllowed
from anuma_dash.identity import Account, Actor

GENESIS = "0" * 64
SYSTEM_CHAIN = UUID(int=0)
"""The chain of events that belong to no account."""
OBJECT_ID_CHARACTERS = 64
PERSON = "person"
CONTROL = "control"
OBJECT_KINDS = {"member": PERSON, "user": PERSON, "staff": PERSON, "gateway_request": "request"}
"""What a field's object is called, where it is not called like its field."""


@dataclass(frozen=True)
class Declared:
    """An event's stable name, the sentence for people, and the fields that it must bear - these and no others.

    In the sentence `{count:stored request}` stands for the number with its noun, in the right number.
    """

    name: str
    sentence: str
    fields: tuple[str, ...] = ()


class Event(Enum):
    """Everything that is recorded. The sentences are read on the activity page behind the actor's name."""

    USER_CREATED = Declared("user.created", "created their user through {provider}", ("provider", "notices"))
    SIGNED_IN = Declared("session.started", "signed in through {provider}", ("provider", "session_id"))
    SIGNED_OUT = Declared("session.ended", "signed out", ("session_id",))
    SESSION_ENDED_BY_PROVIDER = Declared(
        "session.ended_by_provider", "ended a session of {person}", ("person", "person_id", "session_id")
    )
    SESSION_ENDED = Declared("session.ended_elsewhere", "ended their session in {device}", ("device", "session_id"))
    OTHER_SESSIONS_ENDED = Declared("session.others_ended", "ended {count:other session} of their own", ("count",))
    NAME_CHANGED = Declared("profile.name_changed", "changed their name from {old} to {new}", ("old", "new"))
    TIME_ZONE_CHANGED = Declared(
        "profile.time_zone_changed", "changed their time zone from {old} to {new}", ("old", "new")
    )
    REAUTHENTICATED = Declared("session.reauthenticated", "confirmed who they are by {method}", ("provider", "method"))
    CODE_REQUESTED = Declared("session.code_requested", "asked for a code at their address, to confirm who they are")
    CODE_EXHAUSTED = Declared(
        "session.code_exhausted", "entered a wrong code {count:time} and has to ask for another", ("count",)
    )
    PASSKEY_ADDED = Declared("passkey.added", "added the passkey {name}", ("name", "passkey_id"))
    PASSKEY_REMOVED = Declared("passkey.removed", "removed the passkey {name}", ("name", "passkey_id"))
    PASSKEY_COPIED = Declared(
        "passkey.copied", "was refused with the passkey {name}, of which a copy seems to exist", ("name", "passkey_id")
    )
    IDENTITY_LINKED = Declared("identity.linked", "connected {provider} as a way to sign in", ("provider",))
    IDENTITY_UNLINKED = Declared(
        "identity.unlinked", "disconnected {provider}, which ended {count:session}", ("provider", "count")
    )
    SIGN_UP_REQUESTED = Declared("sign_up.requested", "asked to be let in", ("provider",))
    VAULT_ROTATED = Declared(
        "vault.rotated", "wrapped {count:stored secret} anew under {vault_key}", ("count", "vault_key")
    )
    SIGN_UP_DECIDED = Declared("sign_up.decided", "{decision} a request to be let in", ("decision",))
    ACCOUNT_CREATED = Declared("account.created", "created the account {name}", ("name", "kind"))
    ACCOUNT_RENAMED = Declared("account.renamed", "renamed the account from {old} to {new}", ("old", "new"))
    ACCOUNT_CHANGED = Declared("account.changed", "changed the account's {what}", ("what",))
    ACCOUNT_STATUS_IN_EFFECT = Declared(
        "account.status_in_effect",
        "the gateway treats the account as {status}, in effect {in_effect_at}",
        ("status", "in_effect_at"),
    )
    ACCOUNT_SUSPENDED = Declared(
        "account.suspended", "suspended the account: {reason}", ("reason", "contest", "suspension_id")
    )
    ACCOUNT_UNSUSPENDED = Declared("account.unsuspended", "ended the suspension of the account", ("suspension_id",))
    PERSON_SUSPENDED = Declared(
        "person.suspended",
        "suspended {person}, which ended {count:session}",
        ("person", "person_id", "count", "suspension_id"),
    )
    PERSON_UNSUSPENDED = Declared(
        "person.unsuspended", "ended the suspension of {person}", ("person", "person_id", "suspension_id")
    )
    CLOSING_REQUESTED = Declared(
        "account.closing_requested", "asked to close the account {closes_at}", ("closes_at", "closing_id")
    )
    CLOSING_UNDONE = Declared("account.closing_undone", "stopped the closing of the account", ("closing_id",))
    CLOSING_BEGUN = Declared(
        "account.closing_begun",
        "the time to undo the closing is over: the stored content is being deleted",
        ("closing_id", "deletion_id"),
    )
    ACCOUNT_CLOSED = Declared("account.closed", "closed the account", ("closing_id", "deletion_id"))
    KEY_ACTIVATION_REQUESTED = Declared(
        "key.activation_requested",
        "asked to activate the key {name} (…{last_four}) again",
        ("name", "key_id", "last_four"),
    )
    KEY_ACTIVATED = Declared(
        "key.activated", "activated the key {name} (…{last_four}) again", ("name", "key_id", "last_four")
    )
    MEMBER_ADDED = Declared("member.added", "made {member} {role}", ("member", "member_id", "role"))
    MEMBER_ROLE_CHANGED = Declared(
        "member.role_changed",
        "changed the role of {member} from {old} to {new}",
        ("member", "member_id", "old", "new"),
    )
    MEMBER_REMOVED = Declared(
        "member.removed",
        "removed {member}, who was {role}; their keys: {keys}",
        ("member", "member_id", "role", "keys", "departure_id"),
    )
    MEMBER_LEFT = Declared(
        "member.left", "left the account as {role}; their keys: {keys}", ("role", "keys", "departure_id")
    )
    MEMBERS_HELD = Declared(
        "member.held",
        "let {count:member} wait until somebody confirms them, because a backup of the dashboard was restored",
        ("count",),
    )
    MEMBER_CONFIRMED = Declared("member.confirmed", "confirmed {member} as {role}", ("member", "member_id", "role"))
    MEMBER_EXPORTED = Declared(
        "member.exported", "downloaded what is theirs here: {entries:event} and {keys:key}", ("entries", "keys")
    )
    INVITATION_SENT = Declared("invitation.created", "invited {person} as {role}", ("person", "invitation_id", "role"))
    INVITATION_RENEWED = Declared(
        "invitation.renewed", "had a new link sent to {person}, invited as {role}", ("person", "invitation_id", "role")
    )
    INVITATION_REVOKED = Declared(
        "invitation.revoked", "revoked the invitation of {person} as {role}", ("person", "invitation_id", "role")
    )
    INVITATION_ACCEPTED = Declared(
        "invitation.accepted",
        "accepted the invitation of {inviter} and is now {role}",
        ("inviter", "invitation_id", "role"),
    )
    READING_DECIDED = Declared(
        "account.reading_decided", "decided that admins {decision} stored content", ("decision",)
    )
    OWNER_RECOVERY_ASKED = Declared(
        "owner_recovery.asked",
        "asked to make {new_owner} an owner: {reason} (ticket {ticket})",
        ("new_owner", "reason", "ticket", "recovery_id"),
    )
    OWNER_RECOVERY_APPROVED = Declared(
        "owner_recovery.approved",
        "approved that {new_owner} becomes an owner, as number {number} of 2",
        ("new_owner", "number", "recovery_id"),
    )
    OWNER_RECOVERY_SCHEDULED = Declared(
        "owner_recovery.scheduled",
        "{new_owner} becomes an owner at {effective_at}, unless somebody stops it; {count:message} written",
        ("new_owner", "effective_at", "count", "recovery_id"),
    )
    OWNER_RECOVERY_STOPPED = Declared(
        "owner_recovery.stopped", "stopped that {new_owner} becomes an owner", ("new_owner", "recovery_id")
    )
    OWNER_RECOVERY_DONE = Declared(
        "owner_recovery.done", "made {member} an owner, as staff had approved", ("member", "member_id", "recovery_id")
    )
    OWNER_RECOVERY_FAILED = Declared(
        "owner_recovery.failed", "{new_owner} did not become an owner: {reason}", ("new_owner", "reason", "recovery_id")
    )
    KEY_REQUESTED = Declared("key.requested", "asked for the key {name}", ("name", "environment", "intent_id"))
    KEY_CREATED = Declared("key.created", "created the key {name} (…{last_four})", ("name", "key_id", "last_four"))
    KEY_REFUSED = Declared("key.refused", "was refused the key {name}: {reason}", ("name", "intent_id", "reason"))
    KEY_UNKNOWN = Declared(
        "key.unknown", "asked for the key {name}; the gateway has not answered", ("name", "intent_id")
    )
    KEY_WITHDRAWN = Declared(
        "key.withdrawn",
        "withdrew the key {name}, whose secret nobody has seen",
        ("name", "key_id", "intent_id"),
    )
    KEY_REVOCATION_REQUESTED = Declared(
        "key.revocation_requested", "asked to revoke the key {name} (…{last_four})", ("name", "key_id", "last_four")
    )
    KEY_REVOKED = Declared(
        "key.revoked",
        "revoked the key {name} (…{last_four}), in effect {in_effect_at}",
        ("name", "key_id", "last_four", "in_effect_at"),
    )
    KEY_HANDED_OVER = Declared(
        "key.handed_over",
        "handed over the key {name} (…{last_four}) of {former} to {member}, confirmed by the gateway",
        ("name", "key_id", "last_four", "former", "member", "member_id"),
    )
    CONTROL_REQUESTED = Declared(
        "control.requested",
        "asked to change {control} from {old} to {new} (settings version {epoch})",
        ("control", "old", "new", "epoch", "disclosure_version", "disclosure_sha256"),
    )
    CONTROL_IN_EFFECT = Declared(
        "control.in_effect",
        "{control} is {new}, confirmed by the gateway (settings version {epoch})",
        ("control", "new", "epoch", "in_effect_at"),
    )
    CONTROL_SUPERSEDED = Declared(
        "control.superseded",
        "the change of {control} to {new} was overtaken by a later one (settings version {epoch})",
        ("control", "new", "epoch"),
    )
    STORED_ITEMS_KEPT = Declared(
        "control.stored_items_kept", "chose to keep {count:stored request}", ("control", "count")
    )
    CONTROL_TESTED = Declared(
        "control.tested", "tested {control}: {result}", ("control", "result", "request_id", "epoch")
    )
    CONTENT_READ = Declared("content.read", "opened the stored content of a request", ("gateway_request_id",))
    DELETION_REQUESTED = Declared(
        "deletion.requested", "asked to delete {count:stored request}", ("deletion_id", "category", "count")
    )
    DELETION_VERIFIED = Declared(
        "deletion.verified", "deleted {count:stored request}, verified", ("deletion_id", "category", "count")
    )
    DELETION_FAILED = Declared("deletion.failed", "a deletion failed: {reason}", ("deletion_id", "category", "reason"))
    STAFF_ROLE_GIVEN = Declared(
        "staff.role_given", "gave {person} the staff role {role}", ("person", "person_id", "role")
    )
    STAFF_ROLE_TAKEN = Declared(
        "staff.role_taken", "took the staff role {role} from {person}", ("person", "person_id", "role")
    )
    STAFF_SEARCHED = Declared(
        "staff.searched",
        "looked for accounts by {kind} “{term}” and found {count:account}",
        ("kind", "term", "count", "account_ids"),
    )
    STAFF_ACCOUNT_OPENED = Declared(
        "staff.account_opened", "opened the account {opened_account_id} in the staff section", ("opened_account_id",)
    )
    SUPPORT_GRANTED = Declared(
        "support.granted",
        "let support staff look into the account for {hours:hour}: {scopes}",
        ("grant_id", "scopes", "hours", "ticket"),
    )
    SUPPORT_ASKED = Declared(
        "support.asked",
        "asked to look into the account for {hours:hour}: {scopes}, because: {reason}",
        ("grant_id", "scopes", "hours", "reason", "ticket"),
    )
    SUPPORT_APPROVED = Declared(
        "support.approved",
        "let {staff} look into the account for {hours:hour}: {scopes}",
        ("grant_id", "staff", "staff_id", "scopes", "hours"),
    )
    SUPPORT_DECLINED = Declared(
        "support.declined", "declined to let {staff} look into the account", ("grant_id", "staff", "staff_id")
    )
    SUPPORT_REVOKED = Declared(
        "support.revoked", "revoked support access, which ended {count:support session}", ("grant_id", "count")
    )
    SUPPORT_EMERGENCY_ASKED = Declared(
        "support.emergency_asked",
        "asked a second administrator for emergency access, because: {reason}",
        ("grant_id", "reason", "ticket"),
    )
    SUPPORT_EMERGENCY_APPROVED = Declared(
        "support.emergency_approved",
        "approved emergency access of {staff} for {hours:hour}: metadata",
        ("grant_id", "staff", "staff_id", "hours"),
    )
    SUPPORT_SESSION_STARTED = Declared(
        "support.session_started",
        "began to look into the account ({scopes}), until {until_at} at the latest, because: {reason}",
        ("grant_id", "granted_by_id", "scopes", "reason", "ticket", "until_at"),
    )
    SUPPORT_PAGE_OPENED = Declared("support.page_opened", "opened {page} at {path}", ("page", "path", "granted_by_id"))
    SUPPORT_SESSION_ENDED = Declared(
        "support.session_ended", "ended the support session of {staff}: {why}", ("staff", "staff_id", "why")
    )
    BACKUP_RESTORED = Declared(
        "backup.restored", "restored a backup of the dashboard and ended {sessions:session}", ("sessions",)
    )
    ACCOUNT_RESTORED = Declared(
        "account.restored",
        "restored a backup of the dashboard: what happened since it was made is missing here, but for "
        "{deletions:deletion} taken over from the gateway",
        ("deletions", "overtaken", "status", "epoch", "own_epoch"),
    )
    ACTIVITY_EXPORT_REQUESTED = Declared(
        "activity.export_requested", "asked for an export of the activity: {format}", ("format", "export_id")
    )
    ACTIVITY_EXPORT_DOWNLOADED = Declared(
        "activity.export_downloaded",
        "downloaded an export of the activity: {count:entry}, {format}",
        ("count", "format", "export_id"),
    )
    ACTIVITY_CHECK_REQUESTED = Declared(
        "activity.check_requested", "had the chain of the activity checked from its first entry"
    )
    ACTIVITY_CHAIN_BROKEN = Declared(
        "activity.chain_broken",
        "the chain of the activity does not hold from entry {number} on: {reason}",
        ("number", "reason"),
    )
    ACTIVITY_DETAILS_ERASED = Declared(
        "activity.details_erased", "erased what {count:entry} of the activity said of a person", ("count",)
    )
    ACTIVITY_DETAILS_EXPIRED = Declared(
        "activity.details_expired",
        "the details of {count:entry} of the activity were erased, older than {days:day}",
        ("count", "days"),
    )


OF_SUPPORT_SESSIONS = frozenset(
    (Event.SUPPORT_SESSION_STARTED, Event.SUPPORT_PAGE_OPENED, Event.SUPPORT_SESSION_ENDED, Event.CONTENT_READ)
)
"""What may be recorded by somebody in a support session: that they look. Whatever else is recorded is a change."""
EVENTS: Mapping[str, Event] = {event.value.name: event for event in Event}


class AuditEntry(Base):
    """One link of a chain. It holds no personal detail and is never changed or deleted (the database refuses)."""

    __tablename__ = "audit_entries"
    # One index for each filter of the activity and for two together, each ending in the order of its pages.
    __table_args__ = (
        UniqueConstraint("chain", "number"),
        Index("ix_audit_entries_chain_at", "chain", "at", "number"),
        Index("ix_audit_entries_chain_event", "chain", "event", "at", "number"),
        Index("ix_audit_entries_actor", "actor_id", "chain", "at", "number"),
        Index("ix_audit_entries_actor_event", "actor_id", "chain", "event", "at", "number"),
        Index(
            "ix_audit_entries_staff",
            "chain",
            "at",
            "number",
            sqlite_where=literal_column("actor_kind = 'staff'"),
            postgresql_where=literal_column("actor_kind = 'staff'"),
        ),
        Index(
            "ix_audit_entries_support_session_id",
            "support_session_id",
            "number",
            sqlite_where=literal_column("support_session_id IS NOT NULL"),
            postgresql_where=literal_column("support_session_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain: Mapped[UUID]
    number: Mapped[int]
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(60))
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None]
    support_session_id: Mapped[UUID | None]
    request_id: Mapped[str] = mapped_column(String(64))
    commitment: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditDetail(Base):
    """What an entry says, and the salt of its commitment. Erasing this row leaves the chain whole."""

    __tablename__ = "audit_details"

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("audit_entries.id"), primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditObject(Base):
    """A thing that an entry is about, such as a key or a person. It is no part of the chain, and goes with the details.

    `kind` is the name of the event's field without its `_id`; `at` and `number` are the entry's, to find them in order.
    """

    __tablename__ = "audit_objects"
    __table_args__ = (PrimaryKeyConstraint("kind", "object_id", "chain", "at", "number"),)

    kind: Mapped[str] = mapped_column(String(30))
    object_id: Mapped[str] = mapped_column(String(OBJECT_ID_CHARACTERS))
    chain: Mapped[UUID]
    at: Mapped[datetime]
    number: Mapped[int]
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("audit_entries.id"), index=True)


class AuditHead(Base):
    """The end of a chain: its row is locked to append to it."""

    __tablename__ = "audit_heads"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


def record(
    tx: Session,
    actor: Actor,
    event: Event,
    *,
    at: datetime,
    account_id: UUID | None,
    **fields: object,
) -> AuditEntry:
    """Append an event to the account's chain, inside the transaction of the change that it tells of.

    Raises `ValueError` if the fields are not exactly those that the event declares, and `NotAllowed` for a change by
    somebody in a support session, who may only look: with its record, the change is rolled back.
    """
    declared = event.value
    if actor.support_session_id is not None and event not in OF_SUPPORT_SESSIONS:
        raise NotAllowed(LOOKING_ONLY)
    if set(fields) != set(declared.fields):
        raise ValueError(f"{declared.name} bears {sorted(declared.fields)}, not {sorted(fields)}")
    chain = account_id or SYSTEM_CHAIN
    head = _locked_head(tx, chain)
    plain = {name: _plain(value) for name, value in fields.items()}
    body = {"actor": actor.name, "address": actor.address, "fields": plain}
    salt = secrets.token_hex(32)
    entry = AuditEntry(
        id=new_id(),
        chain=chain,
        number=head.number + 1,
        at=at,
        event=declared.name,
        actor_kind=actor.kind,
        actor_id=actor.user_id,
        support_session_id=actor.support_session_id,
        request_id=actor.request_id,
        commitment=commitment(salt, body),
        previous_hash=head.hash,
    )
    entry.hash = link_hash(entry)
    tx.add(entry)
    tx.flush()
    tx.add(AuditDetail(entry_id=entry.id, salt=salt, body=body))
    tx.add_all(
        AuditObject(kind=kind, object_id=object_id, chain=chain, at=at, number=entry.number, entry_id=entry.id)
        for kind, object_id in objects_of(plain)
    )
    head.number, head.hash = entry.number, entry.hash
    return entry


def objects_of(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an event is about, as (kind, identifier), by its fields: those that end in `_id`, and a control."""
    found = {}
    for name, value in fields.items():
        if not isinstance(value, str) or not 0 < len(value) <= OBJECT_ID_CHARACTERS:
            continue
        if name == CONTROL:
            found[CONTROL, value] = True
        elif name.endswith("_id"):
            kind = name.removesuffix("_id")
            found[OBJECT_KINDS.get(kind, kind), value] = True
    return list(found)


def _locked_head(tx: Session, chain: UUID) -> AuditHead:
    # An account row is the lock of its chain's first entry: two first entries at once must not both be number 1.
    if tx.get(AuditHead, chain) is None:
        tx.scalar(select(Account.id).where(Account.id == chain).with_for_update())
    head = tx.scalar(
        select(AuditHead).where(AuditHead.chain == chain).with_for_update().execution_options(populate_existing=True)
    )
    if head is None:
        head = AuditHead(chain=chain, number=0, hash=GENESIS)
        tx.add(head)
        tx.flush()
    return head


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | list | dict | None) else str(value)


def readable_fields(actor: Actor, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an entry as this actor may read them: in a support session without the tails of keys."""
    return {name: actor.tail(value) if name == "last_four" else value for name, value in fields.items()}


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def commitment(salt: str, body: Mapping[str, Any]) -> str:
    """The SHA-256, in hex, of the salt (hex) and the canonical JSON of the body."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(body)).hexdigest()


def link_hash(entry: AuditEntry) -> str:
    """The SHA-256, in hex, of an entry's fixed columns and the hash of the entry before it."""
    return hashlib.sha256(
        canonical(
            {
                "chain": str(entry.chain),
                "number": entry.number,
                "at": entry.at.isoformat(timespec="microseconds"),
                "event": entry.event,
                "actor_kind": entry.actor_kind,
                "actor_id": str(entry.actor_id) if entry.actor_id else None,
                "support_session_id": str(entry.support_session_id) if entry.support_session_id else None,
                "request_id": entry.request_id,
                "commitment": entry.commitment,
                "previous": entry.previous_hash,
            }
        )
    ).hexdigest()


@dataclass(frozen=True)
class Link:
    """An entry as the walk wants it, from the database or from a file. `body` is None where the details were erased."""

    entry: AuditEntry
    salt: str | None
    body: Mapping[str, Any] | None


@dataclass
class Walk:
    """How far a chain was walked: the last entry that holds, and how many on the way have no details any more."""

    number: int = 0
    hash: str = GENESIS
    erased: int = 0

    def step(self, link: Link) -> str:
        """Go on to the next entry. Returns why it does not hold, or nothing."""
        entry = link.entry
        if entry.number != self.number + 1:
            return "an entry is missing"
        if entry.previous_hash != self.hash or entry.hash != link_hash(entry):
            return "an entry was changed"
        if link.body is not None and not _holds(link, link.body):
            return "an entry's details were changed"
        self.number, self.hash = entry.number, entry.hash
        self.erased += link.body is None
        return ""


def _holds(link: Link, body: Mapping[str, Any]) -> bool:
    try:
        return commitment(link.salt or "", body) == link.entry.commitment
    except ValueError:  # the salt is not hexadecimal
        return False


@dataclass(frozen=True)
class Verification:
    """What a walk over one chain found. `broken_at` is the number of the first entry that does not hold."""

    chain: UUID
    entries: int
    erased: int
    broken_at: int | None
    reason: str = ""


def verify(tx: Session, chain: UUID) -> Verification:
    """Walk a chain from its first entry and check every link, every commitment that still has its details, the head."""
    walk = Walk()
    broken_at, reason = go_on(tx, chain, walk)
    return Verification(chain, walk.number, walk.erased, broken_at, reason)


def go_on(tx: Session, chain: UUID, walk: Walk, limit: int | None = None) -> tuple[int | None, str]:
    """Walk on from where a walk stands, `limit` entries at most, and check the head if the end was reached.

    Returns the number of the first entry that does not hold, with the reason; None if none was found.
    """
    # The head is read first: entries that are appended meanwhile lie behind it, and it is not ahead of what is there.
    head = tx.get(AuditHead, chain, populate_existing=True)
    known = (head.number, head.hash) if head else (0, GENESIS)
    passed, seen = walk.number >= known[0], 0
    if walk.number == known[0] and walk.hash != known[1]:
        return walk.number, "the end of the chain was changed"
    with closing(links(tx, chain, walk.number, limit)) as found:
        for link in found:
            seen += 1
            reason = walk.step(link)
            if not reason and walk.number == known[0]:
                passed = True
                reason = "" if walk.hash == known[1] else "the end of the chain was changed"
            if reason:
                return link.entry.number, reason
    if limit is not None and seen == limit:
        return None, ""
    if not passed:
        return walk.number + 1, "the chain is shorter than its head says"
    return (None, "") if _head_reaches(tx, chain, walk) else (known[0] + 1, "an entry stands behind the chain's head")


def _head_reaches(tx: Session, chain: UUID, walk: Walk) -> bool:
    head = tx.get(AuditHead, chain, populate_existing=True)
    return walk.number == 0 if head is None else head.number >= walk.number


def links(tx: Session, chain: UUID, after: int, limit: int | None) -> Generator[Link]:
    """The entries of a chain behind a number, in order, a few at a time."""
    with tx.execute(
        select(AuditEntry, AuditDetail)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.chain == chain, AuditEntry.number > after)
        .order_by(AuditEntry.number)
        .limit(limit)
        .execution_options(yield_per=500)
    ) as rows:
        for entry, detail in rows:
            yield Link(entry, detail.salt if detail else None, detail.body if detail else None)


def chains(tx: Session) -> list[UUID]:
    """Every chain that has entries."""
    return list(tx.scalars(select(AuditHead.chain).order_by(AuditHead.chain)))


def erase_details(tx: Session, actor: Actor, person_id: UUID, *, at: datetime) -> int:
    """Erase what entries say, where the person acted or is whom they are about; the entries' places in the chain stay.

    Found are those whose event names the person by an identifier; `member_id`, `user_id`, `person_id` and `staff_id`
    do. Each chain gets an entry that says how many. Returns how many entries lost their details.
    """
    theirs = (
        select(AuditEntry.id)
        .where(AuditEntry.actor_id == person_id)
        .union(select(AuditObject.entry_id).where(AuditObject.kind == PERSON, AuditObject.object_id == str(person_id)))
    ).subquery()
    ids = select(theirs.c.id)
    counts = tx.execute(
        select(AuditEntry.chain, func.count())
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.id.in_(ids))
        .group_by(AuditEntry.chain)
        .order_by(AuditEntry.chain)
    ).all()
    # The details go first: the links are one of the two ways to find them.
    options = {"synchronize_session": False}
    tx.execute(delete(AuditDetail).where(AuditDetail.entry_id.in_(ids)), execution_options=options)
    tx.execute(delete(AuditObject).where(AuditObject.entry_id.in_(ids), PERSONAL_LINK), execution_options=options)
    for chain, count in counts:
        account_id = None if chain == SYSTEM_CHAIN else chain
        record(tx, actor, Event.ACTIVITY_DETAILS_ERASED, at=at, account_id=account_id, count=count)
    return sum(count for _, count in counts)


PERSONAL_LINK = AuditObject.kind != CONTROL
"""Links that go with the details. A control is nobody's."""
