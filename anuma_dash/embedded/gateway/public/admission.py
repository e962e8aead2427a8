"""Who calls: the key, its account and the policy at arrival, read in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from starlette.datastructures import Headers

from anuma_dash.gateway.schemas import ControlName, Decision

from .. import api_keys as key_format
from ..policy import CONTROL_NAMES, Policy, Subject, decide, parse_state, parse_stricter
from ..statements import Statement
from ..stores import Store
from ..tables import accounts, api_keys, controls, credits
from . import refusals
from .refusals import Refusal

_KEY = (
    select(
        api_keys.c.id,
        api_keys.c.account_id,
        api_keys.c.created_by,
        api_keys.c.app_id,
        api_keys.c.stricter,
        api_keys.c.environment,
        api_keys.c.expires_at,
        api_keys.c.revoked_at,
        api_keys.c.deactivated_at,
        accounts.c.status,
        controls.c.epoch,
        controls.c.state,
        credits.c.account_id.is_not(None).label("has_credit"),
    )
    .join(accounts, accounts.c.id == api_keys.c.account_id)
    .join(controls, controls.c.account_id == accounts.c.id)
    .outerjoin(credits, credits.c.account_id == accounts.c.id)
)
_BY_FINGERPRINT = Statement(_KEY.where(api_keys.c.fingerprint == bindparam("fingerprint")))
_BY_ID = Statement(_KEY.where(api_keys.c.id == bindparam("id"), api_keys.c.account_id == bindparam("account")))


@dataclass(frozen=True)
class Admitted:
    """A known key. `refusal` says why it may not go on; the request is metered all the same.

    `has_credit`: the account's credit bounds what it may spend.
    """

    account: UUID
    subject: Subject
    environment: str
    policy: Policy
    refusal: Refusal | None
    has_credit: bool = False

    def decisions(self, store_headers: Sequence[str]) -> dict[ControlName, Decision]:
        """What each control allows, at arrival. The header only switches off, wherever in it that is said."""
        decided = {name: decide(self.policy, name, self.subject) for name in CONTROL_NAMES}
        if self.keeps(store_headers):
            return decided
        off = {"stored": False, "rule": "request_header", "level": "request"}
        return {name: one.model_copy(update=off) if one.stored else one for name, one in decided.items()}

    @staticmethod
    def keeps(headers: Sequence[str]) -> bool:
        """Whether a header that only switches off leaves things on: not if it says `none` anywhere."""
        said = (one.strip().strip('"').lower() for header in headers for one in header.split(","))
        return "none" not in said


def presented_key(headers: Headers) -> str:
    """The key of the request's headers.

    Raises:
        Refusal: there is none, there are two, or it cannot be one.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    bearer = value.strip() if scheme.lower() == "bearer" else ""
    other = headers.get("x-api-key", "").strip()
    if bearer and other and bearer != other:
        raise refusals.conflicting_keys()
    presented = bearer or other
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


def _find(store: Store, query: Statement, which: dict[str, Any], now: datetime) -> Admitted | None:
    rows = store.look_up(query, which)
    if not rows:
        return None
    ((key_id, account, person, app_id, stricter, environment, *times, status, epoch, state, has_credit),) = rows
    policy = Policy(account_status=status, epoch=epoch, state=parse_state(state))
    subject = Subject(key_id, app_id, person, parse_stricter(stricter))
    return Admitted(account, subject, environment, policy, _refusal(status, now, *times), has_credit)


def _refusal(
    status: str,
    now: datetime,
    expires_at: datetime | None,
    revoked_at: datetime | None,
    deactivated_at: datetime | None,
) -> Refusal | None:
    if revoked_at is not None:
        return refusals.revoked_key()
    if expires_at is not None and expires_at <= now:
        return refusals.expired_key()
    if status != "active":
        return refusals.account_not_active(status)
    return refusals.deactivated_key() if deactivated_at is not None else None
