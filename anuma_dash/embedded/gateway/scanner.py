"""Looks for byte strings in files, as a process of its own: `search.py` starts this file by its path.

Never in the gateway's process: POSIX drops all locks that a process holds on a file when the process closes any
descriptor of it. SQLite's would be gone, another process (a backup) would believe that it is the last one and unlink
the write-ahead log, and what the gateway then writes and acknowledges would be lost (sqlite.org/howtocorrupt.html 2.2).

It imports nothing of ours, so that it starts in milliseconds. What to look for comes on standard input, never in the
arguments, which every user of the machine can read; the answer names it by its place in the list.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence

_CHUNK_BYTES = 1 << 20


class Abandoned(Exception):
    """The process that asked has ended."""


def find(chunks: Iterable[bytes], wanted: Sequence[bytes]) -> tuple[int, set[bytes]]:
    """How many bytes were read, and which of the wanted strings were in them, also across two chunks."""
    overlap = max(len(piece) for piece in wanted) - 1
    found: set[bytes] = set()
    searched, tail = 0, b""
    for chunk in chunks:
        searched += len(chunk)
        window = tail + chunk
        found |= {piece for piece in wanted if piece not in found and piece in window}
        tail = window[-overlap:]
    return searched, found


def _read(files: Iterable[bytes]) -> Iterator[bytes]:
    parent = os.getppid()
    for path in files:
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes no bytes, and takes long to import
                while chunk := file.read(_CHUNK_BYTES):
                    if os.getppid() != parent:
                        raise Abandoned
                    yield chunk
        except FileNotFoundError:  # there is not always a write-ahead log
            continue


def main() -> None:
    """Take the order from standard input, put the answer on standard output. Any failure is an exit status."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # who stops the gateway and all of its processes at once, stops
        signal.signal(stop, signal.SIG_IGN)  # no search halfway: it would count as one that failed
    order = json.load(sys.stdin)
    wanted = [bytes.fromhex(piece) for piece in order["wanted"]]
    searched, found = find(_read(bytes.fromhex(path) for path in order["files"]), wanted)
    answer = {"searched_bytes": searched, "found": [place for place, piece in enumerate(wanted) if piece in found]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
