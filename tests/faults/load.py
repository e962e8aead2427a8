"""Many clients at once, who take no hint to wait: each asks again when it was answered, or at a rate of their own."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60


@dataclass
class Heard:
    """What the clients got: answers by status, how many of the refusals said when to come back, what was odd."""

    statuses: Counter[int] = field(default_factory=Counter)
    told_to_wait: int = 0
    odd: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good_a_second(self) -> float:
        """Goodput: whole and right answers a second."""
        return self.statuses[200] / self.seconds


def press(
    url: str, cookie: str, *, clients: int, requests: int, must_hold: str, a_second: float | None = None
) -> Heard:
    """Let so many clients ask, until `requests` answers of any kind have come.

    Args:
        must_hold: a text that stands in every right answer.
        a_second: how many requests all of them together begin in a second; as many as they can, if None.
    """
    heard, turn, parts = Heard(), threading.Lock(), urlsplit(url)
    left = threading.Semaphore(requests)
    began = [time.monotonic()]
    start = threading.Barrier(clients + 1)

    def ask() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        start.wait()
        turns = 0
        while left.acquire(blocking=False):
            if a_second is not None:
                turns += 1
                time.sleep(max(0.0, began[0] + turns * clients / a_second - time.monotonic()))
            try:
                connection.request("GET", parts.path, headers={"Cookie": cookie})
                answer = connection.getresponse()
                body = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with turn:
                    heard.odd.append(type(error).__name__)
                continue
            with turn:
                heard.statuses[answer.status] += 1
                heard.told_to_wait += answer.status == 503 and bool(answer.getheader("Retry-After"))
                if answer.status == 200 and must_hold not in body:
                    heard.odd.append("a 200 that is not the page")
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    began[0] = time.monotonic()
    start.wait()
    for thread in threads:
        thread.join()
    heard.seconds = time.monotonic() - began[0]
    return heard
