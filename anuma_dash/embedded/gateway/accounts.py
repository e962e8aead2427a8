"""A new account's rows: everything off, and one app."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, insert

from .identifiers import uuid7
from .policy import body_hash, new_state
from .tables import accounts, apps, controls

DEFAULT_APP: Final = "Default"


def add_account(connection: Connection, account: UUID, now: datetime, **values: Any) -> UUID:
    """Insert an account with these columns, its controls at epoch 0, its default app, whose id is returned."""
    connection.execute(insert(accounts).values(id=account, created_at=now, **values))
    connection.execute(
        insert(controls).values(
            account_id=account,
            epoch=0,
            body_hash=body_hash({}),
            applied_at=now,
            state=new_state(now).model_dump_json(),
        )
    )
    app_id = uuid7(now)
    app = {"id": app_id, "account_id": account, "name": DEFAULT_APP, "created_at": now}
    connection.execute(insert(apps).values(**app, is_default=True, is_active=True))
    return app_id
