"""Who calls: the key, its account and the policy at arrival, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from starlette.datastructures import Headers

from anuma_dash.gateway.schemas import Decision

from .. import api_keys as key_format
from ..policy import Policy, decide, parse_state
from ..stores import Store
from ..tables import accounts, api_keys, controls
from . import refusals
from .refusals import Refusal

_KEY = (
    select(
        api_keys.c.id,
        api_keys.c.account_id,
        api_keys.c.created_by,
        api_keys.c.environment,
        api_keys.c.expires_at,
        api_keys.c.revoked_at,
        accounts.c.status,
        controls.c.epoch,
        controls.c.state,
    )
    .join(accounts, accounts.c.id == api_keys.c.account_id)
    .join(controls, controls.c.account_id == accounts.c.id)
)
_BY_FINGERPRINT = _KEY.where(api_keys.c.fingerprint == bindparam("fingerprint"))
_BY_ID = _KEY.where(api_keys.c.id == bindparam("id"), api_keys.c.account_id == bindparam("account"))


@dataclass(frozen=True)
class Admitted:
    """A known key. `refusal` says why it may not go on; the request is metered all the same."""

    account: UUID
    key_id: UUID
    created_by: UUID | None
    environment: str
    policy: Policy
    refusal: Refusal | None

    def decision(self, store_header: str | None) -> Decision:
        """Whether content may be stored, at arrival. The header only switches off."""
        decision = decide(self.policy, "prompt_logging", self.key_id, self.created_by)
        if decision.stored and store_header is not None and store_header.strip().lower() == "none":
            return decision.model_copy(update={"stored": False, "rule": "request_header", "level": "request"})
        return decision


def presented_key(headers: Headers) -> str:
    """The key of the request's headers.

    Raises:
        Refusal: there is none, or it cannot be one.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    presented = value.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
    if not presented:
        raise refusals.no_key()
    if not key_format.is_well_formed(presented):
        raise refusals.mistyped_key()
    return presented


def admit(store: Store, presented: str, now: datetime) -> Admitted:
    """Look a well-formed key up.

    Raises:
        Refusal: nobody's key.
    """
    admitted = _find(store, _BY_FINGERPRINT, {"fingerprint": key_format.fingerprint(presented)}, now)
    if admitted is None:
        raise refusals.unknown_key()
    return admitted


def admit_by_id(store: Store, account: UUID, key_id: UUID, now: datetime) -> Admitted | None:
    """A key of this account, without its secret: for requests that the gateway makes itself."""
    return _find(store, _BY_ID, {"id": key_id, "account": account}, now)


def _find(store: Store, query: Select[Any], which: dict[str, Any], now: datetime) -> Admitted | None:
    with store.read() as connection:
        row = connection.execute(query, which).one_or_none()
    if row is None:
        return None
    policy = Policy.model_construct(account_status=row.status, epoch=row.epoch, state=parse_state(row.state))
    refusal = _refusal(row.status, row.revoked_at, row.expires_at, now)
    return Admitted(row.account_id, row.id, row.created_by, row.environment, policy, refusal)


def _refusal(status: str, revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> Refusal | None:
    if revoked_at is not None:
        return refusals.revoked_key()
    if expires_at is not None and expires_at <= now:
        return refusals.expired_key()
    if status != "active":
        return refusals.account_not_active(status)
    return None
