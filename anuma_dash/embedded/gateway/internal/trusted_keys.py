"""The dashboard's public keys: a JWKS file, read again when it has changed, however many unknown `kid`s are tried."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from ..logs import Log

MAX_KEYS: Final = 2
"""The present key and the next one: enough to rotate."""


class TrustedKeys:
    """Finds keys by `kid`. A file that cannot be used changes nothing; the log says so."""

    def __init__(self, file: Path, log: Log) -> None:
        self._file = file
        self._log = log
        self._keys: dict[str, ECKey] = {}
        self._version: tuple[int, ...] = ()
        self._turn = threading.Lock()

    def find(self, kid: str) -> ECKey | None:
        """The key of that name, if the file as it is now has it."""
        with self._turn:
            self._read_if_changed()
            return self._keys.get(kid)

    def _read_if_changed(self) -> None:
        try:
            found = self._file.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if version == self._version:
                return
            self._version = version
            keys = KeySet.import_key_set(json.loads(self._file.read_text())).keys
        except (OSError, ValueError, TypeError, KeyError, JoseError) as error:
            self._log.error("trusted_keys_unreadable", error)
            return
        usable = {k.kid: k for k in keys if isinstance(k, ECKey) and k.kid and k.curve_name == "P-256"}
        if len(keys) > MAX_KEYS or len(usable) != len(keys):
            self._log.error("trusted_keys_refused", keys=len(keys), usable=len(usable), at_most=MAX_KEYS)
            return
        self._keys = usable
