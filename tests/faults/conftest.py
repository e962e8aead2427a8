"""What the faults have in common."""

from __future__ import annotations

import pytest

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""The database makes no difference to these tests."""
