"""Codes, access tokens and browser sessions, in the memory of this one process."""

import secrets
from datetime import timedelta
from threading import Lock

from anuma_dash.embedded.sandbox.cast import Person
from anuma_dash.embedded.sandbox.clock import Clock
from anuma_dash.embedded.sandbox.openid.models import Code, Session, Token

CODE_LIFE = timedelta(seconds=60)
TOKEN_LIFE = timedelta(hours=1)
SESSION_LIFE = timedelta(hours=12)


class Store:
    """Thread-safe. Everything in it is lost with the process, which only means choosing again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._codes: dict[str, Code] = {}
        self._redeemed: set[str] = set()
        self._tokens: dict[str, Token] = {}
        self._sessions: dict[str, Session] = {}

    def add_code(self, code: Code) -> None:
        """Remember a fresh code, and forget everything that is over."""
        with self._lock:
            self._forget_what_is_over()
            self._codes[code.value] = code

    def redeem(self, value: str, client_id: str) -> Code | None:
        """Return the code the first time it is asked for within its life; None otherwise.

        A code that comes back takes the access token given for it with it (RFC 6749, 4.1.2). It counts
        as used even if its redirect URI or verifier then turn out wrong.
        """
        with self._lock:
            code = self._codes.get(value)
            if code is None or code.client_id != client_id:
                return None
            if value in self._redeemed:
                self._tokens = {key: token for key, token in self._tokens.items() if token.code != value}
                return None
            self._redeemed.add(value)
            return code if self._clock() < code.expires_at else None

    def add_token(self, token: Token) -> None:
        """Remember an access token."""
        with self._lock:
            self._tokens[token.value] = token

    def token(self, value: str) -> Token | None:
        """Return the access token, which may have expired, or None."""
        with self._lock:
            return self._tokens.get(value)

    def open_session(self, person: Person, previous: Session | None) -> Session:
        """Remember that this person has just been chosen, in place of the browser's previous session."""
        now = self._clock()
        stays = previous is not None and previous.person.subject == person.subject
        sid = previous.sid if previous and stays else secrets.token_urlsafe(16)
        session = Session(secrets.token_urlsafe(32), sid, person, now, now + SESSION_LIFE)
        with self._lock:
            if previous:
                self._sessions.pop(previous.session_id, None)
            self._sessions[session.session_id] = session
        return session

    def session(self, session_id: str) -> Session | None:
        """Return the session while it lives, or None."""
        with self._lock:
            session = self._sessions.get(session_id)
        return session if session and self._clock() < session.expires_at else None

    def end_session(self, session_id: str) -> None:
        """Forget the session; one that is not there is no error."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def _forget_what_is_over(self) -> None:
        now = self._clock()
        # A used code is remembered as long as its token lives, so that a late replay still revokes it.
        self._codes = {key: code for key, code in self._codes.items() if now < code.expires_at + TOKEN_LIFE}
        self._redeemed &= self._codes.keys()
        self._tokens = {key: token for key, token in self._tokens.items() if now < token.expires_at}
        self._sessions = {key: session for key, session in self._sessions.items() if now < session.expires_at}
