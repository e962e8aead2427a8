"""Whether what this process works with is of its own version: asked by web and worker before they begin."""

from __future__ import annotations

from anuma_dash.db import Database
from anuma_dash.errors import DashboardError, GatewayError
from anuma_dash.gateway.client import Gateway
from anuma_dash.gateway.schemas import CONTRACT_VERSION
from anuma_dash.identity import WORKER
from anuma_dash.migrations import check as check_schema


class OtherContract(DashboardError):
    """The gateway speaks another version of the contract; names both."""


def check(db: Database, gateway: Gateway) -> None:
    """Raise `Outdated` or `OtherContract` if database or gateway are of another version.

    A gateway that does not answer raises nothing: it may come later.
    """
    check_schema(db)
    try:
        contract = gateway.contract(WORKER)
    except GatewayError:
        return
    if contract.contract != CONTRACT_VERSION:
        raise OtherContract(
            f"The gateway speaks contract {contract.contract}, this dashboard speaks {CONTRACT_VERSION}."
        )
