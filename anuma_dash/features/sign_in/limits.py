"""What of signing in has a limit that a clock set back would lengthen: trips to providers, codes, challenges."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.domain.passkeys import PasskeyChallenge
from anuma_dash.features.sign_in.models import ConfirmationCode, SignInAttempt


def shorten(tx: Session, by: timedelta) -> None:
    """Let each of them have begun so much earlier, and so end earlier."""
    for attempt in tx.scalars(select(SignInAttempt).with_for_update()):
        attempt.created_at -= by
    for challenge in tx.scalars(select(PasskeyChallenge).with_for_update()):
        challenge.created_at -= by
    for code in tx.scalars(select(ConfirmationCode).with_for_update()):
        code.created_at, code.expires_at = code.created_at - by, code.expires_at - by
