"""The internal API put together."""

from __future__ import annotations

from fastapi import FastAPI

from anuma_dash.gateway.schemas import CONTRACT_VERSION

from .. import problems
from . import (
    accounts,
    apps,
    canary,
    contract,
    controls,
    conversation_export,
    conversations,
    credit,
    deletions,
    evaluations,
    key_owners,
    keys,
    memories,
    requests,
    retention,
    summaries,
    traces,
)

PREFIX = "/internal/v1"
_ROUTERS = (
    contract.router,
    accounts.router,
    summaries.router,
    apps.router,
    keys.router,
    key_owners.router,
    controls.router,
    credit.router,
    requests.router,
    conversation_export.router,  # its path would be an identifier of the next
    conversations.router,
    traces.router,
    evaluations.router,
    memories.router,
    deletions.router,
    retention.router,
    canary.router,
)


def internal_api() -> FastAPI:
    """The application. Whoever serves it puts the gateway, its trusted keys and its background work into its state."""
    app = FastAPI(
        title="Anuma gateway, internal API",
        version=CONTRACT_VERSION,
        description="What the dashboard asks of the gateway. Generated from anuma_dash/gateway/schemas.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={
            "4XX": {"description": "Refused", "content": _problem_content()},
            "5XX": {"description": "Failed", "content": _problem_content()},
        },
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app


def _problem_content() -> dict[str, object]:
    return {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
