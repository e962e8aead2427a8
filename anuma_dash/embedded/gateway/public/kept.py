"""What programs read and write with a key and no model: who asks, what they send, and refusals in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ..core import Gateway
from ..keeping import NotKept
from . import refusals
from .admission import Admitted, admit, presented_key
from .answers import JSON, send_all, send_refusal
from .endpoints import invalid
from .metered import ClientGone, read_body
from .rates import Rates
from .refusals import Refusal

Body = TypeVar("Body", bound=BaseModel)


class Kept:
    """One endpoint, an ASGI application. It is not metered: nothing is routed."""

    most_body_bytes: ClassVar[int] = 2**16

    def __init__(self, gateway: Gateway, rates: Rates) -> None:
        self.gateway = gateway
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        try:
            admitted = await self._admit(headers)
            status, answer = await self.answer(scope, headers, receive, admitted)
        except Refusal as refusal:
            await send_refusal(send, refusal)
        except NotKept as refused:
            await send_refusal(send, Refusal(refused.status, refused.code, refused.message))
        except ClientGone:
            return
        else:
            await send_all(send, status, [JSON], answer)

    async def answer(self, scope: Scope, headers: Headers, receive: Receive, admitted: Admitted) -> tuple[int, bytes]:
        """The status and the body. May raise `Refusal` and `NotKept`."""
        raise NotImplementedError

    async def body(self, model: type[Body], headers: Headers, receive: Receive) -> Body:
        """The body that was sent.

        Raises:
            Refusal: it is too long, too slow, no JSON, or not what the endpoint takes.
        """
        try:
            async with asyncio.timeout(self.gateway.settings.body_seconds):
                data = await read_body(headers, receive, self.most_body_bytes)
        except TimeoutError:
            raise refusals.body_too_slow() from None
        try:
            sent = json.loads(data)
        except (ValueError, RecursionError):
            raise refusals.bad_body("invalid_json", "The request body is not JSON.") from None
        try:
            return model.model_validate(sent)
        except ValidationError as error:
            raise _invalid(error, frozenset(model.model_fields)) from None

    async def _admit(self, headers: Headers) -> Admitted:
        gateway, presented, now = self.gateway, presented_key(headers), self.gateway.now()
        admitted = await gateway.look_up(lambda: admit(gateway.stores.main, presented, now))
        if admitted.refusal is not None:
            raise admitted.refusal
        if wait_seconds := self._rates.take(admitted.subject.key_id):
            raise refusals.rate_limited(wait_seconds)
        return admitted


def _invalid(error: ValidationError, known: frozenset[str]) -> Refusal:
    """It names a field only if that is one of ours: other names are the caller's own words."""
    places = [str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False) if one["loc"]]
    named = next((place for place in places if place in known), None)
    if named is None:
        return invalid(f"The request body is an object with: {', '.join(sorted(known))}. Nothing else.")
    return invalid(f"'{named}' is missing or not as it must be.", named)
