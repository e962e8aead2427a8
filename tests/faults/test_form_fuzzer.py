"""Random forms and addresses on every page: never a fault of ours, always words, nothing of others.

`ANUMA_FUZZ_EXAMPLES` says how many of each are tried on each engine; `make soak` tries many.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anuma_dash.db import new_id
from anuma_dash.web.limits import limiter
from tests.examples import make_belongings
from tests.forms import current_values
from tests.hygiene import check_page, nonce_of
from tests.page import Document
from tests.test_every_route import every_route

pytestmark = pytest.mark.long
EXAMPLES = int(os.environ.get("ANUMA_FUZZ_EXAMPLES", "20"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    derandomize="ANUMA_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
OTHERS = ("Strange", "Elsewhere")
LEAKS = re.compile(
    r"Traceback|sqlalchemy|psycopg|sqlite3|werkzeug|jinja2|\.py\b|SELECT [\w.]+,|INSERT INTO|postgresql://",
    re.IGNORECASE,
)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
WORST = ("a\0b", "\ud800", "A" * 5000, "9" * 31, "-1")
URLENCODED = "application/x-www-form-urlencoded"
KINDS = (
    *[URLENCODED] * 8,
    "multipart/form-data",
    "application/json",
    "text/plain",
    "nonsense",
    "",
    "multipart/form-data; boundary=x",
)
NASTY = (
    *("", " ", "\0", "a\0b", "\ud800", "x\udfffy", "\u202egnirts", "\u200b", "é" * 300, "👩‍👩‍👧‍👦", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞"),
    *(
        "-1",
        "0",
        "1e308",
        "NaN",
        "٣",
        "9" * 31,
        str(-(10**30)),
        "1" + "0" * 4999,
        "A" * 5000,
        "on",
        "off",
        "True",
        "None",
    ),
    *(
        "{{7*7}}",
        "${7*7}",
        "%s%n",
        "<img src=x hx-get=/sign-out hx-trigger=load>",
        "'; DROP TABLE users; --",
        "../../x",
    ),
    *(
        "[]",
        "{}",
        "null",
        '["a"]',
        "\r\nX-Injected: 1",
        "2026-02-30",
        "0001-01-01",
        "9999-12-31",
        "//evil.example",
        "/\\e",
    ),
    *("javascript:alert(1)", "%00", "%2e%2e", "&", "=", ";", "a;b", "\x1b[31m", "\ufffe", "\U0010ffff", "0" * 36),
)
NAMES = ("after", "key", "key_id", "model", "status", "content", "from", "to", "tests", "what", "who", "draft", "next")
VALUES = st.sampled_from(NASTY) | st.text(max_size=40) | st.integers().map(str) | st.uuids().map(str) | st.just("~own~")
FIELDS = st.lists(VALUES, max_size=3)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "HX-Request": st.sampled_from(("true", "false", "x")),
        "HX-Request-Type": st.sampled_from(("partial", "full", "x")),
        "HX-Current-URL": st.sampled_from(
            ("http://localhost:8000/keys", "//e", "http://[", "x", "javascript:1", "%ff")
        ),
        "Referer": st.sampled_from(("http://localhost:8000/keys?after=%00", "http://[", "x", "\\\\e", "/" * 3000)),
        "Accept-Language": st.sampled_from(("x" * 500, "é", ";q=", "*")),
        "Cookie": st.sampled_from(("anuma_theme=x", "anuma_flash=a.b.c", "anuma_session=\x7f", "=;=;", "a" * 3000)),
        "X-Forwarded-For": st.sampled_from(("x", "::1", "1.2.3.4, y")),
        "Range": st.sampled_from(("bytes=0-1", "bytes=-", "x")),
        "Content-Length": st.just("5"),
    },
)


@dataclass(frozen=True)
class Form:
    """One form that stands on a page of Olive's, with what it would send."""

    page: str
    method: str
    action: str
    fields: dict[str, list[str]]


def encoded(fields: list[tuple[str, str]]) -> bytes:
    """As a browser encodes a form, or as somebody does who writes bytes by hand."""
    pairs = ("=".join(quote_from_bytes(text.encode("utf-8", "surrogatepass")) for text in pair) for pair in fields)
    return "&".join(pairs).encode()


@pytest.fixture
def site(world, monkeypatch):
    """Olive's browser, her belongings, the routes and the forms of the whole site; no rate limits."""
    monkeypatch.setattr(limiter, "enabled", False)
    own = make_belongings(world)
    routes = [route for route in every_route(world, own) if route.method == "GET"]
    browser = world.browser(world.olive)
    forms: dict[tuple[str, str], Form] = {}
    for page in [route.path for route in routes if not route.path.endswith("/callback")]:
        answer = browser.request("GET", page)
        if answer.mimetype != "text/html" or answer.status_code != 200:
            continue
        for form in Document(answer.text).select("form"):
            action, method = form["action"], form["method"].upper()
            if action != "/sign-out":
                forms.setdefault((method, action), Form(page, method, action, current_values(form.element)))
    assert len(forms) >= 8, sorted(forms)
    return Site(
        world, browser, [str(one) for one in own.identifiers], [one.path for one in routes], list(forms.values())
    )


@dataclass(frozen=True)
class Site:
    """What is fuzzed."""

    world: Any
    browser: Any
    own: list[str]
    paths: list[str]
    forms: list[Form]

    def ask(self, what: str, method: str, path: str, **options: Any) -> None:
        """Send one request, and judge the answer."""
        answer = self.browser.request(method, path, **options)
        text = answer.text
        assert answer.status_code != 500, f"{what}: {text[:2000]}"
        assert "database does not answer" not in text, f"{what}: the database could not read it"
        if answer.status_code >= 400:
            assert not LEAKS.search(text), f"{what}: {LEAKS.search(text)}"
        assert not [word for word in OTHERS if word in text], what
        assert "X-Injected" not in answer.headers, what
        assert "Content-Security-Policy" in answer.headers, what
        if text.startswith("<!doctype html>"):
            document = Document(text)
            check_page(document, nonce_of(answer.headers["Content-Security-Policy"]))
            assert len(document.heading) > 3, what


def test_every_form_and_every_page_answers_in_words_to_whatever_is_sent(site):
    spoil_each_field(site)
    send_forms(site)
    ask_for_addresses(site)
    assert site.browser.request("GET", "/healthz").text == "ok\n"
    assert site.browser.visit("/activity/verification").status == 200


def spoil_each_field(site: Site) -> None:
    """Send every form, right but for one field, with each of the values that break things most often."""
    for form in site.forms:
        for spoiled in form.fields:
            for value in WORST if spoiled != "csrf_token" else ():
                fields = [(name, one) for name, values in form.fields.items() for one in values if name != spoiled]
                fields = [(name, str(new_id()) if UUID.fullmatch(one) else one) for name, one in fields]
                body = encoded([*fields, (spoiled, value)])
                where = {"data": body, "content_type": URLENCODED} if form.method == "POST" else {}
                path = form.action if where else f"{form.action}?{body.decode()}"
                site.ask(f"{form.action} {spoiled}={value[:40]!r}", form.method, path, **where)


def send_forms(site: Site) -> None:
    """Send every form with whatever in its fields."""
    token = re.search(r'csrf_token" value="([^"]+)"', site.browser.request("GET", "/signed-out").text).group(1)

    @FUZZ
    @given(st.data(), st.sampled_from(site.forms), st.sampled_from(KINDS), HEADERS)
    def fuzz(data, form, kind, headers):
        fields: list[tuple[str, str]] = []
        for name, values in form.fields.items():
            keep = name == "csrf_token" or data.draw(st.integers(0, 3)) == 0
            sent = values if keep else data.draw(FIELDS, label=name)
            name = name + "[]" if not keep and data.draw(st.integers(0, 9)) == 0 else name
            fields += [(name, token if name == "csrf_token" else value) for value in sent]
        fields += data.draw(st.lists(st.tuples(VALUES, VALUES), max_size=2))
        body = encoded([(name, _own(value, site, data)) for name, value in fields])
        if form.method == "GET":
            site.ask(repr(form), "GET", form.action + "?" + body.decode(), headers=headers)
            return
        headers.pop("Cookie", None)
        length = headers.pop("Content-Length", None)
        options = {"content_type": kind} if kind else {}
        data_sent = body[: int(length)] if length else body
        site.ask(repr(form), "POST", form.action, data=data_sent, headers=headers | {"X-CSRF-Token": token}, **options)

    fuzz()


def ask_for_addresses(site: Site) -> None:
    """Ask for every page with whatever behind it."""

    @FUZZ
    @given(st.data(), st.sampled_from(site.paths), HEADERS)
    def fuzz(data, path, headers):
        names = st.sampled_from(NAMES) | VALUES
        query = [
            (name, _own(value, site, data)) for name, value in data.draw(st.lists(st.tuples(names, VALUES), max_size=4))
        ]
        if data.draw(st.integers(0, 3)) == 0:
            junk = quote_from_bytes(data.draw(VALUES).encode("utf-8", "surrogatepass"), safe="")
            path = UUID.sub(lambda _: junk, path)
        headers.pop("Content-Length", None)
        site.ask(f"{path} {query}", "GET", path + "?" + encoded(query).decode(), headers=headers)

    fuzz()


def _own(value: str, site: Site, data: Any) -> str:
    if value != "~own~":
        return value
    return data.draw(st.sampled_from(site.own)) if data.draw(st.booleans()) else str(new_id())
