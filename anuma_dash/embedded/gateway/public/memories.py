"""`/v1/memories`: what the person whose key it is (of a service key, the account) wants models to be told."""

from __future__ import annotations

from itertools import islice
from uuid import UUID

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope

from anuma_dash.gateway.schemas import Memory, NewMemory, Page

from .. import memories as work
from ..encryption import Unreadable
from ..identifiers import uuid7
from ..internal.idempotency import lock_account
from ..keeping import NotKept, new_key
from ..policy import read_policy
from . import refusals
from .admission import Admitted
from .endpoints import invalid
from .kept import Kept

_LIMIT, _MOST = 50, 200


class Memories(Kept):
    """The endpoint."""

    async def answer(self, scope: Scope, headers: Headers, receive: Receive, admitted: Admitted) -> tuple[int, bytes]:
        """List those that this app may use, or keep one."""
        if scope["method"] != "POST":
            after, limit = _page(QueryParams(scope.get("query_string", b"")))
            page = await self.gateway.in_thread(lambda: self._list(admitted, after, limit))
            return 200, page.model_dump_json().encode()
        new = await self.body(NewMemory, headers, receive)
        if not admitted.keeps(headers.getlist("x-anuma-store")):
            raise NotKept(403, "memories_off", "This call said X-Anuma-Store: none, so nothing of it is kept.")
        made = await self.gateway.in_thread(lambda: self._add(admitted, new))
        return 201, made.model_dump_json().encode()

    def _list(self, admitted: Admitted, after: UUID | None, limit: int) -> Page[Memory]:
        gateway, owner = self.gateway, _owner(admitted)
        with gateway.stores.main.read() as connection:
            policy = read_policy(connection, admitted.account)
            work.check_allowed(policy, admitted.subject)
            kept = work.unexpired(owner, policy.state, gateway.now())
            every = work.read(connection, gateway.vault, admitted.account, kept, after)
            try:
                found = list(islice((p for p in every if work.may_be_told(p[0], admitted.subject.app_id)), limit + 1))
            except Unreadable as error:
                gateway.log.error("memory_unreadable", error)
                raise refusals.internal_error() from None
        shown = [work.show(row, text, owner, policy.state) for row, text in found[:limit]]
        return Page(data=shown, next=str(shown[-1].id) if len(found) > limit else None)

    def _add(self, admitted: Admitted, new: NewMemory) -> Memory:
        gateway, owner, now = self.gateway, _owner(admitted), self.gateway.now()
        memory_id = uuid7(now)
        with (
            new_key(gateway.vault, work.CATEGORY, admitted.account, memory_id, now) as key,
            gateway.stores.main.write(durable=True) as connection,
        ):
            lock_account(connection, admitted.account)
            policy = read_policy(connection, admitted.account, steady=True)
            work.check_allowed(policy, admitted.subject)
            row = work.add(connection, key, owner, memory_id, new, now, program=admitted.subject)
        return work.show(row, new.text, owner, policy.state)


def _owner(admitted: Admitted) -> work.Owner:
    return work.Owner(admitted.account, admitted.subject.person)


def _page(query: QueryParams) -> tuple[UUID | None, int]:
    try:
        after = UUID(query["after"]) if "after" in query else None
    except ValueError:
        raise invalid("'after' must be the 'next' of the page before.", "after") from None
    given = query.get("limit", str(_LIMIT))
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(_MOST)) and 1 <= int(given) <= _MOST):
        raise invalid(f"'limit' must be a number from 1 to {_MOST}.", "limit")
    return after, int(given)
