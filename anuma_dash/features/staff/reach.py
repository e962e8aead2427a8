"""What staff pages say beside a promise of mail, where somebody it is for cannot be written to."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.domain.reach import unreached
from anuma_dash.identity import Account, Role, User, find_account
from anuma_dash.workflows import Context


def unreached_in(
    context: Context, account_id: UUID, addressees: Callable[[Session, Account], list[tuple[User, Role]]]
) -> list[str]:
    """A sentence about those whom mail cannot reach, or none. In numbers: staff see no members before they look."""
    with context.db.reading() as tx:
        words = unreached(addressees(tx, find_account(tx, account_id)))
    return [words] if words else []
