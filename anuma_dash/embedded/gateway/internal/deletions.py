"""Deletions: asked for, listed, looked at."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from sqlalchemy import Connection, select

from anuma_dash.gateway.schemas import Deletion, DeletionPreview, DeletionScope, NewDeletion, Page

from .. import deletions as work
from .. import problems
from ..background import Background
from ..holds import HoldsUnreadable
from ..tables import deletions
from . import idempotency
from .callers import Reader, Writer
from .listing import After, Limit, keyset, page

router = APIRouter(tags=["deletions"])


@router.post("/accounts/{acc}/deletions", status_code=status.HTTP_202_ACCEPTED)
def create_deletion(request: Request, caller: Writer, body: NewDeletion, idempotency_key: idempotency.Key) -> Deletion:
    """Accept a deletion. A repetition of its identifier answers how far it is."""
    repeatable = idempotency.Repeatable(caller, idempotency_key, "create_deletion", body)
    with caller.gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, caller.account)
        earlier = repeatable.earlier(connection)
        if earlier is None:
            _accept(connection, caller.account, body, caller)
            shown = _find(connection, caller.account, body.id)
            repeatable.remember(connection, shown)
        else:
            shown = Deletion.model_validate_json(earlier)
    background: Background = request.app.state.background
    background.wake()
    return shown


@router.get("/accounts/{acc}/deletion-previews")
def preview_deletion(caller: Reader, scope: Annotated[DeletionScope, Query()]) -> DeletionPreview:
    """What a deletion of this scope would delete, counted now. It changes nothing.

    Of other people's conversations and memories no person is told how many there are.
    """
    try:
        with caller.gateway.stores.main.read() as connection:
            return work.preview(connection, caller.account, scope, caller.gateway.now(), caller.token.person)
    except HoldsUnreadable:
        raise problems.holds_unreadable() from None


@router.get("/accounts/{acc}/deletions")
def list_deletions(caller: Reader, after: After = None, limit: Limit = 50) -> Page[Deletion]:
    """The account's deletions."""
    query = select(deletions).where(deletions.c.account_id == caller.account)
    with caller.gateway.stores.main.read() as connection:
        rows = connection.execute(keyset(query, deletions.c.id, after, limit)).all()
    return page(rows, limit, work.show)


@router.get("/accounts/{acc}/deletions/{deletion_id}")
def get_deletion(caller: Reader, deletion_id: UUID) -> Deletion:
    """One deletion. An unknown one is missing, never "deleted"."""
    with caller.gateway.stores.main.read() as connection:
        return _find(connection, caller.account, deletion_id)


def _accept(connection: Connection, account: UUID, body: NewDeletion, caller: Writer) -> None:
    row = connection.execute(select(deletions).where(deletions.c.id == body.id)).one_or_none()
    if row is None:
        now = caller.gateway.now()
        work.accept(connection, account, body, now)
        caller.gateway.journal.deletion(connection, account, body.id, body.scope, now)
    elif row.account_id != account or work.scope_of(row) != body.scope:
        raise problems.Refused(409, "deletion_id_reused", "This identifier is another deletion's.")


def _find(connection: Connection, account: UUID, deletion_id: UUID) -> Deletion:
    query = select(deletions).where(deletions.c.id == deletion_id, deletions.c.account_id == account)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise problems.not_found()
    return work.show(row)
