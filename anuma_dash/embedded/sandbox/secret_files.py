"""Secrets the sandbox generates for itself and keeps in the instance folder, readable by the owner only."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


class UnsafeSecretFile(RuntimeError):
    """A secret file that others on this machine may read or write."""


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text of the secret file, writing it with what `make` returns when there is none.

    The file appears complete or not at all (written aside, then linked into place), so two processes
    that start together end up with the same secret.

    Raises UnsafeSecretFile when the file's mode lets others in.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(make())
            with contextlib.suppress(FileExistsError):  # another process was first: its secret counts
                os.link(aside, path)
        finally:
            aside.unlink()
    if path.stat().st_mode & 0o077:
        raise UnsafeSecretFile(f"{path} can be read by others on this machine. Run: chmod 600 {path}")
    return path.read_text(encoding="utf-8").strip()
