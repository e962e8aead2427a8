"""The register of what is held about people: every category, and every column of every table of the dashboard.

The pages *Your data* and *Profile* are drawn from it, the worker deletes by its periods, and a test compares it with
the tables: a column that nobody has tagged fails it. Purposes and lawful bases are data that a lawyer may change.

To add a column: a line in `TAGS` of `data_tags.py`, `Personal("category", "Words for people")` or
`NotPersonal("why not")`. To add a category: an entry in `CATEGORIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from anuma_dash import mail
from anuma_dash.settings import Settings

SESSIONS_KEPT = timedelta(days=90)
"""For how long a session is kept after it was last seen: so long a device counts as known."""
UNDER_WAY_KEPT = timedelta(hours=1)
"""For how long what belongs to a sign-in or a confirmation under way is kept, once it is over."""
SETTLED_KEPT = timedelta(days=90)
"""For how long what is over stays: an invitation, an answer to staff, a recovery, who closed an account, an export."""

EXPORTS_KEPT = timedelta(hours=24)
"""For how long the file of an export is kept once it is ready."""

Holder = Literal["dashboard", "gateway", "browser"]
CONTRACT = "Contract: the service cannot be had without it (GDPR Art. 6(1)(b))"
SECURITY = "Legitimate interest in the security of the service (GDPR Art. 6(1)(f))"
PROOF = "Legitimate interest in being able to show what was done (GDPR Art. 6(1)(f))"
CONSENT = "Your choice, which you can take back (GDPR Art. 6(1)(a))"
NOBODY = "Nobody outside Anuma"
UNTIL_DELETED = "As long as you have a user here. It cannot be deleted on these pages yet: write to support"
WITH_ACCOUNT = "As long as the account is there. A closed account stays on file: nothing deletes that yet"


def session_days_kept(settings: Settings) -> int:
    """For how many days a session is kept after it was last seen; never less than it may be idle."""
    return max(SESSIONS_KEPT.days, settings.session_idle_days)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


@dataclass(frozen=True)
class Counted:
    """Rows of a table that are a person's: those in which the column holds their id or their address.

    By `link` they are the links of activity entries to the person (`audit.AuditObject`).
    """

    table: str
    column: str
    one: str
    many: str = ""
    by: Literal["id", "link", "email"] = "id"


@dataclass(frozen=True)
class Category:
    """One kind of what is held, in words for the people whom it is about.

    `kept` says for how long, by the settings in force. `page` is the label and the endpoint where a person reads,
    corrects or deletes it. `more_fields` names what is in no column of a table. Of what the gateway holds, `inventory`
    is its name for it.
    """

    name: str
    title: str
    holder: Holder
    source: str
    purpose: str
    basis: str
    kept: Callable[[Settings], str]
    recipients: str
    page: tuple[str, str] | None = None
    counted: tuple[Counted, ...] = ()
    more_fields: tuple[str, ...] = ()
    inventory: str = ""


CATEGORIES = (
    Category(
        name="profile",
        title="Who you are",
        holder="dashboard",
        source="You, at first sign-in and on your profile; the address comes from your sign-in provider",
        purpose="To show who acts, to write to you, to show times as you read them",
        basis=CONTRACT,
        kept=lambda _: UNTIL_DELETED,
        recipients="People of your accounts, and staff while they are let in, see your name and e-mail address",
        page=("Profile", "profile.show"),
        counted=(Counted("users", "id", "user"),),
    ),
    Category(
        name="sign_in",
        title="How you sign in",
        holder="dashboard",
        source="Your sign-in providers, and the passkeys that you add",
        purpose="To let you in, and nobody else as you",
        basis=CONTRACT,
        kept=lambda _: (
            "Providers and passkeys until you remove them. What belongs to a sign-in or confirmation under way "
            f"until it is over, and up to {2 * UNDER_WAY_KEPT.seconds // 3600} hours more"
        ),
        recipients="The provider learns that you sign in here, and when",
        page=("Sign-in methods", "sign_in_methods.index"),
        counted=(
            Counted("sign_in_identities", "user_id", "connected provider"),
            Counted("passkeys", "user_id", "passkey"),
        ),
    ),
    Category(
        name="sessions",
        title="Where you are signed in",
        holder="dashboard",
        source="Your browser",
        purpose="To keep you signed in, to let you end it, to tell you of a device that is new",
        basis=SECURITY,
        kept=lambda settings: f"{session_days_kept(settings)} days after the session was last seen",
        recipients="People of your accounts, and staff while they are let in, see on which day you were last here",
        page=("Sessions", "sessions.index"),
        counted=(Counted("sessions", "user_id", "session"),),
    ),
    Category(
        name="notices",
        title="What you were shown",
        holder="dashboard",
        source="Your first sign-in",
        purpose="To show which version of a notice you were shown, and when. It is no consent",
        basis=PROOF,
        kept=lambda _: UNTIL_DELETED,
        recipients=NOBODY,
        page=("Profile", "profile.show"),
        counted=(Counted("notice_receipts", "user_id", "notice"),),
    ),
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
            f"Who asked to close an account: {_days(SETTLED_KEPT.days)} after that is over. "
            f"Everything else: {WITH_ACCOUNT[:1].lower()}{WITH_ACCOUNT[1:]}"
        ),
        recipients="The gateway, which carries it out; people of the account who may see it",
        page=("Activity", "activity.index"),
        counted=(
            Counted("key_intents", "created_by", "request for a key", "requests for keys"),
            Counted("key_revocations", "requested_by", "revocation"),
            Counted("control_changes", "requested_by", "change of a data control", "changes of data controls"),
            Counted("control_tests", "tested_by", "test of a data control", "tests of data controls"),
            Counted("deletions", "requested_by", "deletion"),
            Counted("account_closings", "requested_by", "closing of an account", "closings of accounts"),
            Counted("organization_forms", "user_id", "form for an organization", "forms for organizations"),
        ),
    ),
    Category(
        name="activity",
        title="What you did, and what was done about you",
        holder="dashboard",
        source="You, and whoever did something about you, by using these pages: what was done, when, from which "
        "address",
        purpose="To show an account who did what, and to find out when something is wrong",
        basis=PROOF,
        kept=lambda settings: (
            f"The details for {_days(settings.activity_detail_days)}: name, address, what was changed, and whom "
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
            f"That there was one: {_days(SETTLED_KEPT.days)} after you asked"
        ),
        recipients="Nobody but you gets the file",
        page=("Exports", "activity.index_exports"),
        counted=(
            Counted("activity_exports", "requested_by", "export"),
            Counted("activity_export_chunks", "owner_id", "sealed part of a file", "sealed parts of files"),
        ),
    ),
    Category(
        name="invitations",
        title="Invitations to accounts",
        holder="dashboard",
        source="Whoever invited you; you, if you invited somebody",
        purpose="To let in only the person with the invited address, in the role that was chosen",
        basis=CONTRACT,
        kept=lambda _: (
            f"{_days(SETTLED_KEPT.days)} after it was accepted or revoked, or has expired. What was kept of an address "
            "is deleted if its person says that they are under 13"
        ),
        recipients="Owners and admins of the account; the mail server that takes the message, and that of the address",
        page=("People", "people.index"),
        counted=(
            Counted("invitations", "email", "invitation to you", "invitations to you", by="email"),
            Counted("invitations", "invited_by", "invitation by you", "invitations by you"),
            Counted("invitation_mails", "email", "invitation mailed to you", "invitations mailed to you", by="email"),
        ),
    ),
    Category(
        name="departures",
        title="Leaving an account",
        holder="dashboard",
        source="Whoever left the account, or removed somebody from it",
        purpose="To settle what becomes of the API keys of somebody who left, and to show that it was done",
        basis=CONTRACT,
        kept=lambda _: WITH_ACCOUNT,
        recipients="Owners and admins of the account; the gateway, which revokes the keys or hands them over",
        counted=(
            Counted("departures", "user_id", "departure of yours", "departures of yours"),
            Counted("departures", "asked_by", "departure that you asked for", "departures that you asked for"),
            Counted("departures", "recipient_id", "departure with keys for you", "departures with keys for you"),
            Counted("departure_keys", "recipient_id", "key meant for you", "keys meant for you"),
        ),
    ),
    Category(
        name="control_notices",
        title="What you were told of data controls",
        holder="dashboard",
        source="Whoever of the account switched a data control on",
        purpose="To tell you on every page that it is on, until you put that away",
        basis=PROOF,
        kept=lambda _: "As long as you belong to the account",
        recipients=NOBODY,
        page=("Data controls", "data_controls.index"),
        counted=(Counted("control_notices", "user_id", "notice"),),
    ),
    Category(
        name="support_access",
        title="Support access",
        holder="dashboard",
        source="You, when you let staff look into an account, or refuse or end it",
        purpose="To let staff see only what somebody of the account allowed, and to show who allowed it",
        basis=CONTRACT,
        kept=lambda _: (
            f"{_days(SETTLED_KEPT.days)} after it is over, if nobody looked. What staff looked under, and their "
            f"sessions: {WITH_ACCOUNT[:1].lower()}{WITH_ACCOUNT[1:]}"
        ),
        recipients="Owners and admins of the account; staff of Anuma",
        page=("Support access", "support_access.index"),
        counted=(
            Counted("support_grants", "granted_by", "grant by you", "grants by you"),
            Counted("support_grants", "ended_by", "grant or request ended by you", "grants or requests ended by you"),
            Counted("support_sessions", "ended_by", "support session ended by you", "support sessions ended by you"),
        ),
    ),
    Category(
        name="suspensions",
        title="Suspensions",
        holder="dashboard",
        source="Staff of Anuma",
        purpose="To stop misuse, to tell you why and how to contest it, and to show afterwards what was decided",
        basis=SECURITY,
        kept=lambda _: (
            "Of you: as long as you have a user here. Of an account: as long as it is there. Nothing deletes "
            "either yet, even after the suspension has ended"
        ),
        recipients="Of you: staff of Anuma. Of an account: the people of the account, the gateway, staff of Anuma",
        page=("Account", "account.index"),
        counted=(Counted("person_suspensions", "user_id", "suspension of you", "suspensions of you"),),
    ),
    Category(
        name="owner_recoveries",
        title="Ownership asked for at support",
        holder="dashboard",
        source="Whoever asked support to make you an owner of an account, because its owners cannot sign in any more",
        purpose="To give an account an owner again, after two approvals and a wait in which it can be stopped",
        basis=CONTRACT,
        kept=lambda _: f"{_days(SETTLED_KEPT.days)} after it was done, stopped, or had failed",
        recipients="Owners, admins and the billing contact of the account, who are told by mail; staff of Anuma",
        page=("People", "people.index"),
        counted=(Counted("owner_recoveries", "new_owner_email", "request", by="email"),),
    ),
    Category(
        name="mail",
        title="Mail to you",
        holder="dashboard",
        source="Anuma, when it writes to you",
        purpose="To send it once, and to know whether it was sent",
        basis=CONTRACT,
        kept=lambda _: f"Its text until it is sent, then that it was sent, for {mail.KEPT.days} days",
        recipients="The mail server that takes it, and that of your address",
        counted=(Counted("mails", "user_id", "message"),),
    ),
    Category(
        name="sign_up",
        title="Being let in at sign-up",
        holder="dashboard",
        source="You, or whoever invited you",
        purpose="To let in only whom it was decided to let in",
        basis=CONTRACT,
        kept=lambda _: UNTIL_DELETED,
        recipients=NOBODY,
        counted=(Counted("sign_up_requests", "email", "entry", "entries", by="email"),),
    ),
    Category(
        name="staff",
        title="Roles on Anuma's staff",
        holder="dashboard",
        source="Whoever gives them",
        purpose="To decide what staff may do",
        basis=CONTRACT,
        kept=lambda _: "As long as the role lasts",
        recipients=NOBODY,
        counted=(Counted("staff_members", "user_id", "role"),),
    ),
    Category(
        name="staff_work",
        title="What you did as Anuma's staff",
        holder="dashboard",
        source="You, by using the staff pages",
        purpose="To show customers and the service who of the staff decided or looked, when, and why",
        basis=PROOF,
        kept=lambda _: (
            "As long as the account or person whom it was about is on file, also when your role has ended; nothing "
            "deletes that yet. Questions and recoveries of owners as in those categories: "
            f"{_days(SETTLED_KEPT.days)} after they are over, if nobody looked under them"
        ),
        recipients="The people concerned see your name; staff of Anuma",
        counted=(
            Counted("account_suspensions", "by_id", "account suspended", "accounts suspended"),
            Counted("account_suspensions", "ended_by_id", "account reinstated", "accounts reinstated"),
            Counted("person_suspensions", "by_id", "person suspended", "people suspended"),
            Counted("person_suspensions", "ended_by_id", "person reinstated", "people reinstated"),
            Counted("owner_recoveries", "asked_by", "ownership asked for", "ownerships asked for"),
            Counted("owner_recovery_approvals", "approved_by", "ownership approved", "ownerships approved"),
            Counted("support_grants", "asked_by", "request for support access", "requests for support access"),
            Counted("support_grants", "approved_by", "emergency access approved", "emergency accesses approved"),
            Counted("support_sessions", "staff_id", "support session"),
        ),
    ),
    Category(
        name="logs",
        title="Server logs",
        holder="dashboard",
        source="Your browser, with every page that you open",
        purpose="To find faults and attacks",
        basis=SECURITY,
        kept=lambda _: "As long as the operator of this site keeps its logs. They cannot be counted from here",
        recipients=NOBODY,
        more_fields=(
            "The time",
            "the kind of page, never its content",
            "the answer's status and duration",
            "the identifiers of you, your account and the request",
        ),
    ),
    Category(
        name="cookies",
        title="Cookies",
        holder="browser",
        source="This site",
        purpose="To know your session, to keep a form yours, to remember the theme and one message after a form",
        basis=SECURITY,
        kept=lambda settings: (
            f"The session's for {settings.session_absolute_days} days at the longest, the theme for a year, the others "
            "for minutes, or until you close the browser"
        ),
        recipients="This site alone; no other site gets or sets one here",
        more_fields=("Session token", "form token", "theme", "message of the last form", "sign-in under way"),
    ),
    Category(
        name="api_keys",
        title="API keys",
        holder="gateway",
        source="You, by making keys",
        purpose="To know which calls are yours",
        basis=CONTRACT,
        kept=lambda _: "As long as the account is there; a revoked key stays listed",
        recipients="People of the account see name and last four characters",
        page=("API keys", "keys.index"),
        more_fields=("Name", "who made it", "hash of the secret", "prefix and last four characters", "last use"),
    ),
    Category(
        name="request_metadata",
        title="Request metadata",
        holder="gateway",
        source="Your programs, with every call",
        purpose="To meter, to find errors, to stop abuse",
        basis=CONTRACT,
        kept=lambda _: "As long as the account is there",
        recipients="People of the account who may read the request log",
        page=("Request log", "requests.index"),
        more_fields=("Time", "key", "model and route", "token counts", "cost", "latency", "status"),
        inventory="request_metadata",
    ),
    Category(
        name="request_content",
        title="Stored prompts and responses",
        holder="gateway",
        source="Your programs, while prompt logging is on",
        purpose="To let you read them again, and to provide, secure, operate, analyze and improve the service",
        basis=CONSENT,
        kept=lambda _: "The days that stand in the data controls; none are stored while prompt logging is off",
        recipients="People of the account who may read content. Model providers get each prompt when it is answered, "
        "under terms of their own",
        page=("Data controls", "data_controls.index"),
        more_fields=("Prompt", "response"),
        inventory="request_content",
    ),
)

CLAIMS = {
    "sub": "Your identifier there",
    "email": "E-mail address",
    "email_verified": "It has verified the address",
    "name": "Name",
    "auth_time": "When it last asked you to sign in",
}
"""What is kept of what a provider sends, in words (OpenID Connect Core 1.0, 2 and 5.1)."""


def category(name: str) -> Category:
    """The category of this name. Raises `KeyError`."""
    return BY_NAME[name]


BY_NAME = {one.name: one for one in CATEGORIES}
