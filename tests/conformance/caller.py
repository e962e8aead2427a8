"""The dashboard's side of the contract, written from the contract alone: it works against any gateway."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, TypeAdapter

from anuma_dash.gateway import schemas

LEASE_SECONDS = 15
"""A gateway that caches policies may take ten seconds to have them in effect."""


class Caller:
    """Calls a gateway's internal API with fresh tokens, and its public API with keys.

    Args:
        url: of the gateway, without `/internal/v1`.
        public_url: of its public API, without `/v1`.
        key_file: the dashboard's private key, PEM (ES256); its thumbprint is the `kid`.
        model: one that every account may call.
    """

    def __init__(self, url: str, public_url: str, key_file: Path, model: str) -> None:
        self.model = model
        self._key = ECKey.import_key(key_file.read_text())
        self.http = httpx.Client(base_url=f"{url.rstrip('/')}/internal/v1", timeout=60, trust_env=False)
        self.public = httpx.Client(base_url=public_url.rstrip("/"), timeout=60, trust_env=False)

    def close(self) -> None:
        self.http.close()
        self.public.close()

    def token(self, account: object, **claims: Any) -> str:
        now = int(time.time())
        body = {
            "iss": "anuma-dashboard",
            "aud": "anuma-gateway",
            "sub": "system:worker",
            "acc": str(account),
            "iat": now,
            "exp": now + 50,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode({"alg": "ES256", "kid": self._key.thumbprint()}, body | claims, self._key)

    def call(
        self, method: str, account: object, path: str = "", *, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> httpx.Response:
        sent = {"authorization": f"Bearer {self.token(account)}", "x-request-id": "conformance"}
        if method == "POST":
            sent["idempotency-key"] = secrets.token_urlsafe(12)
        return self.http.request(method, f"/accounts/{account}{path}", headers=sent | (headers or {}), **kwargs)

    def get(self, shape: type[Any], account: object, path: str = "", **params: Any) -> Any:
        """A 200 of this shape."""
        return self.read(shape, self.call("GET", account, path, params=params))

    def read(self, shape: type[Any], response: httpx.Response) -> Any:
        assert response.is_success, response.text
        assert response.headers["content-type"].startswith("application/json")
        assert response.headers["x-request-id"] == "conformance"
        return TypeAdapter(shape).validate_python(response.json(), strict=False)

    def new_account(self) -> UUID:
        account = uuid4()
        self.read(schemas.Account, self.call("PUT", account, json={"name": "Conformance"}))
        return account

    def new_key(self, account: UUID, **fields: Any) -> schemas.CreatedKey:
        body = {"name": "conformance", "environment": "live", **fields}
        return self.read(schemas.CreatedKey, self.call("POST", account, "/keys", json=body))

    def put_controls(self, account: UUID, epoch: int, enabled: bool, **levels: Any) -> httpx.Response:
        names = ("prompt_logging", "chat_history", "traces", "evaluations", "memories")
        controls = {name: {"enabled": enabled and name == "prompt_logging", "retention_days": 30} for name in names}
        return self.call("PUT", account, "/controls", json={"epoch": epoch, "controls": controls, **levels})

    def switch_logging(self, account: UUID, enabled: bool, **levels: Any) -> schemas.Controls:
        """Ask until it is in effect, as the dashboard does."""
        epoch = self.get(schemas.Controls, account, "/controls").epoch + 1

        def applied() -> schemas.Controls | None:
            answer = self.read(schemas.Controls, self.put_controls(account, epoch, enabled, **levels))
            return answer if answer.in_effect else None

        return until(applied)

    def chat(self, secret: str, words: str = "hello", **headers: str) -> httpx.Response:
        body = {"model": self.model, "messages": [{"role": "user", "content": words}]}
        return self.public.post("/v1/chat/completions", json=body, headers={"x-api-key": secret, **headers})


def until(condition: Callable[[], Any], seconds: float = LEASE_SECONDS) -> Any:
    """Ask again until the answer is something."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return answer


def problem(response: httpx.Response, status: int, code: str | None = None) -> schemas.Problem:
    """Problem details (RFC 9457) with this status, and this code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    found = schemas.Problem.model_validate(response.json())
    assert found.status == status
    assert code is None or found.code == code, found
    return found


def spelled(model: BaseModel) -> dict[str, Any]:
    """As JSON, to be compared."""
    return model.model_dump(mode="json")
