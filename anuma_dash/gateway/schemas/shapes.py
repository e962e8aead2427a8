"""What the shapes are made of: times, money and counts, what is sent, what is received, pages and problems."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

CONTRACT_VERSION = "1.3"


_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", re.ASCII)


def _rfc3339(value: object) -> object:
    """Times are spelled out: pydantic alone would take a number for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value)):
        return value
    raise ValueError("must be a time as in RFC 3339")


Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A time that is sent to the gateway (RFC 3339, with its offset)."""


MicroUSD = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
RetentionDays = Annotated[int, Field(ge=1, le=3650)]
"""How long content is kept, in days; `None` means "until I delete it"."""


class Sent(BaseModel):
    """What the dashboard sends: unknown fields are refused, so that a typo is never silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Received(BaseModel):
    """What the gateway answers: unknown fields are ignored, so that a gateway may be newer than the dashboard."""

    model_config = ConfigDict(frozen=True, extra="ignore")


T = TypeVar("T")


class Page(Received, Generic[T]):
    """One keyset page: the rows and the cursor of the next page, `None` on the last one."""

    data: list[T]
    next: str | None = None


class Problem(Received):
    """Problem details (RFC 9457) with a stable `code`."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    stored_epoch: int | None = None
    stored_version: int | None = None
    body_hash: str | None = None
    retry_after_seconds: int | None = None


class Contract(Received):
    """What the gateway is: `contract` must equal `CONTRACT_VERSION` for the two to work together."""

    contract: str
    gateway: str
    version: str
