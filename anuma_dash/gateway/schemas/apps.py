"""Apps: named groups of keys."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Count, Received, Sent

AppName = Annotated[str, Field(min_length=1, max_length=100)]


class NewApp(Sent):
    """An app to be made."""

    name: AppName


class AppChange(Sent):
    """What is to change of an app; what is left out, or null, stays. Only one without usable keys can be retired."""

    name: AppName | None = None
    is_active: Literal[False] | None = None


class App(Received):
    """An app. Each account has one from the beginning, `is_default`, in which keys are made that name none.

    `is_active` is false for good once it is retired; its requests keep its name. `active_keys` counts the usable keys.
    """

    id: UUID
    name: str
    is_default: bool
    is_active: bool
    created_at: AwareDatetime
    active_keys: Count
