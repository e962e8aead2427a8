"""The dashboard's public keys: a JWKS file, read again when an unknown `kid` shows up, but not at will."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from ..logs import Log

MAX_KEYS: Final = 2
"""The present key and the next one: enough to rotate."""

_REREAD_SECONDS: Final = 1.0


class TrustedKeys:
    """Finds keys by `kid`."""

    def __init__(self, file: Path, log: Log) -> None:
        self._file = file
        self._log = log
        self._keys: dict[str, ECKey] = {}
        self._read_at = float("-inf")
        self._turn = threading.Lock()

    def find(self, kid: str) -> ECKey | None:
        """The key of that name. An unknown name reads the file again, at most once a second."""
        key = self._keys.get(kid)
        if key is not None:
            return key
        with self._turn:
            if time.monotonic() - self._read_at >= _REREAD_SECONDS:
                self._read_at = time.monotonic()
                self._read()
        return self._keys.get(kid)

    def _read(self) -> None:
        try:
            keys = KeySet.import_key_set(json.loads(self._file.read_text())).keys
            found = {key.kid: key for key in keys if isinstance(key, ECKey) and key.kid}
        except (OSError, ValueError, TypeError, KeyError, JoseError) as error:
            self._log.error("trusted_keys_unreadable", error)
            return
        usable = {kid: key for kid, key in found.items() if key.curve_name == "P-256"}
        if len(keys) > MAX_KEYS or len(usable) != len(keys):
            self._log.error("trusted_keys_refused", keys=len(keys), usable=len(usable), at_most=MAX_KEYS)
            return
        self._keys = usable
