"""The built front-end files: from a stable name to the hashed address in `static/dist`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from flask import current_app


def url(name: str) -> str:
    """The address of a built file such as "css/site.css". Raises `KeyError` if `make assets` did not make it."""
    # Not url_for: error pages are also drawn for hosts that are not served here.
    return f"{current_app.static_url_path}/dist/{_manifest(current_app.static_folder or '')[name]}"


@cache
def _manifest(static: str) -> dict[str, str]:
    path = Path(static) / "dist" / "manifest.json"
    if not path.exists():
        raise RuntimeError("The front-end files are not built. Run `make assets`.")
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded
