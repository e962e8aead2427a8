"""Whose key ends so: for the service's own staff, who then know the accounts and nothing else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select

from anuma_dash.gateway.schemas import LAST_FOUR, KeyOwners

from ..tables import api_keys
from .callers import ServiceReader

router = APIRouter(tags=["keys"])
MAX_OWNERS = 50
LastFour = Annotated[str, Query(pattern=LAST_FOUR, description="The last four characters of a key")]


@router.get("/key-owners")
def list_key_owners(caller: ServiceReader, last_four: LastFour) -> KeyOwners:
    """The accounts that have a key with these last four characters, revoked ones too. The token's `acc` is `*`."""
    query = (
        select(api_keys.c.account_id)
        .where(api_keys.c.last_four == last_four)
        .distinct()
        .order_by(api_keys.c.account_id)
        .limit(MAX_OWNERS + 1)
    )
    with caller.gateway.stores.main.read() as connection:
        found = list(connection.scalars(query))
    return KeyOwners(account_ids=found[:MAX_OWNERS], more=len(found) > MAX_OWNERS)
