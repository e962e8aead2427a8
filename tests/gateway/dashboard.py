"""The dashboard's side of the internal API, for tests: a signing key and calls with fresh tokens."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from anuma_dash.embedded.gateway.policy import CONTROL_NAMES

LOGGING_ON = {"prompt_logging": {"enabled": True, "retention_days": 30}}


class Signer:
    """A dashboard's signing key, published as a JWKS file."""

    def __init__(self, kid: str = "dashboard-1") -> None:
        self.kid = kid
        self.key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})

    def publish(self, path: Path, *others: Signer) -> None:
        keys = [signer.key.as_dict(private=False) for signer in (self, *others)]
        path.write_text(json.dumps({"keys": keys}))

    def token(self, now: float, account: UUID | str, **claims: Any) -> str:
        body: dict[str, Any] = {
            "iss": "anuma-dashboard",
            "aud": "anuma-gateway",
            "sub": "system:worker",
            "acc": str(account),
            "iat": int(now),
            "exp": int(now) + 60,
            "jti": secrets.token_urlsafe(16),
        } | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": self.kid}, body, self.key)


def said(messages):
    """Who said which words, of messages that have nothing else."""
    assert not any(message["tool_calls"] or message["tool_call_id"] or message["attachments"] for message in messages)
    return [(message["role"], message["text"]) for message in messages]


class Dashboard:
    """Calls the internal API as the dashboard does."""

    def __init__(self, base_url: str, signer: Signer, now: Callable[[], float] = time.time) -> None:
        self.base_url = base_url
        self.signer = signer
        self.now = now
        self.http = httpx.Client(base_url=f"{base_url}/internal/v1", timeout=30, trust_env=False, verify=False)

    def call(
        self, method: str, account: UUID, path: str = "", *, body: Any = None, claims: Any = None, **kwargs: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.signer.token(self.now(), account, **(claims or {}))}"}
        if method == "POST":
            headers["idempotency-key"] = kwargs.pop("idempotency_key", secrets.token_urlsafe(12))
        headers |= kwargs.pop("headers", {})
        return self.http.request(method, f"/accounts/{account}{path}", json=body, headers=headers, **kwargs)

    def get(self, account: UUID, path: str = "", claims: Any = None, **params: Any) -> Any:
        response = self.call("GET", account, path, claims=claims, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def new_account(self, name: str = "Olive") -> UUID:
        account = uuid4()
        response = self.call("PUT", account, body={"name": name})
        assert response.status_code == 200, response.text
        return account

    def new_key(self, account: UUID, environment: str = "live", **fields: Any) -> dict[str, Any]:
        response = self.call("POST", account, "/keys", body={"name": "k", "environment": environment, **fields})
        assert response.status_code == 201, response.text
        return response.json()

    def put_controls(self, account: UUID, epoch: int, **changes: Any) -> httpx.Response:
        controls = {name: {"enabled": False, "retention_days": 30} for name in CONTROL_NAMES}
        body = {"epoch": epoch, "controls": controls | changes.pop("controls", {}), **changes}
        return self.call("PUT", account, "/controls", body=body)

    def switch_logging(self, account: UUID, enabled: bool, retention_days: int | None = 30, **levels: Any) -> None:
        epoch = self.get(account, "/controls")["epoch"] + 1
        controls = {"prompt_logging": {"enabled": enabled, "retention_days": retention_days}}
        response = self.put_controls(account, epoch, controls=controls, **levels)
        assert response.status_code == 200, response.text

    def requests(self, account: UUID, **params: Any) -> list[dict[str, Any]]:
        return self.get(account, "/requests", **params)["data"]

    def content(self, account: UUID, request_id: str) -> dict[str, Any]:
        return self.get(account, f"/requests/{request_id}/content")

    def close(self) -> None:
        self.http.close()
