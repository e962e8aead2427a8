"""How large a request may be: its address, its headers, its form. The body itself is Werkzeug's `MAX_CONTENT_LENGTH`.

The web server in front of this has limits of its own; these hold whatever it is, and answer in words.
"""

from __future__ import annotations

from flask import Flask, request
from werkzeug.exceptions import (
    LengthRequired,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    RequestURITooLarge,
    UnsupportedMediaType,
)

from anuma_dash.settings import Settings
from anuma_dash.web.state import services

URLENCODED = "application/x-www-form-urlencoded"


def install(app: Flask, settings: Settings) -> None:
    """Refuse what is too large before anything else looks at it."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.config["MAX_FORM_PARTS"] = settings.max_form_parts
    app.before_request(_check)


def _check() -> None:
    settings, environ = services().settings, request.environ
    if len(environ["PATH_INFO"]) + len(environ["QUERY_STRING"]) > settings.max_url_bytes:
        raise RequestURITooLarge
    if sum(len(name) + len(value) for name, value in request.headers) > settings.max_header_bytes:
        raise RequestHeaderFieldsTooLarge
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        # Nothing is ever decompressed here, so no small body can become a large one (RFC 9110, 15.5.16).
        raise UnsupportedMediaType
    if "HTTP_TRANSFER_ENCODING" in environ:
        # Werkzeug cuts such a body off at the limit without a word; browsers always say the length of a form.
        raise LengthRequired
    # Werkzeug counts the parts of multipart forms only.
    if request.mimetype == URLENCODED and request.get_data().count(b"&") >= settings.max_form_parts:
        raise RequestEntityTooLarge
