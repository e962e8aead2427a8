"""The catalogue: each event's stable name, its sentence for people, and the fields that it bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Declared:
    """An event's stable name, the sentence for people, and the fields that it must bear - these and no others.

    In the sentence `{count:stored request}` stands for the number with its noun, in the right number.
    """

    name: str
    sentence: str
    fields: tuple[str, ...] = ()


class Event(Enum):
    """Everything that is recorded, by subject. The sentences are read on the activity page behind the actor's name."""

    # Signing in, sessions, the person's own details

    USER_CREATED = Declared("user.created", "created their user through {provider}", ("provider", "notices"))
    SIGNED_IN = Declared("session.started", "signed in through {provider}", ("provider", "session_id"))
    SIGNED_OUT = Declared("session.ended", "signed out", ("session_id",))
    SESSION_ENDED_BY_PROVIDER = Declared(
        "session.ended_by_provider", "ended a session of {person}", ("person", "person_id", "session_id")
    )
    SESSION_ENDED = Declared("session.ended_elsewhere", "ended their session in {device}", ("device", "session_id"))
    OTHER_SESSIONS_ENDED = Declared("session.others_ended", "ended {count:other session} of their own", ("count",))
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
    NAME_CHANGED = Declared("profile.name_changed", "changed their name from {old} to {new}", ("old", "new"))
    TIME_ZONE_CHANGED = Declared(
        "profile.time_zone_changed", "changed their time zone from {old} to {new}", ("old", "new")
    )
    SIGN_UP_REQUESTED = Declared("sign_up.requested", "asked to be let in", ("provider",))
    SIGN_UP_DECIDED = Declared("sign_up.decided", "{decision} a request to be let in", ("decision",))

    # Accounts

    ACCOUNT_CREATED = Declared("account.created", "created the account {name}", ("name", "kind"))
    ACCOUNT_RENAMED = Declared("account.renamed", "renamed the account from {old} to {new}", ("old", "new"))
    ACCOUNT_CHANGED = Declared("account.changed", "changed the account's {what}", ("what",))
    READING_DECIDED = Declared(
        "account.reading_decided", "decided that admins {decision} stored content", ("decision",)
    )
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

    # People of an account

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

    # API keys

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
    KEY_ACTIVATION_REQUESTED = Declared(
        "key.activation_requested",
        "asked to activate the key {name} (…{last_four}) again",
        ("name", "key_id", "last_four"),
    )
    KEY_ACTIVATED = Declared(
        "key.activated", "activated the key {name} (…{last_four}) again", ("name", "key_id", "last_four")
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

    # Apps

    APP_CREATED = Declared("app.created", "created the app {name}", ("name", "app_id"))
    APP_RENAMED = Declared("app.renamed", "renamed an app from {old} to {new}", ("old", "new", "app_id"))
    APP_RETIRED = Declared("app.retired", "retired the app {name}", ("name", "app_id"))

    # Data controls, stored content, deletions

    CONTROL_REQUESTED = Declared(
        "control.requested",
        "asked to change {control} from {old} to {new} (settings version {epoch})",
        ("control", "level", "target_id", "old", "new", "epoch", "disclosure_version", "disclosure_sha256"),
    )
    CONTROL_IN_EFFECT = Declared(
        "control.in_effect",
        "{control} is {new}, confirmed by the gateway (settings version {epoch})",
        ("control", "level", "target_id", "new", "epoch", "in_effect_at"),
    )
    CONTROL_SUPERSEDED = Declared(
        "control.superseded",
        "the change of {control} to {new} was overtaken by a later one (settings version {epoch})",
        ("control", "level", "target_id", "new", "epoch"),
    )
    CONTROL_TEXT_ACCEPTED = Declared(
        "control.text_accepted",
        "accepted text version {disclosure_version} of {control}",
        ("control", "disclosure_version", "disclosure_sha256"),
    )
    STORED_ITEMS_KEPT = Declared(
        "control.stored_items_kept", "chose to keep {count:stored request}", ("control", "count")
    )
    CONTROL_TESTED = Declared(
        "control.tested", "tested {control}: {result}", ("control", "result", "request_id", "epoch")
    )
    CONTENT_READ = Declared("content.read", "opened the stored content of a request", ("gateway_request_id",))
    TRACE_READ = Declared("content.trace_read", "opened the stored trace of a request", ("gateway_request_id",))
    EVALUATIONS_READ = Declared(
        "content.evaluations_read", "opened the evaluations of a request", ("gateway_request_id",)
    )
    EVALUATION_ADDED = Declared("evaluation.added", "evaluated a request", ("gateway_request_id", "evaluation_id"))
    CONVERSATION_RENAMED = Declared("conversation.renamed", "renamed a conversation of their own", ("conversation_id",))
    CONVERSATION_PINNED = Declared("conversation.pinned", "pinned a conversation of their own", ("conversation_id",))
    CONVERSATION_UNPINNED = Declared(
        "conversation.unpinned", "unpinned a conversation of their own", ("conversation_id",)
    )
    MEMORY_ADDED = Declared("memory.added", "added a memory of their own", ("memory_id",))
    MEMORY_CHANGED = Declared("memory.changed", "changed a memory of their own", ("memory_id",))
    MEMORIES_EXPORTED = Declared("memory.exported", "exported their memories")
    DELETION_REQUESTED = Declared(
        "deletion.requested", "asked to delete {count:stored item}", ("deletion_id", "category", "count")
    )
    DELETION_UNDONE = Declared(
        "deletion.undone",
        "undid the deletion of {count:stored item}, before it began",
        ("deletion_id", "category", "count"),
    )
    DELETION_VERIFIED = Declared(
        "deletion.verified", "deleted {count:stored item}, verified", ("deletion_id", "category", "count")
    )
    DELETION_FAILED = Declared("deletion.failed", "a deletion failed: {reason}", ("deletion_id", "category", "reason"))

    # Staff and support access

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

    # The activity itself

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

    # Operators

    VAULT_ROTATED = Declared(
        "vault.rotated", "wrapped {count:stored secret} anew under {vault_key}", ("count", "vault_key")
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


OF_SUPPORT_SESSIONS = frozenset(
    (
        Event.SUPPORT_SESSION_STARTED,
        Event.SUPPORT_PAGE_OPENED,
        Event.SUPPORT_SESSION_ENDED,
        Event.CONTENT_READ,
        Event.TRACE_READ,
        Event.EVALUATIONS_READ,
    )
)
"""What may be recorded by somebody in a support session: that they look. Whatever else is recorded is a change."""
EVENTS: Mapping[str, Event] = {event.value.name: event for event in Event}
