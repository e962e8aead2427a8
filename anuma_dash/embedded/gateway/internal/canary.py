"""*Test it now*: a test string through the normal path, then a look at what became of it."""

from __future__ import annotations

import json
import math
import secrets
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, status
from sqlalchemy import insert, select, update

from anuma_dash.gateway.schemas import Canary, ControlName, NewCanary, StoreScan

from .. import problems
from ..core import Gateway
from ..identifiers import uuid7
from ..policy import PERSONAL
from ..problems import Refused
from ..public.admission import Admitted, admit_by_id
from ..public.chat import CHAT
from ..public.echo import Echo
from ..public.exchange import Exchange
from ..public.metered import complete
from ..search import Search
from ..settings import ECHO_MODEL
from ..tables import canaries
from . import idempotency
from .callers import Caller, Writer
from .canary_plants import CallingEcho, Sent, planted

router = APIRouter(tags=["canary"])
_PAUSE: Final = timedelta(minutes=1)
_NOTHING_TO_KEEP: Final = ("no_content", "no_conversation", "not_applicable", "failed")
"""The test request has something for every control: one that says this lost it."""


@router.post("/accounts/{acc}/canary", status_code=status.HTTP_201_CREATED)
async def create_canary(caller: Writer, body: NewCanary, idempotency_key: idempotency.Key) -> Canary:
    """Send a test string under this key and report where it is found. At most once a minute per account.

    A personal control is tested with a key of the caller's own, or a service key.
    """
    gateway = caller.gateway
    repeatable = idempotency.Repeatable(caller, idempotency_key, "create_canary", body)
    earlier = await gateway.in_thread(lambda: _begin(caller, repeatable))
    if earlier is not None:
        return Canary.model_validate_json(earlier)
    admitted = await gateway.in_thread(lambda: _admit(caller, body))
    test_string = f"canary-{secrets.token_hex(20)}"
    sent = await _send(gateway, admitted, test_string, body.control)
    return await gateway.in_thread(lambda: _look(caller, repeatable, sent, body.control))


def _begin(caller: Caller, repeatable: idempotency.Repeatable) -> str | None:
    now = caller.gateway.now()
    with caller.gateway.stores.main.write() as connection:
        idempotency.lock_account(connection, caller.account)
        earlier = repeatable.earlier(connection)
        if earlier is not None:
            return earlier
        own = canaries.c.account_id == caller.account
        last = connection.scalar(select(canaries.c.last_at).where(own))
        if last is None:
            connection.execute(insert(canaries).values(account_id=caller.account, last_at=now))
        else:
            _check_pause(last, now)
            connection.execute(update(canaries).where(own).values(last_at=now))
    return None


def _check_pause(last: datetime, now: datetime) -> None:
    left = last + _PAUSE - now
    if timedelta() < left <= _PAUSE:
        seconds = math.ceil(left.total_seconds())
        raise Refused(429, "canary_too_soon", "One test a minute.", retry_after_seconds=seconds)


def _admit(caller: Caller, body: NewCanary) -> Admitted:
    admitted = admit_by_id(caller.gateway.stores.main, caller.account, body.key_id, caller.gateway.now())
    if admitted is None:
        raise problems.not_found()
    if body.control in PERSONAL and admitted.subject.person not in (None, caller.token.person):
        raise Refused(403, "not_your_key", "What others keep is theirs: test this with a key of your own.")
    if admitted.refusal is not None:
        raise Refused(409, "key_not_usable", admitted.refusal.message)
    return admitted


async def _send(gateway: Gateway, admitted: Admitted, test_string: str, control: ControlName) -> Sent:
    now = gateway.now()
    exchange = Exchange(gateway, admitted, uuid7(now), now, CHAT, is_test=True)
    message = {"role": "user", "content": test_string}
    exchange.order = CHAT.parse(json.dumps({"model": ECHO_MODEL, "messages": [message]}).encode())
    exchange.route = CallingEcho() if control == "traces" else Echo()
    _, settled = await complete(exchange, exchange.order)
    return Sent(gateway, exchange, settled, test_string)


def _look(caller: Caller, repeatable: idempotency.Repeatable, sent: Sent, control: ControlName) -> Canary:
    gateway, exchange, needle = caller.gateway, sent.exchange, sent.test_string.encode()
    search = Search(gateway.stores, gateway.log)
    with planted(control, sent) as found:
        scans = [
            StoreScan(
                store=result.store,
                searched_bytes=result.searched_bytes,
                control_found=result.control_found,
                test_found=needle in result.found,
            )
            for result in search.look_for([needle], gateway.now())
        ]
    clean = all(scan.control_found and not scan.test_found for scan in scans)
    decision = found.decision
    canary = Canary(
        id=uuid7(gateway.now()),
        at=exchange.arrived_at,
        key_id=exchange.admitted.subject.key_id,
        request_id=exchange.id,
        control=control,
        epoch=decision.epoch,
        expected=decision.stored,
        readable=found.readable,
        decision=decision,
        scans=scans,
        not_reached=search.unreachable(),
        passed=clean and found.readable == decision.stored and decision.rule not in _NOTHING_TO_KEEP,
    )
    with gateway.stores.main.write() as connection:
        repeatable.remember(connection, canary)
    return canary
