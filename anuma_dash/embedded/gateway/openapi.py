"""The two contracts as OpenAPI 3.1. They are checked in beside `anuma_dash/gateway/schemas/`."""

from __future__ import annotations

from typing import Any

import yaml

from anuma_dash.gateway.schemas import Problem

from .internal.application import internal_api
from .public.contract import public_contract


def internal_contract() -> dict[str, Any]:
    """The internal API, generated from the schemas."""
    specification: dict[str, Any] = internal_api().openapi()
    specification["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return specification


def contract_yaml(specification: dict[str, Any]) -> str:
    """A contract, as it must stand in its file."""
    return yaml.dump(specification, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


CONTRACTS = {"openapi": internal_contract, "openapi-public": public_contract}
"""By the name of the command that prints it, which is its file's name too."""


class _Plain(yaml.SafeDumper):
    """No anchors: each place says all of it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True
