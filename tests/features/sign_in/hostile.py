"""An OpenID provider for tests: correct by default, and lying wherever a test tells it to; asked over HTTP.

What a browser would carry (the way there and back) a `Journey` carries, and remembers the last page that it saw.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

from anuma_dash.embedded.sandbox.cast import BY_KEY
from anuma_dash.settings import Provider
from anuma_dash.web.limits import limiter
from tests.browser import Browser
from tests.factories import Person
from tests.world import Clock, World

CLIENT_ID = "anuma+dashboard"
CLIENT_SECRET = "a:secret/with+signs%that&must=be encoded"
"""RFC 6749, 2.3.1: what is joined by a colon is form-encoded before."""
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig", "alg": "ES256"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
Change = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Raw:
    """An HTTP answer in place of the right one. With `pause`, this many seconds lie between its parts."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0


@dataclass
class Lies:
    """What the provider does otherwise than it should. Each change gets what would be right."""

    discovery: Change = lambda right: right
    jwks: Change = lambda right: right
    callback: Change = lambda right: right
    tokens: Change = lambda right: right
    userinfo: Change = lambda right: right
    header: Change = lambda right: right
    claims: Change = lambda right: right
    sign: Callable[[dict[str, Any], Any], str] | None = None
    key: Key = field(default_factory=lambda: EC)
    raw: dict[str, Raw] = field(default_factory=dict)


def b64(data: bytes | str | dict[str, Any]) -> str:
    """Base64url of bytes, text, or JSON."""
    data = json.dumps(data) if isinstance(data, dict) else data
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: Any, key: Key = EC) -> str:
    """A token, signed whatever it says; claims that are no dictionary are its raw bytes."""
    payload = json.dumps(claims).encode() if isinstance(claims, dict) else claims
    first = f"{b64(header)}.{b64(payload)}"
    algorithm = header.get("alg") if header.get("alg") in ("RS256", "ES256") else key_algorithm(key)
    # joserfc checks headers before it signs: its signer is asked directly.
    signer = jws.JWSRegistry.algorithms[algorithm]
    return f"{first}.{b64(signer.sign(first.encode(), key))}"


def key_algorithm(key: Key) -> str:
    """What a key signs with by default."""
    return "ES256" if key.key_type == "EC" else "RS256"


class HostileProvider:
    """The ASGI application. `lies` is replaced for each test; `asked` counts the requests by path."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.issuer = ""
        self.keys: list[Key] = [EC, RSA]
        self.lies = Lies()
        self.asked: Counter[str] = Counter()
        self.person = BY_KEY["olive"].person
        self.last_id_token = ""
        self._trips: dict[str, dict[str, str]] = {}

    def behave(self, **lies: Any) -> None:
        """Be right again, but for these."""
        self.lies = Lies(**lies)
        self.asked.clear()
        self.keys = [EC, RSA]
        self.person = BY_KEY["olive"].person

    # What the browser meets

    def answer(self, address: str) -> dict[str, Any]:
        """Somebody has signed in: the parameters for the callback."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._trips)}"
        self._trips[code] = asked
        return self.lies.callback({"code": code, "state": asked["state"], "iss": self.issuer})

    # What the dashboard asks

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request, or the server's start and end."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        path = scope["path"]
        self.asked[path] += 1
        raw = self.lies.raw.get(path) or self._right(path, dict(scope["headers"]), body)
        headers = [(name.encode(), value.encode()) for name, value in raw.headers]
        await send({"type": "http.response.start", "status": raw.status, "headers": headers})
        for part in [raw.body] if isinstance(raw.body, bytes) else raw.body:
            await asyncio.sleep(raw.pause)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _right(self, path: str, headers: dict[bytes, bytes], body: bytes) -> Raw:
        if path == "/.well-known/openid-configuration":
            return _json(self.lies.discovery(self.discovery()))
        if path == "/jwks.json":
            return _json(self.lies.jwks({"keys": [key.as_dict(private=False) for key in self.keys]}))
        if path == "/token":
            return self._token(headers, {name: value for name, (value,) in parse_qs(body.decode()).items()})
        if path == "/userinfo" and headers.get(b"authorization") == b"Bearer the-access-token":
            details = {"sub": self.person.subject, "email": self.person.email, "email_verified": True}
            return _json(self.lies.userinfo(details))
        return Raw(404)

    def discovery(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks.json",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "authorization_response_iss_parameter_supported": True,
        }

    def _token(self, headers: dict[bytes, bytes], form: dict[str, str]) -> Raw:
        trip = self._trips.pop(form["code"])
        secret = f"{quote_plus(CLIENT_ID)}:{quote_plus(CLIENT_SECRET)}".encode()
        assert headers[b"authorization"] == b"Basic " + base64.b64encode(secret)
        assert trip["code_challenge"] == b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert form["redirect_uri"] == trip["redirect_uri"]
        self.last_id_token = self.id_token(trip)
        tokens = {"access_token": "the-access-token", "token_type": "Bearer", "id_token": self.last_id_token}
        return _json(self.lies.tokens(tokens))

    def id_token(self, trip: dict[str, str]) -> str:
        """The ID token of a trip, with every lie."""
        key = self.lies.key
        header = self.lies.header({"alg": key_algorithm(key), "kid": key.kid})
        now = int(self.clock.now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.person.subject,
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": trip["nonce"],
            "name": self.person.name,
            "email": self.person.email,
            "email_verified": True,
            "sid": "provider-session-1",
        }
        claims = self.lies.claims({name: value for name, value in claims.items() if value is not None})
        return self.lies.sign(header, claims) if self.lies.sign else signed(header, claims, key)


def _json(document: Any) -> Raw:
    return Raw(200, json.dumps(document).encode(), (("content-type", "application/json"),))


def provider_of(hostile: HostileProvider, **more: Any) -> Provider:
    """The dashboard's settings of it."""
    return Provider(
        slug="hostile",
        label="Hostile",
        issuer=hostile.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        **more,
    )


@dataclass
class Journey:
    """Somebody signs in through the hostile provider, in the world of a whole test file."""

    world: World
    provider: HostileProvider
    status: int = 0
    heading: str = ""
    text: str = ""
    arrived_at: str = ""

    def fresh_start(self, **settings: Any) -> None:
        """A web process that knows nothing of the provider yet."""
        self.world.app.extensions.pop("anuma_relying_parties", None)
        limiter.reset()
        if settings:
            self.world.restart(sign_in_providers=(provider_of(self.provider, **settings),))

    def begin(self, browser: Browser, path: str = "/sign-in/hostile") -> str:
        """Press the button; the address of the provider, or nothing if the page leads nowhere."""
        again = path.endswith("/reauthentication")
        form = browser.request("GET", path if again else "/sign-in").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token
        self._see(browser.request("POST", path, data={"csrf_token": token[1], "next": "/activity"}))
        found = re.search(r'href="([^"]+)" data-follow', self.text)
        return found[1] if found else ""

    def sign_in(self, person: Person | None = None) -> Journey:
        """Go there and come back; with a person, they are signed in already and re-authenticate."""
        browser = self.world.browser(person)
        address = self.begin(browser, "/sign-in/reauthentication" if person else "/sign-in/hostile")
        if address:
            query = urlencode(self.provider.answer(address), doseq=True)
            self._see(browser.request("GET", f"/sign-in/hostile/callback?{query}"))
        return self

    def _see(self, answer: Any) -> None:
        heading = re.search(r"<h1>([^<]*)</h1>", answer.text)
        self.status, self.text = answer.status_code, html.unescape(answer.text)
        self.heading = heading[1] if heading else ""
        self.arrived_at = answer.headers.get("Location", "")
