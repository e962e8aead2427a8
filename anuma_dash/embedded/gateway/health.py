"""`/healthz`: the process answers. `/readyz`: its databases do too."""

from __future__ import annotations

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .core import Gateway
from .stores import DATABASE_ERRORS


async def healthz(_request: Request) -> Response:
    """Whether the process is alive."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether it can serve."""
    gateway: Gateway = request.app.state.gateway
    try:
        await gateway.in_thread(lambda: _ask(gateway))
    except DATABASE_ERRORS as error:
        gateway.log.error("not_ready", error)
        return JSONResponse({"status": "unavailable"}, status_code=503, headers={"Retry-After": "5"})
    return JSONResponse({"status": "ok"})


def _ask(gateway: Gateway) -> None:
    for store in (gateway.stores.main, gateway.stores.keys):
        with store.read() as connection:
            connection.execute(text("SELECT 1 FROM gateway_version"))
