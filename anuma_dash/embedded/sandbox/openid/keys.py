"""The provider's signing key: one EC key on P-256, for ES256, kept across restarts."""

import json
from pathlib import Path

from joserfc.jwk import ECKey, KeySet

from anuma_dash.embedded.sandbox.secret_files import read_or_create

ALGORITHM = "ES256"


def _new_key() -> str:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return json.dumps(key.as_dict(private=True))


def signing_keys(instance: Path) -> KeySet:
    """Return the key set with the signing key of this instance, generated when there is none.

    Delete `sandbox-signing-key.json` and start again to rotate it.

    Raises UnsafeSecretFile when others may read the file, ValueError when it holds no key.
    """
    text = read_or_create(instance / "sandbox-signing-key.json", _new_key)
    return KeySet([ECKey.import_key(json.loads(text))])
