"""The features of the site, one line each, in the order of the menu."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from socket import gethostname
from types import ModuleType

import structlog
from flask import Flask
from sqlalchemy.orm import Session

from anuma_dash.db import Database
from anuma_dash.domain.accounts import ACCOUNT_SYNC
from anuma_dash.domain.attention import Hook
from anuma_dash.domain.clocks import set_back_by
from anuma_dash.domain.closings import ACCOUNT_CLOSING
from anuma_dash.domain.controls import CONTROL_CHANGE
from anuma_dash.domain.deletions import DELETION
from anuma_dash.domain.key_revocations import KEY_REVOCATION
from anuma_dash.domain.owner_recovery import OWNER_RECOVERY
from anuma_dash.domain.support import SUPPORT_SESSION
from anuma_dash.mail import MAIL, forget_settled
from anuma_dash.settings import Settings
from anuma_dash.web import banners
from anuma_dash.web.sessions import forget_old as forget_old_sessions
from anuma_dash.workflows import Context, Kind, Schedule

FEATURES = (
    "sign_in",
    "overview",
    "keys",
    "apps",
    "requests",
    "data_controls",
    "history",
    "memories",
    "deletions",
    "your_data",
    "account",
    "people",
    "activity",
    "support_access",
    "profile",
    "sessions",
    "sign_in_methods",
    "staff",
)


FORGET_EVERY = timedelta(hours=1)
WATCH_EVERY = timedelta(seconds=10)
log = structlog.get_logger()


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
    app.extensions["anuma_banners"] = banner_hooks()


def kinds() -> list[Kind]:
    """Every kind of durable work: what features share, and what each brings in its `workflows.KINDS`."""
    found = [ACCOUNT_SYNC, ACCOUNT_CLOSING, CONTROL_CHANGE, DELETION, KEY_REVOCATION, MAIL, OWNER_RECOVERY]
    found.append(SUPPORT_SESSION)
    for module in _each("workflows"):
        found += module.KINDS
    return found


@cache
def _each(part: str) -> dict[ModuleType, str]:
    """This module of every feature that has one, with the feature's name."""
    names = {f"anuma_dash.features.{name}.{part}": name for name in FEATURES}
    return {import_module(module): name for module, name in names.items() if find_spec(module) is not None}


def forget_old(db: Database, settings: Settings, now: datetime) -> dict[str, int]:
    """Delete what is past its time by the register of data; returns how many rows of each kind went.

    What features keep while something is under way they delete by `forget_old` in their modules `forgetting`.
    """
    hooks: dict[str, Callable[[Session], int]] = {}
    for module, name in _each("forgetting").items():
        hooks[name] = partial(module.forget_old, now=now)
    hooks["mail"] = partial(forget_settled, now=now)
    hooks["sessions"] = partial(forget_old_sessions, settings=settings, now=now)
    gone = {}
    for name, hook in hooks.items():
        with db.transaction() as tx:
            gone[name] = hook(tx)
    return gone


def _forget(context: Context) -> None:
    gone = forget_old(context.db, context.settings, context.clock())
    if any(gone.values()):
        log.info("forgotten", **gone)


def watch_clock(context: Context, host: str = "") -> None:
    """Shorten every limit by as much as the clock of this host was set back since it was last read.

    What has a limit the features shorten by `shorten` in their modules `limits`. Without this a jump back would
    lengthen each by the jump.
    """
    with context.db.transaction() as tx:
        by = set_back_by(tx, host or gethostname(), context.clock())
        if not by:
            return
        for module in _each("limits"):
            module.shorten(tx, by)
    log.warning("clock set back", seconds=by.total_seconds())


def schedules() -> list[Schedule]:
    """What is done every so often: forgetting, looking at the clock, and what each feature brings in its
    `workflows.SCHEDULES`."""
    found = [Schedule("forgetting", FORGET_EVERY, _forget), Schedule("clock", WATCH_EVERY, watch_clock)]
    for module in _each("workflows"):
        found += getattr(module, "SCHEDULES", ())
    return found


def attention_hooks() -> list[Hook]:
    """What tells the overview of things that need somebody: `attention` in the modules of that name."""
    found: list[Hook] = []
    for module in _each("attention"):
        found.append(module.attention)
    return found


def banner_hooks() -> list[banners.Hook]:
    """What puts banners on top of pages: `banners` in the modules of that name."""
    found: list[banners.Hook] = []
    for module in _each("banners"):
        found.append(module.banners)
    return found


def load_models() -> None:
    """Import every table, of the core and of the features, so that the metadata is whole."""
    import_module("anuma_dash.web.sessions")
    import_module("anuma_dash.domain.passkeys")
    import_module("anuma_dash.domain.invitations")
    import_module("anuma_dash.domain.control_notices")
    import_module("anuma_dash.domain.suspensions")
    import_module("anuma_dash.domain.clocks")
    _each("models")
