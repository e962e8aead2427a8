"""What the gateway is compared with: a pass-through that knows nothing. `python -m benchmarks.bare PORT PROVIDER`.

The same server, framework, HTTP client and client settings as the embedded gateway's; no keys, no policy, no log.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def make_app(provider: str) -> Starlette:
    """The application, in front of this provider."""
    client = httpx.AsyncClient(
        trust_env=False,
        timeout=httpx.Timeout(120.0),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
        headers={"accept-encoding": "identity"},
    )
    url, headers = f"{provider}/v1/chat/completions", {"content-type": "application/json"}

    async def whole(request: Request) -> Response:
        answer = await client.post(url, content=await request.body(), headers=headers)
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def stream(request: Request) -> Response:
        asked = client.build_request("POST", url, content=await request.body(), headers=headers)
        answer = await client.send(asked, stream=True)

        async def parts() -> AsyncIterator[bytes]:
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:
                await answer.aclose()

        return StreamingResponse(parts(), answer.status_code, media_type="text/event-stream")

    async def healthz(_request: Request) -> Response:
        return Response("ok")

    routes = [Route("/healthz", healthz), *(Route(f"/{f.__name__}", f, methods=["POST"]) for f in (whole, stream))]
    return Starlette(routes=routes)


if __name__ == "__main__":
    uvicorn.run(
        make_app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
