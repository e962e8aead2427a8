"""What this gateway is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter

from anuma_dash.gateway.schemas import CONTRACT_VERSION, Contract

router = APIRouter(tags=["contract"])


@router.get("/contract")
def get_contract() -> Contract:
    """The version of this contract. Not a secret: no token is needed."""
    return Contract(contract=CONTRACT_VERSION, gateway="anuma-embedded", version=_version())


def _version() -> str:
    try:
        return version("anuma-dash")
    except PackageNotFoundError:
        return "0"
