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


_USES = (
    "What is stored may be used to provide, secure, operate, analyze and improve the service. Aggregated, "
    "de-identified figures are made from usage either way."
)
_TRAINING = "By default, raw content is not used to train Anuma's own foundation models."
_KEPT = "Encrypted, with a key of its own. Deleting destroys that key at once; backups become unreadable within 7 days."
_PERIOD = (
    "For the period that is chosen beside the switch, 30 days unless you choose another. What is past its period is "
    "deleted by a schedule and shown nowhere. Legal duties can delay a deletion."
)
_PROVIDERS = (
    "The model provider that answers a request receives its text in any case, under its own terms. Do not send "
    "sensitive personal information unless you have a lawful basis and have judged those terms."
)
_ACCOUNT_SEES = (
    "The account's owners. Developers see what their own keys sent. Support sees it only if you allow it, and leaves a "
    "trace that you see."
)
_OWN_SEES = (
    "What your own keys send: you alone; nobody else of the account, and support never. What service keys send, if the "
    "account switches that on: the account's owners."
)


def _text(
    control: str, version: int, label: str, stored: str, purpose: str, seen_by: str, *more: tuple[str, str]
) -> Disclosure:
    return Disclosure(
        control=control,
        version=version,
        title=f"What switching on {label} means",
        points=(
            ("What is stored", stored),
            ("What for", f"{purpose} {_USES}"),
            ("Training", _TRAINING),
            ("How long", _PERIOD),
            ("Who sees it", seen_by),
            ("How it is kept", _KEPT),
            *more,
            ("What this does not change", _PROVIDERS),
        ),
    )


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
    _text(
        "prompt_logging",
        2,
        "prompt logging",
        "The full text of every prompt and response of this account's API requests, from the moment the gateway "
        "confirms. Requests already on their way are not stored.",
        "So that you can read it in the request log.",
        _ACCOUNT_SEES,
    ),
    _text(
        "chat_history",
        1,
        "chat history",
        "The messages of every request that names a conversation, with their tool calls, and a search index of keyed "
        "hashes, from the moment the gateway confirms. Requests already on their way are not stored.",
        "So that you can read, search, continue and export conversations.",
        _OWN_SEES,
        ("What counts as old", "A conversation's period counts from its last message."),
    ),
    _text(
        "traces",
        1,
        "traces",
        "The steps of every request with their content: each attempt, and each tool call with its arguments, from the "
        "moment the gateway confirms.",
        "So that you can see how an answer came about.",
        _ACCOUNT_SEES,
    ),
    _text(
        "evaluations",
        1,
        "evaluations",
        "The scores and comments that people and programs attach to requests, from the moment the gateway confirms.",
        "So that you can judge answers, and compare models.",
        _ACCOUNT_SEES,
    ),
    _text(
        "memories",
        1,
        "memories",
        "Facts that you, or apps that may use memories, write down to be remembered across conversations, from the "
        "moment the gateway confirms.",
        "So that answers can take them into account.",
        _OWN_SEES,
        ("Providers", "A memory that is used in a request is sent to the model provider that answers it."),
    ),
)


def current_disclosure(control: str) -> Disclosure:
    """The version that is shown and accepted now. Raises `NotFound` for an unknown control."""
    versions = [disclosure for disclosure in _DISCLOSURES if disclosure.control == control]
    if not versions:
        raise NotFound("There is no such control.")
    return max(versions, key=lambda disclosure: disclosure.version)
