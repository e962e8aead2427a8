"""What somebody in a support session never gets from the gateway's answers: characters of a key's secret, and costs
without the scope.

It is taken out of the answer itself, so that no page can show it by mistake (PRODUCT.md, *Support access*, rule 8).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar, cast

from pydantic import BaseModel

Answer = TypeVar("Answer", bound=BaseModel)


def masked(answer: Answer, *, costs: bool) -> Answer:
    """The answer without the characters of any key's secret and, with `costs`, with every sum of money as zero."""
    return cast(Answer, _masked(answer, costs))


def _masked(value: Any, costs: bool, is_money: bool = False) -> Any:
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        update = {name: _field(name, held, costs, is_money) for name, held in fields.items()}
        return value.model_copy(update=update)
    if isinstance(value, list | tuple):
        return type(value)(_masked(one, costs, is_money) for one in value)
    if isinstance(value, dict):
        return {name: _field(str(name), held, costs, is_money) for name, held in value.items()}
    if is_money and isinstance(value, int | float | Decimal):
        return type(value)(0)
    return value


def _field(name: str, value: Any, costs: bool, is_money: bool) -> Any:
    if name.endswith("last_four") and value is not None:
        return ""
    if name.endswith("prefix") and isinstance(value, str):
        return "".join(value.rpartition("_")[:2])  # `anuma_live_`; what follows belongs to the secret
    return _masked(value, costs, is_money or (costs and "micro_usd" in name))
