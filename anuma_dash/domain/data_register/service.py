"""What Anuma and its staff do: support, suspensions, ownerships, mail, who is let in, who is staff."""

from __future__ import annotations

from collections.abc import Mapping

from anuma_dash import mail
from anuma_dash.domain.data_register.terms import (
    CONTRACT,
    DURABLE,
    LINK,
    NOBODY,
    PROOF,
    ROW,
    SECRET,
    SECURITY,
    SETTLED_KEPT,
    UNTIL_DELETED,
    WITH_ACCOUNT,
    Category,
    Counted,
    NotPersonal,
    Personal,
    Tag,
    days,
    each,
    held,
)

CATEGORIES = (
    Category(
        name="support_access",
        title="Support access",
        holder="dashboard",
        source="You, when you let staff look into an account, or refuse or end it",
        purpose="To let staff see only what somebody of the account allowed, and to show who allowed it",
        basis=CONTRACT,
        kept=lambda _: (
            f"{days(SETTLED_KEPT.days)} after it is over, if nobody looked. What staff looked under, and their "
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
        kept=lambda _: f"{days(SETTLED_KEPT.days)} after it was done, stopped, or had failed",
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
            f"{days(SETTLED_KEPT.days)} after they are over, if nobody looked under them"
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
)

_SUSPENSION = {
    **held(
        "suspensions",
        reason="Reason",
        contest="Where it can be contested",
        at="Since when",
        ended_at="When it ended",
    ),
    **held(
        "staff_work",
        by_id="Who suspended",
        by_name="Their name then",
        ended_by_id="Who ended a suspension",
        ended_by_name="Their name then",
    ),
}

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "account_suspensions": {
        "id": ROW,
        "account_id": LINK,
        **_SUSPENSION,
    },
    "person_suspensions": {
        **each(ROW, "id"),
        **held("suspensions", user_id="Who is suspended", sessions_ended="How many of your sessions it ended"),
        **_SUSPENSION,
    },
    "owner_recoveries": {
        **DURABLE,
        "account_id": LINK,
        **held(
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
        **held("staff_work", asked_by="Who asked for an ownership", asked_by_name="Their name then"),
    },
    "owner_recovery_approvals": {
        "id": ROW,
        "recovery_id": LINK,
        **held(
            "staff_work",
            approved_by="Who approved it",
            approved_by_name="Their name then",
            approved_at="When it was approved",
        ),
    },
    "support_grants": {
        "id": ROW,
        "account_id": LINK,
        **each(NotPersonal("says what may be seen in the account"), "kind", "scopes", "hours"),
        **held(
            "support_access",
            state="Whether it was allowed, refused or ended",
            granted_by="Who let staff in",
            granted_at="When",
            expires_at="Until when",
            ticket="Ticket",
            ended_by="Who refused or ended it",
            ended_at="When it was refused or ended",
        ),
        **held(
            "staff_work",
            asked_by="Who asked for support access",
            asked_at="When it was asked",
            reason="The reason you gave",
            approved_by="Who approved emergency access",
        ),
    },
    "support_sessions": {
        **DURABLE,
        **each(LINK, "account_id", "grant_id", "staff_session_id"),
        "token_hash": SECRET,
        "scopes": NotPersonal("says what may be seen in the account"),
        **held(
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
    "mails": {
        **DURABLE,
        "user_id": LINK,
        **each(SECRET, "vault_key_id", "wrapped_data_key"),
        **held(
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
        **held(
            "sign_up",
            email="E-mail address",
            state="Whether you are let in",
            created_at="When it was asked",
            decided_at="When it was decided",
        ),
    },
    "staff_members": {"id": ROW, "user_id": LINK, **held("staff", role="Role", created_at="Since when")},
}
