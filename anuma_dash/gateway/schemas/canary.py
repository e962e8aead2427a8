"""*Test it now*: a test string, and where it was found."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime

from anuma_dash.gateway.schemas.controls import ControlName, Decision
from anuma_dash.gateway.schemas.deletions import Unreachable
from anuma_dash.gateway.schemas.shapes import Count, Received, Sent


class NewCanary(Sent):
    """Send a test string through the normal path under this key (the built-in model, free).

    Then it is looked for where `control` keeps things.
    """

    key_id: UUID
    control: ControlName = "prompt_logging"


class StoreScan(Received):
    """One store that was searched byte by byte for the test string and for the control string."""

    store: str
    searched_bytes: Count
    control_found: bool
    test_found: bool


class Canary(Received):
    """What *Test it now* found.

    `readable` is the decrypted look at what the control stored of the test request: true exactly when `expected` is.
    """

    id: UUID
    at: AwareDatetime
    key_id: UUID
    request_id: UUID
    control: ControlName = "prompt_logging"
    epoch: int
    expected: bool
    readable: bool
    decision: Decision
    scans: list[StoreScan]
    not_reached: list[Unreachable]
    passed: bool
