"""What needs somebody: an account that is being closed, or suspended."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import Database
from anuma_dash.domain.attention import Attention
from anuma_dash.features.account.service import days_left
from anuma_dash.gateway.schemas import Overview
from anuma_dash.identity import find_account
from anuma_dash.workflows import Clock


def attention(db: Database, clock: Clock, account_id: UUID, _: Overview | None) -> list[Attention]:
    """The standstill of an account, if there is one."""
    with db.reading() as tx:
        account = find_account(tx, account_id)
    found = []
    if account.status == "suspended":
        found.append(Attention("the account is suspended", "account.index"))
    if account.closes_at is not None:
        days = days_left(account.closes_at, clock())
        when = "in less than a day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
        over = account.closes_at <= clock()
        words = "the account is being closed" if over else f"the stored content of the account is deleted {when}"
        found.append(Attention(words, "account.index"))
    return found
