"""The suite run as an operator runs it: by URL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "pytest", "tests/conformance", "-q", "-n", "0", "-p", "no:cacheprovider")


def test_the_options_name_the_gateway(gateway_server):
    """Its internal API answers; where its public API is said to be, nobody listens."""
    options = [
        f"--gateway-url={gateway_server.url}",
        f"--gateway-key-file={gateway_server.key_file}",
        "--gateway-public-url=http://127.0.0.1:9",
        "-k=test_the_contract_version or test_a_revoked_key",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run([*COMMAND, *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "Connection refused" in done.stdout
