"""Strict headers on every answer of the sandbox."""

from flask import Flask, Response, request

PLAIN = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` from our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def install(app: Flask, return_origins: tuple[str, ...]) -> None:
    """Add the headers. `return_origins` may follow a form: `form-action` also judges the redirect after it.

    A view that shows what others wrote sets a stricter policy of its own.
    """
    policy = "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            " ".join(("form-action 'self'", *return_origins)),
        )
    )

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.update(PLAIN)
        response.headers.setdefault("Content-Security-Policy", policy)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response
