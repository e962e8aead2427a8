"""The contract as OpenAPI 3.1, generated from the schemas. It is checked in as `anuma_dash/gateway/openapi.yaml`."""

from __future__ import annotations

import yaml

from .internal.application import internal_api


def contract_yaml() -> str:
    """The contract, as it must stand in the file."""
    return yaml.safe_dump(internal_api().openapi(), sort_keys=False, allow_unicode=True, width=110)
