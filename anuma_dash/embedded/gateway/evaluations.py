"""Evaluations of requests: a name, a score and a comment, sealed together under a data key of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, select

from anuma_dash.gateway.schemas import Evaluation, NewEvaluation

from .content_tables import evaluations
from .encryption import Sealed, seal, unseal
from .keeping import NewKey, NotKept
from .policy import State, Subject, decide, parse_stricter, read_policy, retention_cutoff, retention_days
from .stores import add_up
from .tables import api_keys, content_days, requests

CATEGORY: Final = "evaluations"
MOST_OF_A_REQUEST: Final = 100
_TABLE: Final = evaluations.name


@dataclass(frozen=True)
class Giver:
    """Who gives an evaluation: a person on a page, or a program with a key."""

    person: UUID | None = None
    key_id: UUID | None = None


def find_request(connection: Connection, account: UUID, request_id: UUID, app: UUID | None = None) -> Row[Any] | None:
    """The request that is evaluated, as far as a decision about it needs it.

    Args:
        app: only one that came with a key of this app.
    """
    columns = (requests.c.id, requests.c.key_id, requests.c.created_by, requests.c.other_controls)
    query: Select[Any] = (
        select(*columns, api_keys.c.app_id, api_keys.c.stricter)
        .join(api_keys, api_keys.c.id == requests.c.key_id)
        .where(requests.c.id == request_id, requests.c.account_id == account)
    )
    if app is not None:
        query = query.where(api_keys.c.app_id == app)
    return connection.execute(query).one_or_none()


def add(
    connection: Connection,
    key: NewKey,
    account: UUID,
    request: Row[Any],
    evaluation_id: UUID,
    new: NewEvaluation,
    giver: Giver,
    now: datetime,
) -> Evaluation:
    """Write an evaluation, if the control allows it in this transaction.

    Raises:
        NotKept: it does not, or the request has as many as one may have.
    """
    policy = read_policy(connection, account, steady=True)
    subject = Subject(request.key_id, request.app_id, request.created_by, parse_stricter(request.stricter))
    if not decide(policy, "evaluations", subject).stored or _asked_to_keep_nothing(request):
        raise NotKept(403, "evaluations_off", "Evaluations of this request are not kept: the control is off for it.")
    column = evaluations.c
    if (connection.scalar(select(func.count()).where(column.request_id == request.id)) or 0) >= MOST_OF_A_REQUEST:
        message = f"A request has at most {MOST_OF_A_REQUEST} evaluations, and this one has them."
        raise NotKept(409, "evaluations_full", message)
    words = json.dumps(new.model_dump(), ensure_ascii=False, separators=(",", ":")).encode()
    sealed = seal(key.secret, words, table=_TABLE, row=evaluation_id, account=account)
    row = {
        "id": evaluation_id,
        "account_id": account,
        "request_id": request.id,
        "created_at": now,
        "created_by": request.created_by,
        "person": giver.person,
        "key_id": giver.key_id,
        "bytes": sealed.plain_bytes,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }
    connection.execute(insert(evaluations).values(row))
    owner = request.created_by or account
    day = {"account_id": account, "category": CATEGORY, "owner": owner, "day": now.date()}
    add_up(connection, content_days, day, {"entries": 1, "bytes": sealed.plain_bytes})
    made = connection.execute(select(evaluations).where(column.id == evaluation_id)).one()
    key.used = True
    return show(made, key.secret, policy.state)


def show(row: Row[Any], key: bytes, state: State) -> Evaluation:
    """An evaluation in clear.

    Raises:
        Unreadable: it was moved or altered.
    """
    sealed = Sealed(row.nonce, row.ciphertext)
    words = json.loads(unseal(key, sealed, table=_TABLE, row=row.id, account=row.account_id))
    days = retention_days(state, CATEGORY)
    return Evaluation(
        id=row.id,
        request_id=row.request_id,
        created_at=row.created_at,
        **words,
        person=row.person,
        key_id=row.key_id,
        expires_at=None if days is None else row.created_at + timedelta(days=days),
    )


def unexpired(account: UUID, state: State, now: datetime) -> ColumnElement[bool]:
    """The account's evaluations that are not past their period."""
    column, cutoff = evaluations.c, retention_cutoff(state, now, CATEGORY)
    own = column.account_id == account
    return own if cutoff is None else and_(own, column.created_at > cutoff)


def _asked_to_keep_nothing(request: Row[Any]) -> bool:
    decided = json.loads(request.other_controls or "{}").get(CATEGORY)
    return decided is not None and decided[1] == "request_header"
