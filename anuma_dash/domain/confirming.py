"""By which ways a person can confirm who they are; what several features must know."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.identity import SignInIdentity, User
from anuma_dash.settings import Provider, Settings


def may_get_code(settings: Settings, provider: Provider | None, user: User) -> bool:
    """Whether a code is offered: where the provider cannot ask again, and has verified the address."""
    silent = provider is not None and not provider.sends_auth_time
    return silent and bool(settings.smtp_url) and mail.reachable(user)


def without_confirmation(tx: Session, settings: Settings, user: User) -> list[str]:
    """The person's sign-in providers, by what they are called, in whose sessions only a passkey confirms who they are.

    Those of a provider that is not configured any more are among them: there is nobody to ask.
    """
    providers = {one.issuer: one for one in settings.sign_in_providers}
    linked = tx.execute(
        select(SignInIdentity.issuer, SignInIdentity.provider)
        .where(SignInIdentity.user_id == user.id)
        .order_by(SignInIdentity.created_at, SignInIdentity.id)
    )
    found = []
    for issuer, slug in linked:
        provider = providers.get(issuer)
        asks_again = provider is not None and provider.sends_auth_time
        if not asks_again and not may_get_code(settings, provider, user):
            found.append(provider.label if provider else slug)
    return found
