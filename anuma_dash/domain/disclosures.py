"""The versioned texts that a person accepts when switching a control on.

A text is never edited: a change is a new version, added at the end. The hash of the accepted version is recorded with
the acceptance, so that it can be shown later what exactly was accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from anuma_dash.errors import NotFound


@dataclass(frozen=True)
class Disclosure:
    """What a control stores, what for, how long, and who sees it. Each point is a heading and a sentence."""

    control: str
    version: int
    title: str
    points: tuple[tuple[str, str], ...]

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of the text as shown."""
        lines = [self.title, *(f"{heading}: {text}" for heading, text in self.points)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_DISCLOSURES = (
    Disclosure(
        control="prompt_logging",
        version=1,
        title="What switching on prompt logging means",
        points=(
            (
                "What is stored",
                "The full text of every prompt and response of this account's API requests, from the moment the "
                "gateway confirms. Requests already on their way are not stored.",
            ),
            (
                "What for",
                "So that you can read it in the request log. What is stored may also be used to provide, secure, "
                "operate, analyze and improve the service. Aggregated, de-identified figures are made from usage "
                "either way.",
            ),
            (
                "Training",
                "By default, raw prompts and responses are not used to train Anuma's own foundation models.",
            ),
            (
                "How long",
                "It can be opened for 30 days; past that, nobody can open it through the service. It is not removed by "
                "a schedule yet: delete it here when you no longer need it. Legal duties can delay a deletion.",
            ),
            (
                "Who sees it",
                "The account's owners. Developers see what their own keys sent. Support sees it only if you allow it, "
                "and leaves a trace that you see.",
            ),
            (
                "How it is kept",
                "Encrypted, with a key for each request. Deleting destroys that key at once; backups become unreadable "
                "within 7 days.",
            ),
            (
                "What this does not change",
                "The model provider that answers a request receives its text in any case, under its own terms. "
                "Do not send sensitive personal information unless you have a lawful basis and have judged those "
                "terms.",
            ),
        ),
    ),
)


def current_disclosure(control: str) -> Disclosure:
    """The version that is shown and accepted now. Raises `NotFound` for an unknown control."""
    versions = [disclosure for disclosure in _DISCLOSURES if disclosure.control == control]
    if not versions:
        raise NotFound("There is no such control.")
    return max(versions, key=lambda disclosure: disclosure.version)
