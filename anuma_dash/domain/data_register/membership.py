"""Coming to an account and leaving it, and what its people are told."""

from __future__ import annotations

from collections.abc import Mapping

from anuma_dash.domain.data_register.terms import (
    CONTRACT,
    DURABLE,
    LINK,
    NOBODY,
    PROOF,
    ROW,
    SECRET,
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
        name="invitations",
        title="Invitations to accounts",
        holder="dashboard",
        source="Whoever invited you; you, if you invited somebody",
        purpose="To let in only the person with the invited address, in the role that was chosen",
        basis=CONTRACT,
        kept=lambda _: (
            f"{days(SETTLED_KEPT.days)} after it was accepted or revoked, or has expired. What was kept of an address "
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
)

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "invitations": {
        **each(ROW, "id"),
        "account_id": LINK,
        "token_hash": SECRET,
        **held(
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
        **each(LINK, "account_id", "invitation_id", "mail_id"),
        **held("invitations", email="Invited address", created_at="When a message was written to it"),
    },
    "departures": {
        **DURABLE,
        "account_id": LINK,
        "settled_at": WORK,
        **held(
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
        **each(LINK, "account_id", "departure_id"),
        **each(NotPersonal("describes the key"), "key_id", "key_last_four"),
        "confirmed_at": WORK,
        **held(
            "departures",
            key_name="Names of their keys",
            fate="What was chosen for each",
            recipient_id="Who was to get it",
            recipient_name="Their name then",
            note="Why a key was revoked that was to be handed over",
        ),
    },
    "control_notices": {
        **each(ROW, "id", "control"),
        **each(LINK, "account_id", "change_id"),
        **held(
            "control_notices",
            user_id="Who is told",
            switched_on_by="Name of who switched it on",
            in_effect_at="Since when it is on",
            dismissed_at="When you put the notice away, or it was changed again",
        ),
    },
}
