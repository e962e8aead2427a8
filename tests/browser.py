"""A browser for tests: it follows links and submits the forms that it finds, plainly or as htmx 4 does."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit
from xml.etree.ElementTree import Element

import httpx
from flask import Flask
from werkzeug.test import TestResponse

from tests import swaps
from tests.forms import Fields, Filled, Value, fill
from tests.hygiene import check_page, nonce_of
from tests.page import Document, Node, select, words

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
LONGEST_CHAIN = 8


class Browser:
    """One browser of one person. After every answer of the dashboard the page must be clean (see `hygiene`)."""

    def __init__(self, app: Flask, origin: str, *, htmx: bool = False) -> None:
        self.app = app
        self.origin = origin
        self.htmx = htmx
        self.url = ""
        self.document = Document("<!doctype html><title></title>")
        self.response: TestResponse | httpx.Response | None = None
        self._client = app.test_client()
        self._elsewhere: httpx.Client | None = None
        self._nonce = ""

    # What the person does

    def visit(self, path: str) -> Browser:
        """Type an address."""
        self._load("GET", self._absolute(path, typed=True), site="none")
        return self

    def reload(self) -> Browser:
        """Load the page anew."""
        return self.visit(self.url)

    def follow(self, text: str, *, within: str = "") -> Browser:
        """Click the link with these words."""
        scope = within or "body"
        links = [link for link in select(self.document.root, f"{scope} a[href]") if words(link) == text]
        links = links or [
            link for link in select(self.document.root, f"{scope} a[href]") if link.get("aria-label") == text
        ]
        assert links, f"no link {text!r}; there are {[words(one) for one in self.document.root.iter('a')]}"
        goals = {link.get("href") for link in links}
        assert len(goals) == 1, f"the link {text!r} leads to {sorted(map(str, goals))}: say which with within="
        if self.htmx and links[0].get("hx-get"):
            self._with_htmx("GET", links[0], links[0].get("hx-get", ""), [])
        else:
            self._load("GET", self._absolute(links[0].get("href", "")))
        return self

    def submit(self, button: str, *, within: str = "", **fields: Value) -> Browser:
        """Press a button, by its words or accessible name, after filling in fields of its form by their names."""
        filled = fill(self.document, button, fields, within)
        verb = "hx-post" if filled.method == "post" else "hx-get"
        if self.htmx and filled.form.get(verb):
            self._with_htmx(filled.method.upper(), filled.form, filled.form.get(verb, ""), filled.fields)
        else:
            self._send(filled)
        return self

    def poll(self, selector: str) -> Browser:
        """Let time pass for an element that asks the server again by itself; without htmx, reload the page."""
        if not self.htmx:
            return self.reload()
        element = self.document.one(selector).element
        assert "every" in element.get("hx-trigger", ""), f"{selector!r} does not ask again by itself"
        self._with_htmx("GET", element, element.get("hx-get", ""), [])
        return self

    # What they see

    @property
    def text(self) -> str:
        """Every word on the page."""
        return self.document.text

    @property
    def heading(self) -> str:
        """The h1."""
        return self.document.heading

    @property
    def status(self) -> int:
        """The status of the last answer."""
        return self._last.status_code

    @property
    def headers(self) -> Any:
        """The headers of the last answer."""
        return self._last.headers

    @property
    def path(self) -> str:
        """Path and query of the address bar."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def select(self, selector: str) -> list[Node]:
        """Every element that fits a CSS selector."""
        return self.document.select(selector)

    def one(self, selector: str) -> Node:
        """The only element that fits."""
        return self.document.one(selector)

    def table(self, caption: str) -> list[dict[str, str]]:
        """The rows of the table with this caption, by the words of its headings."""
        return self.document.table(caption)

    def offers(self, name: str) -> bool:
        """Whether there is a link or a button of this name."""
        return any(name in (words(one), one.get("aria-label")) for one in select(self.document.root, "a, button"))

    # Cookies and raw requests

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie of the dashboard into the jar."""
        self._client.set_cookie(name, value, domain=urlsplit(self.origin).hostname or "", path="/")

    def cookie(self, name: str) -> str | None:
        """The value of one of the dashboard's cookies."""
        found = self._client.get_cookie(name, domain=urlsplit(self.origin).hostname or "")
        return found.value if found else None

    def drop_cookie(self, name: str) -> None:
        """Take a cookie of the dashboard out of the jar."""
        self._client.delete_cookie(name, domain=urlsplit(self.origin).hostname or "")

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """A raw request with this browser's cookies: nothing is followed, swapped or checked."""
        headers = {"User-Agent": USER_AGENT, "Sec-Fetch-Site": "same-origin"} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return self._client.open(path, method=method, base_url=self.origin, headers=headers, **options)

    def csrf_token(self) -> str:
        """A form token of the page that is open."""
        return self.select("input[name=csrf_token]")[0]["value"]

    # How it is done

    @property
    def _last(self) -> TestResponse | httpx.Response:
        assert self.response is not None, "nothing has been visited yet"
        return self.response

    def _absolute(self, address: str, *, typed: bool = False) -> str:
        return urljoin(self.origin + "/" if typed or not self.url else self.url, address)

    def _send(self, filled: Filled) -> None:
        address = self._absolute(filled.action)
        if filled.method == "get":
            self._load("GET", address.partition("?")[0] + "?" + urlencode(filled.fields))
        else:
            self._load("POST", address, filled.fields)

    def _load(self, method: str, url: str, fields: Fields | None = None, site: str = "") -> None:
        response = self._fetch(method, url, fields or [], {}, site)
        self.response = response
        self.document = Document(response.text)
        if self._ours(self.url):
            self._nonce = nonce_of(response.headers["Content-Security-Policy"])
            check_page(self.document, self._nonce)

    def _fetch(
        self, method: str, url: str, fields: Fields, headers: dict[str, str], site: str = ""
    ) -> TestResponse | httpx.Response:
        """Send a request and follow its redirects; the address bar then holds where it ended (not for htmx)."""
        came_from = self.url
        for _ in range(LONGEST_CHAIN):
            if not site:
                site = "same-origin" if urlsplit(url).netloc == urlsplit(came_from).netloc else "cross-site"
            sent = {"User-Agent": USER_AGENT, "Sec-Fetch-Site": site, **headers}
            if came_from and site != "none":
                sent["Referer"] = came_from if site == "same-origin" else self._origin_of(came_from) + "/"
            if method == "POST":
                sent["Origin"] = self._origin_of(came_from)
            response = self._open(method, url, fields, sent)
            if response.status_code not in (301, 302, 303, 307, 308):
                if not headers:
                    self.url = url
                return response
            assert response.status_code == 303, f"a form is answered by {response.status_code}, not by 303"
            url, method, fields = urljoin(url, response.headers["Location"]), "GET", []
            site = "" if site == "same-origin" else site
        raise AssertionError(f"more than {LONGEST_CHAIN} redirects, the last one to {url}")

    def _open(self, method: str, url: str, fields: Fields, headers: dict[str, str]) -> TestResponse | httpx.Response:
        parts = urlsplit(url)
        body = urlencode(fields) if method == "POST" else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        if not self._ours(url):
            if self._elsewhere is None:
                self._elsewhere = httpx.Client(trust_env=False, verify=False, timeout=15)
            return self._elsewhere.request(method, url, content=body, headers=headers | kind)
        return self._client.open(
            parts.path or "/",
            method=method,
            base_url=self.origin,
            query_string=parts.query,
            data=body,
            headers=headers | kind,
        )

    def _ours(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self.origin).netloc

    @staticmethod
    def _origin_of(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"

    def _with_htmx(self, method: str, source: Element, address: str, fields: Fields) -> None:
        target = swaps.find_target(self.document, source.get("hx-target", "this"), source)
        whole = target.tag == "body" or source.get("hx-select") is not None
        headers = {
            "HX-Request": "true",
            "HX-Request-Type": "full" if whole else "partial",
            "HX-Source": _label(source),
            "HX-Target": _label(target),
            "HX-Current-URL": self.url,
            "Accept": "text/html",
        }
        url = self._absolute(address)
        if method == "GET" and fields:
            url = f"{url.partition('?')[0]}?{urlencode(parse_qsl(urlsplit(url).query) + fields)}"
        response = self._fetch(method, url, fields if method == "POST" else [], headers)
        self.response = response
        if "HX-Redirect" in response.headers:
            self._load("GET", self._absolute(response.headers["HX-Redirect"]))
            return
        if "HX-Refresh" in response.headers:
            self.reload()
            return
        self._swap(response, source, target)
        pushed = response.headers.get("HX-Push-Url") or response.headers.get("HX-Replace-Url")
        pushed = pushed or (url if source.get("hx-push-url") == "true" else source.get("hx-push-url"))
        self.url = self._absolute(pushed) if pushed else self.url
        check_page(self.document, self._nonce)

    def _swap(self, response: TestResponse | httpx.Response, source: Element, target: Element) -> None:
        if response.status_code in (204, 304):
            return
        html = response.text
        nonce = nonce_of(response.headers["Content-Security-Policy"])
        assert nonce != self._nonce, "the fragment repeats the nonce of the page"
        if source.get("hx-select"):
            chosen = Document(html).one(source.get("hx-select", "")).element
            target.attrib, target.text, target[:] = chosen.attrib, chosen.text, list(chosen)
        else:
            assert "<html" not in html, "htmx asked for a part and got a whole page"
            html = html.replace(f'nonce="{nonce}"', f'nonce="{self._nonce}"')
            if "HX-Retarget" in response.headers:
                target = swaps.find_target(self.document, response.headers["HX-Retarget"], source)
            style = response.headers.get("HX-Reswap") or source.get("hx-swap", "innerHTML")
            swaps.swap(self.document, html, target, style)


def _label(element: Element) -> str:
    identifier = element.get("id")
    return f"{element.tag}#{identifier}" if identifier else str(element.tag)
