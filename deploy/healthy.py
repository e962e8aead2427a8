"""Exit with 0 if an address of this machine answers 200: `python deploy/healthy.py http://127.0.0.1:8000/healthz`."""

from __future__ import annotations

import http.client
import os
import sys
from urllib.parse import urlsplit

SECONDS = 4


def main(address: str) -> int:
    """Ask once; returns the exit status."""
    parts = urlsplit(address)
    # The dashboard answers to its own name only.
    host = urlsplit(os.environ.get("ANUMA_PUBLIC_URL", "")).netloc or parts.netloc
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    try:
        connection.request("GET", parts.path, headers={"Host": host})
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
