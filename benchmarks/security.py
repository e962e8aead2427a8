"""What security costs a page: headers, CSRF token, nonces and guard, on ÷ off. The session is looked up in both."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, g

from anuma_dash import create_app
from anuma_dash.web import access, csrf, headers
from benchmarks.dashboard import Customer
from benchmarks.figures import Effort, Figure, compared
from benchmarks.lab import Lab

_NEXT = "Next: measure the parts apart, and look first at what each request builds anew."


def measure(effort: Effort, lab: Lab) -> list[Figure]:
    """On the lightest page that shows a customer's own data: on any other one the share is smaller."""
    who = lab.customer
    on = who.get(who.client(), "/deletions")
    off = _without_tokens(who.get(who.client(_unguarded(who)), "/deletions"))
    name = "security on ÷ off: headers, CSRF, nonces and guard of the page Deletions"
    return [Figure(name, 1.15, compared(on, off, effort), next_step=_NEXT)]


def _unguarded(who: Customer) -> Flask:
    """The same application without headers, nonces and rules; who is signed in is still looked up."""
    app = create_app(services=who.services)
    before, after = app.before_request_funcs[None], app.after_request_funcs[None]

    def only_look_up() -> None:
        g.nonce = "a-nonce-that-is-constant"
        access._load_viewer()

    before[before.index(access._guard)] = only_look_up
    after.remove(headers._set_headers)
    return app


def _without_tokens(act: Callable[[], object]) -> Callable[[], object]:
    def off() -> None:
        original = csrf.token
        csrf.token = lambda: "a-token-that-is-constant"
        try:
            act()
        finally:
            csrf.token = original

    return off
