"""Why an account is at a standstill, for the banner on each of its pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from anuma_dash.domain.closings import AccountClosing, closing_of
from anuma_dash.domain.suspensions import AccountSuspension, suspension_of
from anuma_dash.identity import Account, Permission
from anuma_dash.web.state import actor, services, viewer


@dataclass(frozen=True)
class Halt:
    """The suspension, the closing, or both. `keys_stopped_at` is the gateway's own word, None until it has said so."""

    suspension: AccountSuspension | None
    closing: AccountClosing | None
    keys_stopped_at: datetime | None
    may_close: bool


def account_halt() -> Halt | None:
    """Of the current account; None if nothing stands in its way."""
    found = viewer()
    if found is None or found.account is None:
        return None
    account = found.account
    if account.status == "active" and account.closes_at is None:
        return None
    with services().db.reading() as tx:
        suspension = suspension_of(tx, account.id) if account.status == "suspended" else None
        closing = closing_of(tx, account.id)
    return Halt(suspension, closing, keys_stopped_at(account), actor().may(Permission.CLOSE_ACCOUNT))


def keys_stopped_at(account: Account) -> datetime | None:
    """Since when the gateway refuses the account's keys, by its own word on the latest change; None as long as it has
    not confirmed."""
    if account.gateway_synced_at is None or account.gateway_status not in ("suspended", "closed"):
        return None
    return account.gateway_status_at
