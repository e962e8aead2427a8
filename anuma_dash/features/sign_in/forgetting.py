"""Deleting what a sign-in or a confirmation under way leaves behind when nobody comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete
from sqlalchemy.orm import Session

from anuma_dash.domain.data_register import UNDER_WAY_KEPT
from anuma_dash.domain.passkeys import PasskeyChallenge
from anuma_dash.features.sign_in.models import ConfirmationCode, SignInAttempt, UsedLogoutToken
from anuma_dash.web.sessions import Draft


def forget_old(tx: Session, now: datetime) -> int:
    """Delete it; returns how many rows there were."""
    before = now - UNDER_WAY_KEPT
    old = (
        delete(SignInAttempt).where(SignInAttempt.created_at < before),
        delete(ConfirmationCode).where(ConfirmationCode.expires_at < before),
        delete(PasskeyChallenge).where(PasskeyChallenge.created_at < before),
        delete(Draft).where(Draft.created_at < before),
        delete(UsedLogoutToken).where(UsedLogoutToken.remember_until < before),
    )
    return sum(cast(CursorResult[Any], tx.execute(one)).rowcount for one in old)
