"""Anuma Dashboard: where the customers of an AI gateway see and rule everything that is held about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from anuma_dash.settings import Settings
    from anuma_dash.web.state import Services


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The dashboard's web application. `services` replaces what the settings would make (tests do that)."""
    # Imported late: the worker, the gateway and the sandbox live in this package too, and need none of it.
    from anuma_dash.application import build

    return build(settings, services)
