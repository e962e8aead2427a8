"""Every input of the dashboard: its forms found by walking, and what no form has: paths, queries, headers, cookies."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urljoin, urlsplit
from xml.etree.ElementTree import Element

import httpx

from anuma_dash import create_app
from anuma_dash.settings import Settings
from tests.canary.marks import Marks
from tests.forms import BUTTONS, Fields, current_values
from tests.page import Document, select, words

IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
HEADERS = (
    *("User-Agent", "Referer", "X-Request-Id", "Accept-Language", "Accept", "Origin", "X-Forwarded-For"),
    *("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "Authorization"),
    *("HX-Request", "HX-Request-Type", "HX-Target", "HX-Source", "HX-Current-URL", "HX-Prompt", "Sec-Fetch-Site"),
    *("Content-Type", "If-None-Match", "Range", "Traceparent", "X-Unknown", "Host"),
)
COOKIES = ("anuma_session", "anuma_flash", "anuma_csrf", "anuma_theme", "anuma_welcome", "unknown")
QUERIES = (
    *(
        "after",
        "before",
        "key",
        "model",
        "status",
        "content",
        "person",
        "from",
        "to",
        "next",
        "page",
        "q",
        "include_tests",
    ),
    *(
        "category",
        "count",
        "code",
        "state",
        "iss",
        "error",
        "error_description",
        "error_uri",
        "token",
        "account",
        "draft",
    ),
)


class Visitor:
    """Somebody at a browser without scripts, over real HTTP."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = httpx.Client(base_url=origin, timeout=30, trust_env=False, follow_redirects=True)
        self.statuses: set[int] = set()
        self.url, self.document = origin, Document("<!doctype html><title></title>")

    def close(self) -> None:
        """Close every connection."""
        self.http.close()

    def visit(self, path: str) -> Document:
        """Open a page."""
        return self._read(self.http.get(urljoin(self.url, path), headers={"Sec-Fetch-Site": "same-origin"}))

    def press(self, button: str, **fields: str) -> Document:
        """Press the button of this name after filling in fields."""
        form, _ = next(
            (form, one)
            for form in select(self.document.root, "form")
            for one in select(form, BUTTONS)
            if button in (words(one), one.get("aria-label"))
        )
        return self.send(form, fields)

    def send(self, form: Element, changes: dict[str, str]) -> Document:
        """Send a form with what stands in it, but for the changes."""
        values = current_values(form) | {name: [value] for name, value in changes.items()}
        fields: Fields = [(name, one) for name, many in values.items() for one in many]
        address = urljoin(self.url, form.get("action", ""))
        if form.get("method", "get").lower() == "get":
            return self._read(self.http.get(address, params=fields))
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": "{0.scheme}://{0.netloc}".format(urlsplit(address))}
        return self._read(self.http.post(address, data=dict(fields), headers=headers))

    def _read(self, answer: httpx.Response) -> Document:
        self.statuses.add(answer.status_code)
        self.url = str(answer.url)
        if answer.text.lstrip().lower().startswith("<!doctype"):
            self.document = Document(answer.text)
        return self.document


def sign_up(marks: Marks, origin: str) -> Visitor:
    """Somebody new, with marks for a name and an address."""
    visitor = Visitor(origin)
    visitor.visit("/sign-in")
    visitor.press("Continue with Sandbox")
    visitor.visit(visitor.document.one("a[data-follow]")["href"])
    visitor.press(
        "Sign in as somebody new",
        name=marks.new("name at the provider"),
        email=f"{marks.new('address at the provider')}@canary.example",
        email_verified="on",
    )
    visitor.press("Create my account", name=marks.new("site form /welcome name"), thirteen_or_older="y")
    assert urlsplit(visitor.url).path == "/", visitor.document.text
    return visitor


def walk(marks: Marks, visitor: Visitor) -> set[str]:
    """Visit every page that links lead to and send each of its forms, with a mark in each field in turn."""
    waiting, seen, sent, last = ["/"], set(), set(), []
    while waiting:
        path = waiting.pop()
        pattern = IDENTIFIER.sub("ID", path)
        if pattern in seen:
            continue
        seen.add(pattern)
        document = visitor.visit(path)
        for link in document.select("a[href]"):
            address = urlsplit(urljoin(visitor.url, link["href"]))
            if f"{address.scheme}://{address.netloc}" == visitor.origin and not address.path.startswith("/static"):
                waiting.append(address.path + (f"?{address.query}" if address.query else ""))
        for form in select(document.root, "form"):
            if form.get("method", "get").lower() == "get":
                values = current_values(form)
                waiting.append(
                    f"{form.get('action')}?{urlencode([(n, v) for n, many in values.items() for v in many])}"
                )
            action = IDENTIFIER.sub("ID", form.get("action", "")) or pattern
            for field in [*current_values(form), "nobody_knows_this"]:
                if (action, field) not in sent:
                    sent.add((action, field))
                    last.append((path, form, action, field))
    # Who has made an organization looks at it, and who has signed out looks at nothing.
    at_the_end = ("/organizations", "/sign-out")
    last.sort(key=lambda one: [one[2] == late for late in at_the_end[::-1]])
    for path, form, action, field in last:
        if action != "/sign-out" or field != "csrf_token":
            visitor.visit(path)
        texts = dict.fromkeys(_empty(form), "plain") | _ticked(form)
        visitor.url = urljoin(visitor.origin, path)
        visitor.send(form, texts | {field: marks.new(f"site form {action} {field}")})
    return {action for _, _, action, _ in last}


def _empty(form: Element) -> list[str]:
    return [
        str(one.get("name"))
        for one in form.iter("input")
        if one.get("name") and one.get("type", "text") in ("text", "email", "search") and not one.get("value")
    ]


def _ticked(form: Element) -> dict[str, str]:
    boxes = [one for one in form.iter("input") if one.get("type") == "checkbox" and one.get("name")]
    return {str(one.get("name")): one.get("value", "on") for one in boxes}


def raw_inputs(marks: Marks, visitor: Visitor, settings: Settings) -> None:
    """What no form has: for every route a mark in its path, its query, a form, JSON and a file; headers and cookies."""
    with httpx.Client(
        base_url=visitor.origin,
        timeout=30,
        trust_env=False,
        cookies=visitor.http.cookies,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as http:
        _every_route(marks, http, settings)
        for header in HEADERS:
            for path in ("/", "/sign-in", "/healthz", "/nowhere"):
                http.get(path, headers={header: marks.new(f"site header {header}")})
        for cookie in COOKIES:
            http.get("/", headers={"Cookie": f"{cookie}={marks.new(f'site cookie {cookie}')}"})
        http.get(f"/{marks.new('site path')}")
        for times in (1, 2):  # gunicorn itself refuses more than 20 characters
            http.request(marks.new("site method").upper() * times, "/")


def _every_route(marks: Marks, http: httpx.Client, settings: Settings) -> None:
    for rule in create_app(settings).url_map.iter_rules():
        name = f"site {rule.rule}"
        path = re.sub(r"<[^>]+>", lambda _, name=name: marks.new(f"{name} path"), rule.rule)
        http.get(path, params={query: marks.new(f"{name} query {query}") for query in QUERIES})
        if "POST" in (rule.methods or ()):
            http.post(path, data={"field": marks.new(f"{name} form")})
            http.post(path, json={"field": marks.new(f"{name} JSON")})
            http.post(path, content=marks.new(f"{name} body"), headers={"Content-Type": "application/csp-report"})
            http.post(path, files={"file": (marks.new(f"{name} file name"), marks.new(f"{name} file") * 40_000)})
