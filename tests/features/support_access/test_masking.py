"""What is taken out of the gateway's answers in a support session, also of answers that it does not give yet."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from anuma_dash.gateway import schemas
from anuma_dash.gateway.masking import masked

NOW = datetime(2026, 5, 4, tzinfo=UTC)


class Part(BaseModel):
    name: str
    count: int
    share: float


class Sums(BaseModel):
    requests: int
    cost_micro_usd: Any


def key(prefix):
    times = {"created_at": NOW, "in_effect_at": NOW, "expires_at": None, "last_used_at": None}
    ended = {"revoked_at": None, "revocation_in_effect_at": None}
    told = {"name": "ci_key", "environment": "live", "prefix": prefix, "last_four": "x9Zk", "state": "active"}
    whose = {"id": uuid4(), "created_by": uuid4(), "app_id": uuid4(), "app_name": "Default"}
    return schemas.Key.model_validate({**whose, **told, **times, **ended})


@pytest.mark.parametrize(("prefix", "left"), [("anuma_live_aB3d", "anuma_live_"), ("anuma_test_", "anuma_test_")])
def test_of_a_key_only_the_environment_is_left(prefix, left):
    page = schemas.Page[schemas.Key](data=[key(prefix)], next=None)
    (found,) = masked(page, costs=False).data
    assert (found.prefix, found.last_four, found.name) == (left, "", "ci_key")


def test_a_prefix_of_another_format_is_hidden_whole():
    assert masked(key("aB3dE5"), costs=False).prefix == ""


@pytest.mark.parametrize(
    ("sums", "left"),
    [
        (7, 0),
        (7.5, 0.0),
        (Decimal("7.5"), Decimal(0)),
        (None, None),
        ([1, 2], [0, 0]),
        ({"mon": 1, "tue": [2, {"deep": 3}]}, {"mon": 0, "tue": [0, {"deep": 0}]}),
        ([{"name": "a model", "spent": 4}], [{"name": "a model", "spent": 0}]),
        ((Part(name="a model", count=4, share=0.5),), (Part(name="a model", count=0, share=0.0),)),
    ],
    ids=["a number", "a fraction", "a decimal", "none", "a list", "a dict", "in a list", "a model"],
)
def test_sums_of_money_are_hidden_whatever_holds_them(sums, left):
    given = Sums(requests=3, cost_micro_usd=sums)
    assert masked(given, costs=True) == Sums(requests=3, cost_micro_usd=left)
    assert masked(given, costs=False) == given
