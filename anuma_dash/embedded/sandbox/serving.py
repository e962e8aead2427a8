"""Serves the sandbox on loopback: threads, no request log (it would hold codes and states)."""

from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

HOST = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """Answers without logging addresses, and without naming its version."""

    server_version = "anuma-sandbox"
    sys_version = ""

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Say nothing: the app logs what matters."""


def build_server(app: Flask, port: int, fd: int | None = None) -> BaseWSGIServer:
    """Return a threaded server bound to loopback; `fd` is a socket that already listens there.

    Raises SystemExit when the port is taken, after saying so.
    """
    return make_server(HOST, port, app, threaded=True, request_handler=QuietHandler, fd=fd)
