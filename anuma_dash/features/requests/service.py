"""Reading the request log from the gateway. Looking at content is recorded."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.errors import GatewayError, GatewayRefused, NotFound
from anuma_dash.features.requests.filters import Filters
from anuma_dash.gateway import schemas
from anuma_dash.gateway.together import together
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

KEYS_TO_CHOOSE_FROM = 200
MISSING = "There is no such request."


def list_requests(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, *, after: UUID | None, limit: int
) -> schemas.Page[schemas.RequestSummary]:
    """A page of the log, newest first. Raises `GatewayError`."""
    return context.gateway.requests(actor, account_id, **filters.query(), after=after, limit=limit)


def list_requests_and_keys(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, *, after: UUID | None, limit: int
) -> tuple[schemas.Page[schemas.RequestSummary], list[schemas.Key]]:
    """A page of the log, and the keys to choose from, asked for at once; without keys if those cannot be had.

    Raises `GatewayError` if the log cannot be had.
    """

    def log() -> schemas.Page[schemas.RequestSummary]:
        return list_requests(context, actor, account_id, filters, after=after, limit=limit)

    def keys() -> list[schemas.Key]:
        try:
            return context.gateway.keys(actor, account_id, limit=KEYS_TO_CHOOSE_FROM).data
        except GatewayError:
            return []

    return together(context.gateway.budget_seconds, log, keys)


def find_request(context: Context, actor: Actor, account_id: UUID, request_id: UUID) -> schemas.Request:
    """The metadata of one request. Raises `NotFound`, `GatewayError`."""
    try:
        return context.gateway.request(actor, account_id, request_id)
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound(MISSING) from None
        raise


def may_read_content(actor: Actor, request: schemas.RequestSummary) -> bool:
    """Whether the actor may read what this request stored: the account's owners, and who made its key."""
    if actor.may(Permission.READ_CONTENT):
        return True
    own = request.created_by is not None and request.created_by == actor.user_id
    return own and actor.may(Permission.READ_OWN_CONTENT)
