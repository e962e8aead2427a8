"""The short-lived cookies of a sign-in, and what a newcomer carries in their own browser until the age question."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from flask import Response, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.settings import Provider
from anuma_dash.web import cookies
from anuma_dash.web.sessions import Device, device_name
from anuma_dash.web.state import client_address, client_place, services

TRIP_COOKIE = "anuma_sign_in"
WELCOME_COOKIE = "anuma_welcome"
COOKIE_SECONDS = 900


def device() -> Device:
    """The browser of this request."""
    return Device(device_name(request.user_agent.string), client_address(), client_place())


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(list(reversed(services().settings.session_secrets)), salt="welcome")


def packed(provider: Provider, identity: Identity, target: str) -> str:
    """What is known of a newcomer, for their own browser to carry, signed."""
    # Until the age question is answered nothing of the person is kept here: see decision 004.
    fields = dataclasses.asdict(identity) | {"authenticated_at": identity.authenticated_at.isoformat()}
    return str(_serializer().dumps({"provider": provider.slug, "identity": fields, "next": target}))


def newcomer() -> tuple[str, Identity, str]:
    """The provider, the identity and the way back of the newcomer in this browser. Raises `SignInRefused`."""
    try:
        packed = _serializer().loads(cookies.read(WELCOME_COOKIE), max_age=COOKIE_SECONDS)
    except BadSignature:
        raise SignInRefused("This first sign-in has expired. Begin again.") from None
    fields = packed["identity"]
    fields["authenticated_at"] = datetime.fromisoformat(fields["authenticated_at"])
    return packed["provider"], Identity(**fields), packed["next"]


def forget_newcomer(response: Response) -> None:
    """Make the browser forget the newcomer."""
    for name in (WELCOME_COOKIE, TRIP_COOKIE):
        cookies.forget(response, name)
