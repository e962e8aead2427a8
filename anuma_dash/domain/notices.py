"""The notices shown at first sign-in. A text is never edited: a change is a new version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One notice: its stable name, its version, a heading and its text."""

    name: str
    version: int
    heading: str
    text: str

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of the text as shown."""
        return hashlib.sha256(f"{self.heading}\n{self.text}".encode()).hexdigest()


NOTICES = (
    Notice(
        name="what-is-kept",
        version=1,
        heading="What is kept from the start",
        text="Sign-in and security records, billing records, and the metadata of each API request: time, key, model, "
        "token counts, cost, latency and status. Prompts and responses are not kept until you switch that on.",
    ),
    Notice(
        name="model-providers",
        version=1,
        heading="Model providers",
        text="Requests are answered by independent model providers under their own terms. Do not send sensitive "
        "personal information unless you have a lawful basis and have judged those terms.",
    ),
    Notice(
        name="improvement",
        version=1,
        heading="Figures about usage",
        text="Aggregated, de-identified figures are made from usage to run and improve the service. By default, raw "
        "prompts and responses are not used to train Anuma's own foundation models.",
    ),
)
