"""Who holds the key-encryption keys, by the settings: this process, or what an operator plugged in."""

from __future__ import annotations

from importlib import import_module

from .encryption import KeyManagement, KeyRing
from .settings import Settings

_MAX_IDENTIFIER = 64


class KmsRefused(Exception):
    """What `ANUMA_GATEWAY_KMS` names is not there, or is no key management."""


def key_management(settings: Settings) -> KeyManagement:
    """The key management of these settings.

    Raises:
        KmsRefused: the one that is plugged in cannot be used. The message says why and quotes nothing of its own.
    """
    if not settings.kms:
        return KeyRing(settings.key_encryption_keys)
    module, _, name = settings.kms.partition(":")
    try:
        made = getattr(import_module(module), name)()
        if not isinstance(made, KeyManagement):
            raise TypeError
        identifiers, current = list(made.identifiers), made.current
    except Exception as error:  # whatever somebody else's code raises
        raise KmsRefused(
            f"ANUMA_GATEWAY_KMS ({settings.kms}) gives no key management: {type(error).__name__}"
        ) from None
    if current not in identifiers or not all(0 < len(one) <= _MAX_IDENTIFIER for one in identifiers):
        raise KmsRefused(f"ANUMA_GATEWAY_KMS ({settings.kms}) names its keys wrongly")
    return made
