"""What needs somebody: keys about to expire, revocations that the gateway has not confirmed."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import Database
from anuma_dash.domain.attention import Attention
from anuma_dash.domain.key_revocations import unconfirmed_revocations
from anuma_dash.features.keys.service import unsettled_intents
from anuma_dash.gateway.schemas import Overview
from anuma_dash.workflows import Clock


def attention(db: Database, clock: Clock, account_id: UUID, overview: Overview | None) -> list[Attention]:
    """The keys of the account that need somebody, the most pressing first."""
    with db.reading() as tx:
        revocations = unconfirmed_revocations(tx, account_id)
        intents = unsettled_intents(tx, account_id)
    pending = {revocation.key_id for revocation in revocations}
    found = [
        Attention(
            f"the gateway has not confirmed that the key {revocation.key_name} is revoked",
            "keys.show",
            {"key_id": revocation.key_id},
        )
        for revocation in revocations
    ]
    found += [
        Attention(f"the gateway has not said whether it made the key {intent.name}", "keys.index") for intent in intents
    ]
    for key in overview.expiring_keys if overview else []:
        if key.expires_at is not None and key.id not in pending:
            days = max(0, (key.expires_at - clock()).days)
            when = "in less than a day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
            found.append(Attention(f"the key {key.name} expires {when}", "keys.show", {"key_id": key.id}))
    return found
