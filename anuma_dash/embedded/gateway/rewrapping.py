"""Rotation of the key-encryption key: every data key is wrapped by the first one, while the gateway serves."""

from __future__ import annotations

import time
from typing import Final

from .contents import Vault
from .kms import key_management
from .settings import Settings
from .stores import Store, Stores

_BATCH: Final = 500
_PAUSE_SECONDS: Final = 0.01
"""Between batches, so that requests, which write data keys too, do not queue behind this."""


def rewrap(settings: Settings) -> None:
    """Go over the data keys until none is wrapped by another key-encryption key than the first.

    Killed in the middle, it may be started again: what is done is done. Content is not touched.

    Raises:
        Unreadable: a data key does not open under any key-encryption key that is configured.
    """
    stores = Stores(
        Store("main database", settings.database_url.get_secret_value()),
        Store("key database", settings.keys_database_url.get_secret_value()),
    )
    try:
        vault = Vault(stores, key_management(settings))
        while _round(vault):  # a gateway that still wraps with the old key adds some meanwhile: look again
            pass
        stores.keys.checkpoint()
    finally:
        stores.close()


def _round(vault: Vault) -> bool:
    found, after = False, None
    while (last := vault.rewrap_batch(after, _BATCH)) is not None:
        found, after = True, last
        time.sleep(_PAUSE_SECONDS)
    return found
