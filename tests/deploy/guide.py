"""The commands of docs/operations.md: each block marked `sh test=NAME` is run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT

GUIDE = ROOT / "docs" / "operations.md"


def blocks() -> dict[str, str]:
    """The marked blocks by name."""
    found = re.findall(r"^```sh test=([a-z-]+)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len({name for name, _ in found}) == len(found), "a name is used twice"
    return dict(found)


def run(name: str, environment: dict[str, str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run one block as a person would, in a shell that stops at the first error."""
    here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-eu", "-c", blocks()[name]],
        cwd=folder,
        env=environment | here,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
