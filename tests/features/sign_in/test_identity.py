"""What the relying party makes of claims that were verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anuma_dash.features.sign_in.id_tokens import Trip
from anuma_dash.features.sign_in.oidc import RelyingParty
from anuma_dash.settings import Provider

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PROVIDER = Provider(slug="company", label="Company", issuer="https://id.example", client_id="anuma", client_secret="s")
TRIP = Trip("state", "nonce", "verifier", NOW, fresh=False)


def identity(**claims: object):
    party = RelyingParty(PROVIDER, "https://dashboard.example/sign-in/company/callback")
    whole = {"sub": "olive", **claims}
    return party._identity(whole, whole, TRIP)


def test_a_provider_that_does_not_say_when_it_asked_proves_no_presence():
    assert NOW - identity().authenticated_at >= timedelta(days=1)
    assert NOW - identity(auth_time="now").authenticated_at >= timedelta(days=1)
    assert NOW - identity(auth_time=True).authenticated_at >= timedelta(days=1)


def test_a_provider_that_says_when_it_asked_is_taken_at_its_word():
    assert identity(auth_time=int(NOW.timestamp()) - 40).authenticated_at == NOW - timedelta(seconds=40)


@pytest.mark.parametrize(
    ("claims", "email", "verified"),
    [
        ({"email": "olive@northwind.example", "email_verified": True}, "olive@northwind.example", True),
        ({"email": "olive@northwind.example", "email_verified": "true"}, "olive@northwind.example", False),
        ({"email": "olive@northwind.example"}, "olive@northwind.example", False),
        ({"email": ["olive@northwind.example"], "email_verified": True}, None, False),
        ({"email": "x" * 400 + "@northwind.example", "email_verified": True}, None, False),
        ({"email_verified": True}, None, False),
    ],
)
def test_an_address_counts_as_verified_only_if_the_provider_says_exactly_that(claims, email, verified):
    found = identity(**claims)
    assert (found.email, found.email_verified) == (email, verified)
