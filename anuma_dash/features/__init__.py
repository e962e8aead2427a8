"""The features of the site, one line each, in the order of the menu."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from flask import Flask

from anuma_dash.domain.accounts import ACCOUNT_SYNC
from anuma_dash.domain.attention import Hook
from anuma_dash.domain.controls import CONTROL_CHANGE
from anuma_dash.domain.deletions import DELETION
from anuma_dash.workflows import Kind

FEATURES = (
    "sign_in",
    "overview",
    "keys",
    "requests",
    "data_controls",
    "deletions",
    "activity",
)


def install(app: Flask) -> None:
    """Register every feature's blueprint and its lines in the menu."""
    menu = []
    for name in FEATURES:
        feature = import_module(f"anuma_dash.features.{name}")
        import_module(f"anuma_dash.features.{name}.routes")
        app.register_blueprint(feature.blueprint)
        menu += list(getattr(feature, "MENU", ()))
    app.extensions["anuma_menu"] = menu
    app.extensions["anuma_kinds"] = kinds()


def kinds() -> list[Kind]:
    """Every kind of durable work: what features share, and what each brings in its `workflows.KINDS`."""
    found = [ACCOUNT_SYNC, CONTROL_CHANGE, DELETION]
    for name in FEATURES:
        module = f"anuma_dash.features.{name}.workflows"
        if find_spec(module) is not None:
            found += import_module(module).KINDS
    return found


def attention_hooks() -> list[Hook]:
    """What tells the overview of things that need somebody: `attention` in the modules of that name."""
    found: list[Hook] = []
    for name in FEATURES:
        module = f"anuma_dash.features.{name}.attention"
        if find_spec(module) is not None:
            found.append(import_module(module).attention)
    return found


def load_models() -> None:
    """Import every table, of the core and of the features, so that the metadata is whole."""
    import_module("anuma_dash.web.sessions")
    for name in FEATURES:
        module = f"anuma_dash.features.{name}.models"
        if find_spec(module) is not None:
            import_module(module)
