"""Keys: made (the secret is shown once), listed, activated again, revoked."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from sqlalchemy import Connection, insert, select, update

from anuma_dash.gateway.schemas import CreatedKey, Key, KeyChange, NewKey, Page

from .. import api_keys as key_format
from .. import problems
from ..identifiers import uuid7
from ..problems import Refused
from ..tables import accounts, api_keys, apps
from . import idempotency
from .callers import Caller, Reader, Writer
from .key_rows import select_keys, show_key
from .listing import After, Limit, keyset, page

router = APIRouter(tags=["keys"])
Person = Annotated[UUID | None, Query(description="Only keys that this person made")]


@router.post("/accounts/{acc}/keys", status_code=status.HTTP_201_CREATED)
def create_key(caller: Writer, body: NewKey, idempotency_key: idempotency.Key) -> CreatedKey:
    """Make a key. A repetition gets the same key without the secret."""
    work = idempotency.Repeatable(caller, idempotency_key, "create_key", body)
    with caller.gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, caller.account)
        earlier = work.earlier(connection)
        if earlier is not None:
            return CreatedKey.model_validate_json(earlier)
        _check_active(connection, caller)
        secret = key_format.new_secret(body.environment)
        key = _find(connection, caller, _insert(connection, caller, body, secret))
        kept = CreatedKey(**key.model_dump(), secret=None, code="secret_already_shown")
        work.remember(connection, kept)
    return kept.model_copy(update={"secret": secret, "code": "created"})


@router.get("/accounts/{acc}/keys")
def list_keys(caller: Reader, person: Person = None, after: After = None, limit: Limit = 50) -> Page[Key]:
    """The account's keys, newest first, revoked ones too."""
    now = caller.gateway.now()
    query = select_keys(caller.account, now)
    if person is not None:
        query = query.where(api_keys.c.created_by == person)
    with caller.gateway.stores.main.read() as connection:
        rows = connection.execute(keyset(query, api_keys.c.id, after, limit)).all()
    return page(rows, limit, lambda row: show_key(row, now))


@router.get("/accounts/{acc}/keys/{key_id}")
def get_key(caller: Reader, key_id: UUID) -> Key:
    """One key."""
    with caller.gateway.stores.main.read() as connection:
        return _find(connection, caller, key_id)


@router.patch("/accounts/{acc}/keys/{key_id}")
def change_key(caller: Writer, key_id: UUID, body: KeyChange) -> Key:
    """Change whose key it is; activate one that was deactivated with its account, unless that is suspended or closed.

    Both hold for every request that arrives after the answer.
    """
    with caller.gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, caller.account)
        key = _find(connection, caller, key_id)
        if body.is_active:
            _activate(connection, caller, key)
        if body.created_by is not None and body.created_by != key.created_by:
            _hand_over(connection, caller, key_id, body.created_by)
        return _find(connection, caller, key_id)


@router.delete("/accounts/{acc}/keys/{key_id}")
def revoke_key(caller: Writer, key_id: UUID) -> Key:
    """Revoke a key for good. Asking again gets the same times."""
    with caller.gateway.stores.main.write(durable=True) as connection:
        now = caller.gateway.now()
        revoked = connection.execute(
            update(api_keys)
            .where(
                api_keys.c.id == key_id,
                api_keys.c.account_id == caller.account,
                api_keys.c.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )
        if revoked.rowcount:
            caller.gateway.journal.revocation(connection, caller.account, key_id, now)
        return _find(connection, caller, key_id)


def _activate(connection: Connection, caller: Caller, key: Key) -> None:
    _check_active(connection, caller)
    if key.state in ("revoked", "expired"):
        raise Refused(409, "key_not_usable", f"This key is {key.state}, for good.")
    if key.deactivated_at is not None:
        connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(deactivated_at=None))
        caller.gateway.journal.activation(connection, caller.account, key.id, caller.gateway.now())


def _hand_over(connection: Connection, caller: Caller, key_id: UUID, person: UUID) -> None:
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(created_by=person))
    caller.gateway.journal.handover(connection, caller.account, key_id, person, caller.gateway.now())


def _check_active(connection: Connection, caller: Caller) -> None:
    status = connection.scalar(select(accounts.c.status).where(accounts.c.id == caller.account))
    if status != "active":
        raise Refused(403, f"account_{status}", f"This account is {status}.")


def _insert(connection: Connection, caller: Caller, body: NewKey, secret: str) -> UUID:
    now = caller.gateway.now()
    app_id, key_id = _app_for(connection, caller, body.app_id), uuid7(now)
    connection.execute(
        insert(api_keys).values(
            id=key_id,
            account_id=caller.account,
            app_id=app_id,
            stricter=json.dumps(sorted(body.controls)),
            fingerprint=key_format.fingerprint(secret),
            name=body.name,
            environment=body.environment,
            prefix=secret[: key_format.PREFIX_LENGTH],
            last_four=secret[-4:],
            created_by=body.created_by,
            created_at=now,
            expires_at=body.expires_at,
        )
    )
    return key_id


def _app_for(connection: Connection, caller: Caller, wanted: UUID | None) -> UUID:
    mine = select(apps.c.id, apps.c.is_active).where(apps.c.account_id == caller.account)
    one = apps.c.is_default.is_(True) if wanted is None else apps.c.id == wanted
    row = connection.execute(mine.where(one)).one_or_none()
    if row is None:
        raise Refused(404, "app_unknown", "The account has no such app.")
    if not row.is_active:
        raise Refused(409, "app_retired", "This app is retired.")
    found: UUID = row.id
    return found


def _find(connection: Connection, caller: Caller, key_id: UUID) -> Key:
    now = caller.gateway.now()
    row = connection.execute(select_keys(caller.account, now).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise problems.not_found()
    return show_key(row, now)
