"""Controls: the whole requested state under an epoch, and which rule decides for a key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection, select, update

from anuma_dash.gateway.schemas import Controls, Decision, EffectivePolicy, RequestedControls

from .. import problems
from ..policy import (
    CONTROL_NAMES,
    Subject,
    body_hash,
    controls_for,
    controls_of,
    decide,
    next_state,
    parse_state,
    parse_stricter,
    read_policy,
)
from ..problems import Refused
from ..tables import api_keys, apps, controls
from .callers import Caller, Reader, Writer
from .idempotency import lock_account

router = APIRouter(tags=["controls"])


@router.get("/accounts/{acc}/controls")
def get_controls(caller: Reader) -> Controls:
    """The state that the gateway obeys."""
    with caller.gateway.stores.main.read() as connection:
        return controls_for(read_controls(connection, caller.account), caller.token.person)


@router.put("/accounts/{acc}/controls")
def put_controls(caller: Writer, body: RequestedControls) -> Controls:
    """Apply a requested state.

    The same epoch and body answer the original times. A lower epoch, or the same with another body, is a conflict.
    No policy is cached anywhere, so what this transaction commits is in effect when it has committed.
    """
    if len(body.controls) != len(CONTROL_NAMES):
        raise Refused(422, "controls_incomplete", f"Send all of: {', '.join(CONTROL_NAMES)}.")
    digest = body_hash(body)
    with caller.gateway.stores.main.write(durable=True) as connection:
        lock_account(connection, caller.account)
        row = connection.execute(select(controls).where(controls.c.account_id == caller.account)).one()
        repeated = body.epoch == row.epoch and digest == row.body_hash
        if body.epoch <= row.epoch and not repeated:
            raise Refused(
                409,
                "epoch_conflict",
                "The gateway obeys a later epoch, or this one with another body.",
                stored_epoch=row.epoch,
                body_hash=row.body_hash,
            )
        if not repeated:
            _apply(connection, caller, body, digest, row.state)
        return read_controls(connection, caller.account)


@router.get("/accounts/{acc}/effective-policy")
def get_effective_policy(
    caller: Reader,
    key: Annotated[UUID, Query(description="The key that would be used")],
    model: Annotated[str | None, Query(max_length=200)] = None,
) -> EffectivePolicy:
    """What would happen to the next request of a key, and which rule decides, per control."""
    with caller.gateway.stores.main.read() as connection:
        row = connection.execute(
            select(api_keys, apps.c.name.label("app_name"))
            .join(apps, apps.c.id == api_keys.c.app_id)
            .where(api_keys.c.id == key, api_keys.c.account_id == caller.account)
        ).one_or_none()
        if row is None:
            raise problems.not_found()
        policy = read_policy(connection, caller.account)
    ended = row.expires_at is not None and row.expires_at <= caller.gateway.now()
    stopped = row.deactivated_at is not None and policy.account_status == "active"
    subject = Subject(row.id, row.app_id, row.created_by, parse_stricter(row.stricter))
    decisions = {name: decide(policy, name, subject) for name in CONTROL_NAMES}
    if row.revoked_at is not None or stopped or ended:
        refused = Decision(stored=False, rule="key_unknown", level="key", epoch=policy.epoch)
        decisions = dict.fromkeys(CONTROL_NAMES, refused)
    return EffectivePolicy(
        key_id=key,
        key_name=row.name,
        app_id=row.app_id,
        app_name=row.app_name,
        person=row.created_by,
        model=model,
        decisions=decisions,
    )


def read_controls(connection: Connection, account: UUID) -> Controls:
    """The controls of an account that exists."""
    return controls_of(connection.execute(select(controls).where(controls.c.account_id == account)).one())


def _apply(connection: Connection, caller: Caller, body: RequestedControls, digest: str, present: str) -> None:
    now = caller.gateway.now()
    state = next_state(parse_state(present), body, now)
    values = {
        "epoch": body.epoch,
        "body_hash": digest,
        "applied_at": now,
        "state": state.model_dump_json(),
    }
    connection.execute(update(controls).where(controls.c.account_id == caller.account).values(values))
    caller.gateway.journal.controls(connection, caller.account, body.epoch, digest, state, now)
