"""Rate limits: in memory for one process, in Redis for several.

Only acts are limited (signing in, making keys), never reading: without Redis acts are refused, and pages still open.
"""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter

from anuma_dash.web.state import client_address, viewer


def _who() -> str:
    found = viewer()
    return f"user:{found.user.id}" if found else f"address:{client_address()}"


limiter = Limiter(key_func=_who, default_limits=[], headers_enabled=False)


def install(app: Flask, redis_url: str) -> None:
    """Bind the limits to the application. Without Redis they count within this process."""
    app.config["RATELIMIT_STORAGE_URI"] = redis_url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"wrap_exceptions": True}
    app.config["RATELIMIT_STRATEGY"] = "moving-window"
    limiter.init_app(app)
