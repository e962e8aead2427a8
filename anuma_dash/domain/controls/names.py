"""What the five controls are called where all of them are named, whether or not a page rules them."""

from __future__ import annotations

from typing import get_args

from anuma_dash.gateway import schemas

CONTROL_NAMES: tuple[schemas.ControlName, ...] = get_args(schemas.ControlName)


def control_label(name: str) -> str:
    """A control's name for people: "Prompt logging"."""
    return name.replace("_", " ").capitalize()
