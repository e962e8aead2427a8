"""Views that only tests have, with real rules, to reach parts of the web core that no feature reaches so plainly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anuma_dash.web.access import access
from tests.world import World


def add_probe(world: World, view: Callable[..., Any], *permissions: Any, path: str = "/probe", **options: Any) -> None:
    """Add a view to the application before its first request. `options` are those of `access`, and `methods`."""
    methods = options.pop("methods", ["GET", "POST"])
    endpoint = "probe." + path.strip("/").replace("/", "_")
    world.app.add_url_rule(path, endpoint, access(*permissions, **options)(view), methods=methods)
