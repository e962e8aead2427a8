"""`POST /v1/requests/{id}/evaluations`: a program gives a request of its own app a score and a comment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from anuma_dash.gateway.schemas import Evaluation, NewEvaluation

from .. import evaluations as work
from ..identifiers import uuid7
from ..internal.idempotency import lock_account
from ..keeping import NotKept, new_key
from . import refusals
from .admission import Admitted
from .kept import Kept


class Evaluations(Kept):
    """The endpoint."""

    async def answer(self, scope: Scope, headers: Headers, receive: Receive, admitted: Admitted) -> tuple[int, bytes]:
        """Write it, or say why not."""
        new = await self.body(NewEvaluation, headers, receive)
        request_id = _identifier(scope.get("path_params", {}).get("request_id"))
        keeps = admitted.keeps(headers.getlist("x-anuma-store"))
        made = await self.gateway.in_thread(lambda: self._add(admitted, request_id, new, keeps=keeps))
        return 201, made.model_dump_json().encode()

    def _add(self, admitted: Admitted, request_id: UUID, new: NewEvaluation, *, keeps: bool) -> Evaluation:
        gateway, account, now = self.gateway, admitted.account, self.gateway.now()
        evaluation_id, subject = uuid7(now), admitted.subject
        with (
            new_key(gateway.vault, work.CATEGORY, account, evaluation_id, now) as key,
            gateway.stores.main.write(durable=True) as connection,
        ):
            lock_account(connection, account)
            request = work.find_request(connection, account, request_id, subject.app_id)
            if request is None:
                raise refusals.request_not_found()
            if not keeps:
                raise NotKept(403, "evaluations_off", "This call said X-Anuma-Store: none, so nothing of it is kept.")
            giver = work.Giver(key_id=subject.key_id)
            return work.add(connection, key, account, request, evaluation_id, new, giver, now)


def _identifier(given: Any) -> UUID:
    try:
        return UUID(str(given))
    except ValueError:
        raise refusals.request_not_found() from None
