"""What a request works with: the services of the application, and who is asking."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app, g, request

from anuma_dash.db import Database
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import Account, Actor, Membership, User
from anuma_dash.settings import Settings
from anuma_dash.workflows import Clock, Context, utc_now

if TYPE_CHECKING:
    from anuma_dash.web.sessions import BrowserSession

COUNTRY = re.compile("[A-Z]{2}")
NOWHERE = ("XX", "ZZ", "T1")
"""What proxies say when they do not know: codes of no country."""


@dataclass(frozen=True)
class Services:
    """What the application is made of. One for the life of the process."""

    settings: Settings
    db: Database
    gateway: Gateway
    clock: Clock = utc_now

    @property
    def context(self) -> Context:
        """The same, as durable work wants it."""
        return Context(self.db, self.gateway, self.clock, self.settings)

    def close(self) -> None:
        """Let go of every connection."""
        self.db.dispose()
        self.gateway.close()


@dataclass(frozen=True)
class Viewer:
    """The signed-in person of this request: session, user, current account, and every account they belong to."""

    session: BrowserSession
    user: User
    account: Account | None
    role: str | None
    accounts: list[tuple[Account, Membership]]


def install(app: Flask, services: Services) -> None:
    """Give the application its services."""
    app.extensions["anuma"] = services


def services() -> Services:
    """The services of the running application."""
    return cast(Services, current_app.extensions["anuma"])


def now() -> datetime:
    """The present, by the application's clock."""
    return services().clock()


def viewer() -> Viewer | None:
    """The signed-in person, if any."""
    return cast("Viewer | None", g.get("viewer"))


def signed_in() -> Viewer:
    """The signed-in person. Only for views whose rule asks for one."""
    found = viewer()
    if found is None:
        raise RuntimeError("this view's rule lets strangers in")
    return found


def account() -> Account:
    """The current account. Only for views whose rule asks for a permission in it."""
    found = signed_in().account
    if found is None:
        raise RuntimeError("this view's rule does not ask for an account")
    return found


def actor() -> Actor:
    """Who acts in this request, as services want it."""
    return cast(Actor, g.actor)


def request_id() -> str:
    """The identifier of this request: made here, shown on error pages, sent to the gateway, written in logs."""
    if "request_id" not in g:
        g.request_id = f"req_{secrets.token_hex(10)}"
    return cast(str, g.request_id)


def client_place() -> str:
    """The country of the browser (ISO 3166-1 alpha-2) as the configured proxy names it; empty if none does.

    Without a proxy that is believed, anybody could say anything in a header.
    """
    settings = services().settings
    if not (settings.place_header and settings.proxy_hops):
        return ""
    text = request.headers.get(settings.place_header, "").strip().upper()
    return text if COUNTRY.fullmatch(text) and text not in NOWHERE else ""


def client_address() -> str:
    """The IP address of the browser, as far as the configured proxies can be trusted; empty if it is none."""
    text = request.remote_addr or ""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
