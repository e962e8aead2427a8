"""The client of the gateway's internal API: one method a call, each within one time budget.

Every call bears a JWT that lives for less than a minute (RFC 7519), signed with ES256, saying for whom it acts.
In a support session it names the staff member too, as `act` (RFC 8693).
An answer that is late, too large or not of the contract's shape is the same as no answer: `GatewayUnavailable`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, ValidationError

from anuma_dash.errors import GatewayRefused, GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.deadline import DeadlineTransport, deadline
from anuma_dash.gateway.exports import checked_lines
from anuma_dash.gateway.masking import masked
from anuma_dash.settings import Settings

TOKEN_SECONDS = 50
MAXIMUM_ANSWER_BYTES = 4_000_000
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")

Answer = TypeVar("Answer", bound=BaseModel)


class Caller(Protocol):
    """Who calls: `identity.Actor` is one."""

    @property
    def subject(self) -> str:
        """The `sub` claim."""

    @property
    def request_id(self) -> str:
        """The request that the call belongs to."""

    @property
    def delegate(self) -> UUID | None:
        """The `act.sub` claim (RFC 8693): the staff member who calls for the subject in a support session."""

    @property
    def support_scopes(self) -> frozenset[str]:
        """The `scope` claim of a support session (RFC 8693, 4.2)."""


class Gateway:
    """The gateway, as the dashboard reaches it.

    Methods raise `GatewayUnavailable` when no usable answer came within the budget (whether the gateway acted is then
    unknown), and `GatewayRefused` when it answered no.
    """

    def __init__(self, url: str, key: ECKey, *, budget_seconds: float = 2.0) -> None:
        self._url = url.rstrip("/") + "/internal/v1"
        self._key = key
        self._kid = key.thumbprint()
        self.budget_seconds = budget_seconds
        self.observe: Callable[[str, str, float], object] = lambda *_: None
        """Told of each call: which (without identifiers), `ok`, `refused` or `unavailable`, and its seconds."""
        self._http = httpx.Client(
            timeout=httpx.Timeout(budget_seconds),
            transport=DeadlineTransport(httpx.Limits(max_connections=50, max_keepalive_connections=20)),
            follow_redirects=False,
            trust_env=False,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Gateway:
        """The gateway that the settings name, called with the key that they name."""
        key = ECKey.import_key(settings.jwt_key_file.read_text())
        return cls(settings.gateway_url, key, budget_seconds=settings.gateway_budget_seconds)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def contract(self, caller: Caller) -> schemas.Contract:
        """The contract version that the gateway speaks."""
        return self._call(schemas.Contract, caller, "*", "GET", "/contract")

    def put_account(
        self, caller: Caller, account_id: UUID, name: str, status: str, *, revision: int | None = None
    ) -> schemas.Account:
        """Create the account at the gateway, or bring it up to date. A lower `revision` than it has seen is refused."""
        body = {"name": name, "status": status, "revision": revision}
        return self._call(schemas.Account, caller, account_id, "PUT", f"/accounts/{account_id}", body=body)

    def account(self, caller: Caller, account_id: UUID) -> schemas.Account:
        """The account as the gateway knows it."""
        return self._call(schemas.Account, caller, account_id, "GET", f"/accounts/{account_id}")

    def overview(self, caller: Caller, account_id: UUID) -> schemas.Overview:
        """Everything the overview page needs."""
        return self._call(schemas.Overview, caller, account_id, "GET", f"/accounts/{account_id}/overview")

    def data_state(self, caller: Caller, account_id: UUID) -> schemas.DataState:
        """Everything the controls page needs."""
        return self._call(schemas.DataState, caller, account_id, "GET", f"/accounts/{account_id}/data-state")

    def inventory(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Inventory:
        """What is stored for the account right now; with `person`, of that person's requests alone."""
        path = f"/accounts/{account_id}/inventory"
        return self._call(schemas.Inventory, caller, account_id, "GET", path, query=query)

    def keys(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.Key]:
        """A page of the account's keys, newest first."""
        path = f"/accounts/{account_id}/keys"
        return self._call(schemas.Page[schemas.Key], caller, account_id, "GET", path, query=query)

    def key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """One key."""
        return self._call(schemas.Key, caller, account_id, "GET", f"/accounts/{account_id}/keys/{key_id}")

    def create_key(
        self, caller: Caller, account_id: UUID, new_key: schemas.NewKey, idempotency_key: str
    ) -> schemas.CreatedKey:
        """Make a key. The secret is in this answer only; asking again with the same idempotency key has none."""
        path = f"/accounts/{account_id}/keys"
        return self._post(schemas.CreatedKey, caller, account_id, path, new_key, idempotency_key)

    def revoke_key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """Revoke a key: `revocation_in_effect_at` says since when it is refused."""
        return self._call(schemas.Key, caller, account_id, "DELETE", f"/accounts/{account_id}/keys/{key_id}")

    def key_owners(self, caller: Caller, last_four: str) -> schemas.KeyOwners:
        """The accounts that have a key with these last four characters."""
        return self._call(schemas.KeyOwners, caller, "*", "GET", "/key-owners", query={"last_four": last_four})

    def change_key(self, caller: Caller, account_id: UUID, key_id: UUID, change: schemas.KeyChange) -> schemas.Key:
        """Change what a key is, such as the person it belongs to. May be sent any number of times."""
        path = f"/accounts/{account_id}/keys/{key_id}"
        return self._call(schemas.Key, caller, account_id, "PATCH", path, body=change.model_dump(mode="json"))

    def activate_key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """Let a deactivated key work again. Refused while the account is suspended or closed."""
        path = f"/accounts/{account_id}/keys/{key_id}"
        return self._call(schemas.Key, caller, account_id, "PATCH", path, body={"is_active": True})

    def credit(self, caller: Caller, account_id: UUID) -> schemas.Credit:
        """What the account may spend. Refused with 404 if it was never given credit."""
        return self._call(schemas.Credit, caller, account_id, "GET", f"/accounts/{account_id}/credit")

    def put_controls(self, caller: Caller, account_id: UUID, requested: schemas.RequestedControls) -> schemas.Controls:
        """Send the whole requested state. The same epoch and body may be sent any number of times."""
        path = f"/accounts/{account_id}/controls"
        return self._call(schemas.Controls, caller, account_id, "PUT", path, body=requested.model_dump(mode="json"))

    def apps(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.App]:
        """A page of the account's apps, newest first."""
        path = f"/accounts/{account_id}/apps"
        return self._call(schemas.Page[schemas.App], caller, account_id, "GET", path, query=query)

    def app(self, caller: Caller, account_id: UUID, app_id: UUID) -> schemas.App:
        """One app."""
        return self._call(schemas.App, caller, account_id, "GET", f"/accounts/{account_id}/apps/{app_id}")

    def create_app(
        self, caller: Caller, account_id: UUID, new_app: schemas.NewApp, idempotency_key: str
    ) -> schemas.App:
        """Make an app."""
        return self._post(schemas.App, caller, account_id, f"/accounts/{account_id}/apps", new_app, idempotency_key)

    def change_app(self, caller: Caller, account_id: UUID, app_id: UUID, change: schemas.AppChange) -> schemas.App:
        """Rename an app, or retire it. Refused with the code `app_has_keys` while it has usable ones."""
        path = f"/accounts/{account_id}/apps/{app_id}"
        return self._call(schemas.App, caller, account_id, "PATCH", path, body=change.model_dump(mode="json"))

    def effective_policy(self, caller: Caller, account_id: UUID, **query: object) -> schemas.EffectivePolicy:
        """What would happen to the next request of a key (`key`, `model`), and which rule decides."""
        path = f"/accounts/{account_id}/effective-policy"
        return self._call(schemas.EffectivePolicy, caller, account_id, "GET", path, query=query)

    def retention_preview(self, caller: Caller, account_id: UUID, **query: object) -> schemas.RetentionPreview:
        """What a period would delete at the next purge (`control`, `days` or `until_deleted`, `owner`)."""
        path = f"/accounts/{account_id}/retention-preview"
        return self._call(schemas.RetentionPreview, caller, account_id, "GET", path, query=query)

    def requests(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.RequestSummary]:
        """A page of the request log, newest first."""
        path = f"/accounts/{account_id}/requests"
        return self._call(schemas.Page[schemas.RequestSummary], caller, account_id, "GET", path, query=query)

    def request(self, caller: Caller, account_id: UUID, request_id: UUID) -> schemas.Request:
        """The metadata of one request."""
        path = f"/accounts/{account_id}/requests/{request_id}"
        return self._call(schemas.Request, caller, account_id, "GET", path)

    def request_content(self, caller: Caller, account_id: UUID, request_id: UUID) -> schemas.RequestContent:
        """The stored prompt and response of one request, or the rule that kept them out."""
        path = f"/accounts/{account_id}/requests/{request_id}/content"
        return self._call(schemas.RequestContent, caller, account_id, "GET", path)

    def request_trace(self, caller: Caller, account_id: UUID, request_id: UUID) -> schemas.RequestTrace:
        """The stored steps of one request, or the rule that kept them out."""
        path = f"/accounts/{account_id}/requests/{request_id}/trace"
        return self._call(schemas.RequestTrace, caller, account_id, "GET", path)

    def evaluations(
        self, caller: Caller, account_id: UUID, request_id: UUID, **query: object
    ) -> schemas.Page[schemas.Evaluation]:
        """A page of what people and programs said of one request, newest first."""
        path = f"/accounts/{account_id}/requests/{request_id}/evaluations"
        return self._call(schemas.Page[schemas.Evaluation], caller, account_id, "GET", path, query=query)

    def create_evaluation(
        self, caller: Caller, account_id: UUID, request_id: UUID, new: schemas.NewEvaluation, idempotency_key: str
    ) -> schemas.Evaluation:
        """Evaluate a request. Refused with the code `evaluations_off` while the control is off."""
        path = f"/accounts/{account_id}/requests/{request_id}/evaluations"
        return self._post(schemas.Evaluation, caller, account_id, path, new, idempotency_key)

    def memories(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.Memory]:
        """A page of memories, newest first: `owner` is me (the caller) or account; `q` are words to look for."""
        path = f"/accounts/{account_id}/memories"
        return self._call(schemas.Page[schemas.Memory], caller, account_id, "GET", path, query=query)

    def memory(self, caller: Caller, account_id: UUID, memory_id: UUID) -> schemas.Memory:
        """One memory."""
        return self._call(schemas.Memory, caller, account_id, "GET", f"/accounts/{account_id}/memories/{memory_id}")

    def create_memory(
        self, caller: Caller, account_id: UUID, new: schemas.NewMemory, idempotency_key: str
    ) -> schemas.Memory:
        """Keep a memory of the caller's. Refused with the code `memories_off` while they are off."""
        return self._post(schemas.Memory, caller, account_id, f"/accounts/{account_id}/memories", new, idempotency_key)

    def change_memory(
        self, caller: Caller, account_id: UUID, memory_id: UUID, change: schemas.MemoryChange
    ) -> schemas.Memory:
        """Change a memory. Refused with the code `memories_off` while they are off."""
        path = f"/accounts/{account_id}/memories/{memory_id}"
        return self._call(schemas.Memory, caller, account_id, "PATCH", path, body=change.model_dump(mode="json"))

    def preview_deletion(
        self, caller: Caller, account_id: UUID, scope: schemas.DeletionScope
    ) -> schemas.DeletionPreview:
        """What a deletion of this scope would delete, counted right now."""
        path = f"/accounts/{account_id}/deletion-previews"
        query = scope.model_dump(mode="json", exclude_defaults=True)
        return self._call(schemas.DeletionPreview, caller, account_id, "GET", path, query=query)

    def start_deletion(self, caller: Caller, account_id: UUID, new_deletion: schemas.NewDeletion) -> schemas.Deletion:
        """Ask for a deletion. Asking twice under the same identifier deletes once."""
        path = f"/accounts/{account_id}/deletions"
        return self._post(schemas.Deletion, caller, account_id, path, new_deletion, str(new_deletion.id))

    def deletions(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.Deletion]:
        """A page of the account's deletions, newest first."""
        path = f"/accounts/{account_id}/deletions"
        return self._call(schemas.Page[schemas.Deletion], caller, account_id, "GET", path, query=query)

    def deletion(self, caller: Caller, account_id: UUID, deletion_id: UUID) -> schemas.Deletion:
        """How far a deletion is."""
        path = f"/accounts/{account_id}/deletions/{deletion_id}"
        return self._call(schemas.Deletion, caller, account_id, "GET", path)

    def conversations(self, caller: Caller, account_id: UUID, **query: object) -> schemas.Page[schemas.Conversation]:
        """A page of conversations, pinned ones first, then by their last message, newest first. `from` is `from_`."""
        path = f"/accounts/{account_id}/conversations"
        query = {name.rstrip("_"): value for name, value in query.items()}
        return self._call(schemas.Page[schemas.Conversation], caller, account_id, "GET", path, query=query)

    def search_conversations(
        self, caller: Caller, account_id: UUID, **query: object
    ) -> schemas.Page[schemas.SearchHit]:
        """A page of the conversations in which the words of `q` were found."""
        path = f"/accounts/{account_id}/conversations/search"
        return self._call(schemas.Page[schemas.SearchHit], caller, account_id, "GET", path, query=query)

    def conversation(
        self, caller: Caller, account_id: UUID, conversation_id: UUID, **query: object
    ) -> schemas.Conversation:
        """One conversation, without its messages."""
        path = f"/accounts/{account_id}/conversations/{conversation_id}"
        return self._call(schemas.Conversation, caller, account_id, "GET", path, query=query)

    def conversation_messages(
        self, caller: Caller, account_id: UUID, conversation_id: UUID, **query: object
    ) -> schemas.Page[schemas.ConversationMessage]:
        """A page of the messages on one branch, from the beginning."""
        path = f"/accounts/{account_id}/conversations/{conversation_id}/messages"
        return self._call(schemas.Page[schemas.ConversationMessage], caller, account_id, "GET", path, query=query)

    def change_conversation(
        self, caller: Caller, account_id: UUID, conversation_id: UUID, change: schemas.ConversationChange
    ) -> schemas.Conversation:
        """Rename a conversation, pin or unpin it. May be sent any number of times."""
        path = f"/accounts/{account_id}/conversations/{conversation_id}"
        body = change.model_dump(mode="json", exclude_none=True)
        return self._call(schemas.Conversation, caller, account_id, "PATCH", path, body=body)

    def export_conversations(
        self, caller: Caller, account_id: UUID, *, owner: schemas.ConversationOwner = "me", ids: Iterable[UUID] = ()
    ) -> Iterator[schemas.ExportLine]:
        """Conversations with the messages of all their branches, one line at a time; without `ids` all of them.

        Each read has the budget of a call. Ends only after the gateway's closing line was there and told the same
        counts and checksum as were read; otherwise raises `GatewayUnavailable`, in the middle if need be.
        """
        path = f"/accounts/{account_id}/conversations/export"
        query = {"owner": owner, "id": [str(one) for one in ids]}
        request = self._request(caller, account_id, "GET", path, self.budget_seconds, query=query)
        with self._observed("GET", path):
            try:
                with deadline(self.budget_seconds):
                    response = self._http.send(request, stream=True)
                try:
                    if response.status_code >= 400:
                        with deadline(self.budget_seconds):
                            raise _refusal(response.status_code, _read(response))
                    yield from checked_lines(response.iter_bytes(), self.budget_seconds)
                finally:
                    response.close()
            except (httpx.HTTPError, httpx.StreamError):
                raise GatewayUnavailable("The gateway does not answer.") from None

    def test_control(
        self, caller: Caller, account_id: UUID, new_canary: schemas.NewCanary, idempotency_key: str
    ) -> schemas.Canary:
        """Have a test string sent through the gateway's normal path, then looked for in every store."""
        path = f"/accounts/{account_id}/canary"
        return self._post(schemas.Canary, caller, account_id, path, new_canary, idempotency_key, budget_seconds=15)

    def _post(
        self,
        answer: type[Answer],
        caller: Caller,
        account_id: UUID,
        path: str,
        body: BaseModel,
        idempotency_key: str,
        budget_seconds: float | None = None,
    ) -> Answer:
        return self._call(
            answer,
            caller,
            account_id,
            "POST",
            path,
            body=body.model_dump(mode="json"),
            headers={"Idempotency-Key": idempotency_key},
            budget_seconds=budget_seconds,
        )

    def _call(
        self,
        answer: type[Answer],
        caller: Caller,
        account_id: UUID | str,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        budget_seconds: float | None = None,
    ) -> Answer:
        budget = budget_seconds or self.budget_seconds
        request = self._request(caller, account_id, method, path, budget, query=query, body=body, headers=headers)
        with self._observed(method, path):
            found = self._ask(answer, request, budget)
            return found if caller.delegate is None else masked(found, costs="billing" not in caller.support_scopes)

    def _request(
        self,
        caller: Caller,
        account_id: UUID | str,
        method: str,
        path: str,
        budget_seconds: float,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(
            method,
            self._url + path,
            params={name: value if isinstance(value, list) else str(value) for name, value in given.items()},
            json=body,
            headers={
                "Authorization": f"Bearer {self._token(caller, str(account_id))}",
                "X-Request-Id": caller.request_id or secrets.token_hex(8),
                **(headers or {}),
            },
            timeout=budget_seconds,
        )

    @contextmanager
    def _observed(self, method: str, path: str) -> Iterator[None]:
        started, outcome = time.monotonic(), "unavailable"
        try:
            yield
            outcome = "ok"
        except GatewayRefused:
            outcome = "refused"
            raise
        finally:
            self.observe(f"{method} {_IDENTIFIER.sub('{id}', path)}", outcome, time.monotonic() - started)

    def _ask(self, answer: type[Answer], request: httpx.Request, budget_seconds: float) -> Answer:
        status, content = self._send(request, budget_seconds)
        if status >= 400:
            raise _refusal(status, content)
        try:
            return answer.model_validate_json(content)
        except ValidationError:
            raise GatewayUnavailable("The gateway's answer is not of the agreed shape.") from None

    def _send(self, request: httpx.Request, budget_seconds: float) -> tuple[int, bytes]:
        try:
            with deadline(budget_seconds):
                response = self._http.send(request, stream=True)
                try:
                    return response.status_code, _read(response)
                finally:
                    response.close()
        except (httpx.HTTPError, httpx.StreamError):
            raise GatewayUnavailable("The gateway does not answer.") from None

    def _token(self, caller: Caller, account: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "anuma-dashboard",
            "aud": "anuma-gateway",
            "sub": caller.subject,
            "acc": account,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
        }
        if caller.delegate is not None:
            claims |= {"act": {"sub": str(caller.delegate)}, "scope": " ".join(sorted(caller.support_scopes))}
        return jwt.encode({"alg": "ES256", "typ": "JWT", "kid": self._kid}, claims, self._key)


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAXIMUM_ANSWER_BYTES:
            raise GatewayUnavailable("The gateway's answer is too large.")
    return bytes(content)


def _refusal(status: int, content: bytes) -> GatewayRefused | GatewayUnavailable:
    try:
        problem = schemas.Problem.model_validate_json(content)
    except ValidationError:
        return GatewayUnavailable(f"The gateway answered {status} without saying why.")
    if status >= 500:
        return GatewayUnavailable("The gateway says that it cannot answer right now.")
    return GatewayRefused(
        problem.detail or problem.title, status=status, code=problem.code, problem=problem.model_dump()
    )
