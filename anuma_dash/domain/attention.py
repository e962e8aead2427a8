"""What needs a person: features tell the overview by a function `attention` in a module of that name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from anuma_dash.db import Database
from anuma_dash.gateway.schemas import Overview
from anuma_dash.workflows import Clock


@dataclass(frozen=True)
class Attention:
    """One thing that needs somebody: a phrase that goes on behind a colon, and the page where it is looked after."""

    phrase: str
    endpoint: str
    arguments: Mapping[str, object] = field(default_factory=dict)


Hook = Callable[[Database, Clock, UUID, Overview | None], list[Attention]]
"""Called with the account and the gateway's overview, which is None when the gateway does not answer."""
