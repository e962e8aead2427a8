"""Who calls the internal API: a short-lived token that the dashboard signed (RFC 7519, RFC 8693 for `act`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeGuard
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from .. import problems
from ..core import Gateway
from ..problems import Refused
from ..tables import accounts, used_tokens
from .trusted_keys import TrustedKeys

ISSUER: Final = "anuma-dashboard"
AUDIENCE: Final = "anuma-gateway"
MAX_LIFE_SECONDS: Final = 60
ANY_ACCOUNT: Final = "*"
_FUTURE_SECONDS: Final = 5
_MAX_TOKEN_CHARS: Final = 4096
_SYSTEM: Final = "system:worker"
_NOBODY: Final = UUID(int=0)
_JTI: Final = re.compile(r"[\x21-\x7e]{8,200}")


@dataclass(frozen=True)
class Token:
    """A verified token.

    With `has_act` it is one of a support session: `staff` is who acts in it for the subject, None if the claim is of
    another form than ours, and `scopes` what they may see.
    """

    subject: str
    account: str
    jti: str
    expires_at: datetime
    has_act: bool
    staff: str | None
    scopes: frozenset[str]

    @property
    def person(self) -> UUID | None:
        """Whose personal settings and content the caller may see: their own; in a support session nobody's.

        `None` is the service itself, for its own work.
        """
        if self.has_act:
            return _NOBODY
        return None if self.subject == _SYSTEM else UUID(self.subject)


@dataclass(frozen=True)
class Caller:
    """Who calls, for which account."""

    account: UUID
    token: Token
    gateway: Gateway


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="ES256, at most 60 s, signed by the dashboard")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
AccountId = Annotated[str, Path(description="The account, a UUID; the token's `acc` must be the same")]


def new_account_reader(request: Request, bearer: Bearer, acc: AccountId) -> Caller:
    """A caller of this account, which need not exist yet."""
    gateway: Gateway = request.app.state.gateway
    trusted: TrustedKeys = request.app.state.trusted_keys
    token = verify(bearer.credentials if bearer else "", trusted.find, gateway.now())
    if token.account != acc.lower():
        raise problems.not_found()
    try:
        return Caller(UUID(acc), token, gateway)
    except ValueError:
        raise problems.not_found() from None


def new_account_writer(caller: Annotated[Caller, Depends(new_account_reader)]) -> Caller:
    """A caller who may write: not in a support session, and with a token that was not used before."""
    if caller.token.has_act:
        raise Refused(403, "support_session_read_only", "A support session may look, not change.")
    row = {"jti": caller.token.jti, "expires_at": caller.token.expires_at}
    try:
        with caller.gateway.stores.main.write() as connection:
            connection.execute(insert(used_tokens).values(row))
    except IntegrityError:
        raise _bad_token("token_already_used", "A token is good for one write.") from None
    return caller


def reader(caller: Annotated[Caller, Depends(new_account_reader)], request: Request) -> Caller:
    """A caller of an account that exists. In a support session both are logged: who acts, and for whom."""
    token = caller.token
    if token.has_act:
        if token.staff is None:
            raise _bad_token("token_invalid", "The token's act must name another person as its sub.")
        caller.gateway.log.info(
            "support_session_read",
            account=str(caller.account),
            subject=token.subject,
            staff=token.staff,
            route=getattr(request.scope.get("route"), "path", None),
        )
    _check_exists(caller)
    return caller


def content_reader(caller: Annotated[Caller, Depends(reader)]) -> Caller:
    """A caller who may have content: in a support session only with that scope."""
    if caller.token.has_act and "content" not in caller.token.scopes:
        raise Refused(403, "support_scope_missing", "This support session has no scope for content.")
    return caller


def writer(caller: Annotated[Caller, Depends(new_account_writer)]) -> Caller:
    """A caller who may write to an account that exists."""
    _check_exists(caller)
    return caller


@dataclass(frozen=True)
class ServiceCaller:
    """Who calls for the service itself, about no account in particular."""

    token: Token
    gateway: Gateway


def service_reader(request: Request, bearer: Bearer) -> ServiceCaller:
    """A caller whose token is for no account: its `acc` is `*`. Never inside a support session."""
    gateway: Gateway = request.app.state.gateway
    trusted: TrustedKeys = request.app.state.trusted_keys
    token = verify(bearer.credentials if bearer else "", trusted.find, gateway.now())
    if token.account != ANY_ACCOUNT or token.has_act:
        raise problems.not_found()
    return ServiceCaller(token, gateway)


NewAccountWriter = Annotated[Caller, Depends(new_account_writer)]
Reader = Annotated[Caller, Depends(reader)]
ContentReader = Annotated[Caller, Depends(content_reader)]
Writer = Annotated[Caller, Depends(writer)]
ServiceReader = Annotated[ServiceCaller, Depends(service_reader)]


def verify(token: str, find_key: Callable[[str], ECKey | None], now: datetime) -> Token:
    """Verify a token, strictly.

    Raises:
        Refused: 401, with a code that says what is wrong.
    """
    if not token or len(token) > _MAX_TOKEN_CHARS:
        raise _bad_token("token_missing", "Give a token as 'Authorization: Bearer TOKEN'.")

    def key_of(guest: Any) -> ECKey:
        kid = guest.headers().get("kid")
        key = find_key(kid) if isinstance(kid, str) else None
        if key is None:
            raise _bad_token("token_key_unknown", "No trusted key has the token's kid.")
        return key

    try:
        claims = jwt.decode(token, key_of, algorithms=["ES256"]).claims
    except (JoseError, ValueError, TypeError):
        raise _bad_token("token_invalid", "The token's form, algorithm or signature is refused.") from None
    return _check(claims, now)


def _check(claims: dict[str, Any], now: datetime) -> Token:
    if claims.get("iss") != ISSUER or claims.get("aud") not in (AUDIENCE, [AUDIENCE]):
        raise _bad_token("token_not_for_us", "The token's iss or aud is refused.")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not _is_time(issued) or not _is_time(expires):
        raise _bad_token("token_invalid", "The token lacks iat or exp.")
    if expires - issued > MAX_LIFE_SECONDS or issued > now.timestamp() + _FUTURE_SECONDS:
        raise _bad_token("token_lives_too_long", f"A token may live {MAX_LIFE_SECONDS} s.")
    if expires <= now.timestamp():
        raise _bad_token("token_expired", "The token has expired.")
    subject, account, jti = claims.get("sub"), claims.get("acc"), claims.get("jti")
    if not _is_subject(subject) or not isinstance(account, str):
        raise _bad_token("token_invalid", "The token lacks sub or acc.")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise _bad_token("token_invalid", "The token's jti must be 8 to 200 visible characters.")
    expires_at = datetime.fromtimestamp(expires, UTC) + timedelta(seconds=_FUTURE_SECONDS)
    scopes = claims.get("scope")
    return Token(
        subject=str(subject),
        account=account.lower(),
        jti=jti,
        expires_at=expires_at,
        has_act="act" in claims,
        staff=_staff(claims.get("act"), str(subject)),
        scopes=frozenset(scopes.split()) if isinstance(scopes, str) else frozenset(),
    )


def _staff(act: object, subject: str) -> str | None:
    if not isinstance(act, dict) or set(act) != {"sub"}:
        return None
    staff = act["sub"]
    return str(staff) if _is_subject(staff) and staff not in (_SYSTEM, subject) else None


def _check_exists(caller: Caller) -> None:
    with caller.gateway.stores.main.read() as connection:
        if connection.scalar(select(accounts.c.id).where(accounts.c.id == caller.account)) is None:
            raise problems.not_found()


def _bad_token(code: str, detail: str) -> Refused:
    return Refused(401, code, detail)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**40


def _is_subject(value: object) -> bool:
    if value == _SYSTEM:
        return True
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False
