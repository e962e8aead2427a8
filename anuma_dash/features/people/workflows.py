"""The keys of people who left, until the gateway has confirmed what became of each."""

from __future__ import annotations

from anuma_dash.features.people.key_fates import DEPARTURE

KINDS = [DEPARTURE]
