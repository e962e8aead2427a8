"""Leaving for a provider: to sign in, to confirm who one is, to link another provider."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from anuma_dash.features.sign_in.attempts import asks_again, begin_trip
from anuma_dash.features.sign_in.id_tokens import new_trip
from anuma_dash.features.sign_in.models import Purpose
from anuma_dash.features.sign_in.newcomers import COOKIE_SECONDS, TRIP_COOKIE
from anuma_dash.features.sign_in.providers import relying_party
from anuma_dash.settings import Provider
from anuma_dash.web import cookies
from anuma_dash.web.access import local_path
from anuma_dash.web.render import page
from anuma_dash.web.state import now, services, signed_in


def next_path() -> str:
    """Where the person wants to be afterwards: a path of this site."""
    return local_path(request.values.get("next", "/")) or "/"


def leave_for_provider(provider: Provider, target: str, purpose: Purpose) -> ResponseReturnValue:
    """Begin a trip and draw the page that leads to the provider. Raises `ProviderDown`; then nothing has begun."""
    fresh = purpose != "sign_in" and asks_again(provider, purpose)
    trip = new_trip(now(), fresh=fresh)
    address = relying_party(provider).authorization_url(trip)
    session_id = signed_in().session.id if purpose != "sign_in" else None
    with services().db.transaction() as tx:
        token = begin_trip(tx, provider.slug, trip, target, session_id, purpose)
    # A redirect would leave this origin from a form, which `form-action 'self'` rightly refuses: a page takes over.
    response = page("sign_in/leaving.html", provider=provider, address=address)
    cookies.put(response, TRIP_COOKIE, token, max_age_seconds=COOKIE_SECONDS)
    return response
