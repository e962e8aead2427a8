"""The configured providers, and the dashboard towards each of them: one relying party for the life of the process."""

from __future__ import annotations

from flask import current_app

from anuma_dash.errors import NotFound
from anuma_dash.features.sign_in.oidc import RelyingParty
from anuma_dash.settings import Provider
from anuma_dash.web.state import services


def find_provider(slug: str) -> Provider:
    """The provider of this name. Raises `NotFound`."""
    for provider in services().settings.sign_in_providers:
        if provider.slug == slug:
            return provider
    raise NotFound("There is no such sign-in provider.")


def relying_party(provider: Provider) -> RelyingParty:
    """The dashboard towards this provider."""
    parties = current_app.extensions.setdefault("anuma_relying_parties", {})
    if provider.slug not in parties:
        base = services().settings.public_url
        parties[provider.slug] = RelyingParty(provider, f"{base}/sign-in/{provider.slug}/callback")
    return parties[provider.slug]  # type: ignore[no-any-return]
