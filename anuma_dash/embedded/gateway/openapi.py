"""The contract as OpenAPI 3.1, generated from the schemas. It is checked in as `anuma_dash/gateway/openapi.yaml`."""

from __future__ import annotations

from typing import Any

import yaml

from anuma_dash.gateway.schemas import Problem

from .internal.application import internal_api


def contract() -> dict[str, Any]:
    """The contract."""
    specification: dict[str, Any] = internal_api().openapi()
    specification["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return specification


def contract_yaml() -> str:
    """The contract, as it must stand in the file."""
    return yaml.safe_dump(contract(), sort_keys=False, allow_unicode=True, width=110)
