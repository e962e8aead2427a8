"""Bytes: what a browser loads, first and later, and how much smaller a fragment is than its page."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urljoin, urlsplit

from flask.testing import FlaskClient

from anuma_dash.db import new_id
from anuma_dash.gateway import schemas
from benchmarks.dashboard import Customer
from benchmarks.figures import Effort, Figure
from benchmarks.lab import Lab

KILOBYTE = 1000
_GZIP_LEVEL = 5
_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")
_FOR_OTHER_LETTERS = re.compile(r"@font-face\{[^}]*unicode-range:(?!U\+0000)[^}]*\}")
"""Fonts that a browser fetches only for a page that has such letters."""

_LOADED = re.compile(r'<(?:script|link)[^>]*?(?:src|href)="([^"]+)"|url\(["\']?([^"\')]+)["\']?\)')


def measure(_effort: Effort, lab: Lab) -> list[Figure]:
    """Of the pages as the application answers them, compressed by gzip as the proxy in front does it."""
    return [*_loads(lab.customer), *_fragments(lab.customer, lab.key)]


def _loads(who: Customer) -> list[Figure]:
    client, base = who.client(), who.settings.public_url
    first = {"the sign-in page": who.app.test_client(), "the overview": client}
    paths = {"the sign-in page": "/sign-in", "the overview": "/"}
    figures = [
        Figure(f"first load of {name} with all it needs, fonts too", 100, [_load(browser, base, paths[name])], "KB")
        for name, browser in first.items()
    ]
    sizes = {path: _compressed(client, base, path)[0] / KILOBYTE for path in who.menu()}
    heaviest = max(sizes, key=lambda path: sizes[path])
    figures.append(Figure(f"later page, the heaviest of the menu ({heaviest})", 20, [sizes[heaviest]], "KB"))
    return figures


def _load(client: FlaskClient, base: str, path: str) -> float:
    """All that a browser with an empty cache fetches, in kilobytes."""
    waiting, seen, total = [path], {path}, 0
    while waiting:
        place = waiting.pop()
        size, text = _compressed(client, base, place)
        total += size
        for name in (one or other for one, other in _LOADED.findall(_FOR_OTHER_LETTERS.sub("", text))):
            found = urlsplit(urljoin(place, name)).path
            if found.startswith("/static/") and found not in seen:
                seen.add(found)
                waiting.append(found)
        for name in re.findall(r'href="(/static/[^"#]+)#', text):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return total / KILOBYTE


def _compressed(client: FlaskClient, base: str, path: str) -> tuple[int, str]:
    """The bytes of an answer's body on the wire, and its text, if it is one."""
    with client.get(path, base_url=base, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.status_code == 200, path
        data = answer.data
        if not answer.content_type.startswith(_TEXT):
            return len(data), ""
        encoded = answer.headers.get("Content-Encoding")
        text = gzip.decompress(data) if encoded == "gzip" else data
        size = len(data) if encoded else len(gzip.compress(data, _GZIP_LEVEL))
        return size, text.decode()


def _fragments(who: Customer, key: str) -> list[Figure]:
    newest = who.services.gateway.requests(who.actor, who.account, limit=1).data[0].id
    for number in range(30):
        new = schemas.NewKey(name=f"key {number}")
        who.services.gateway.create_key(who.actor, who.account, new, str(new_id()))
    pairs = {
        "one control": ("/data-controls/prompt-logging", "/data-controls"),
        "one row of the keys": (f"/keys/{key}", "/keys"),
        "the content of one request": (f"/requests/{newest}", f"/requests/{newest}"),
    }
    client, base = who.client(), who.settings.public_url
    figures = []
    for name, (part, page) in pairs.items():
        fragment, whole = client.get(part, base_url=base, headers=_HTMX), client.get(page, base_url=base)
        assert fragment.status_code == whole.status_code == 200, part
        figures.append(Figure(f"fragment of {name} ÷ its page, bytes", 0.3, [len(fragment.data) / len(whole.data)]))
    return figures
