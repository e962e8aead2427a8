"""Who a person is here: their details, how they sign in, where they are signed in, what they were shown."""

from __future__ import annotations

from collections.abc import Mapping

from anuma_dash.domain.data_register.terms import (
    CONTRACT,
    LINK,
    NOBODY,
    PROOF,
    ROW,
    SECRET,
    SECURITY,
    UNDER_WAY_KEPT,
    UNTIL_DELETED,
    Category,
    Counted,
    Tag,
    each,
    held,
    session_days_kept,
)

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
)

TAGS: Mapping[str, Mapping[str, Tag]] = {
    "users": held(
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
        **held(
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
        **each(ROW, "id", "sign_count", "transports"),
        "user_id": LINK,
        **held(
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
        **each(SECRET, "purpose", "challenge"),
        **held("sign_in", name="Name of the passkey to be", created_at="when you began to add or use one"),
    },
    "sign_in_attempts": {
        **each(SECRET, "id", "token_hash", "state", "nonce", "verifier", "purpose"),
        "session_id": LINK,
        **held(
            "sign_in",
            provider="Provider of a sign-in under way",
            next_path="where you want to be afterwards",
            created_at="when it began",
        ),
    },
    "used_logout_tokens": each(SECRET, "token_hash", "remember_until"),
    "confirmation_codes": {
        **each(LINK, "session_id", "mail_id"),
        "code_hash": SECRET,
        **held(
            "sign_in",
            failed_tries="Wrong tries of a confirmation code",
            created_at="when it was asked for",
            expires_at="when it ends",
        ),
    },
    "sessions": {
        **each(ROW, "id", "token_hash", "set_back_seconds"),
        "user_id": LINK,
        "account_id": LINK,
        **held(
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
        **each(ROW, "id"),
        "session_id": LINK,
        **held(
            "sessions", path="Form left for a confirmation", fields="what you had typed, no secrets", created_at="when"
        ),
    },
    "notice_receipts": {
        "id": ROW,
        "user_id": LINK,
        **held("notices", notice="Notice", version="Version", sha256="Hash of its text", shown_at="When it was shown"),
    },
}

CLAIMS = {
    "sub": "Your identifier there",
    "email": "E-mail address",
    "email_verified": "It has verified the address",
    "name": "Name",
    "auth_time": "When it last asked you to sign in",
}
"""What is kept of what a provider sends, in words (OpenID Connect Core 1.0, 2 and 5.1)."""
