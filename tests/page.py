"""A page as a person and their browser see it: strictly parsed HTML with selectors, words, tables and forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from xml.etree.ElementTree import Element

import cssselect2
import html5lib
from html5lib.html5parser import ParseError

INLINE = frozenset(
    ("a", "abbr", "b", "bdi", "cite", "code", "em", "i", "kbd", "mark", "q", "small", "span", "strong", "time")
)
UNSEEN = frozenset(("script", "style", "template", "title", "head"))
MARK = "\ue000"
"""Stands for the identifiers, tokens and times of a page while it is looked for among the pages parsed before."""
IDENTIFIERS = re.compile(r"(?<=[\"/=>\s])(?=[\w-]*\d)[\w-]{16,}")
"""Identifiers, nonces, form tokens."""
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+\d|\b\d\d:\d\d\b")
MARKED = re.compile(f"{MARK}(\\d+);")
MOST_SHAPES = 1500
CONTEXTS = (("tr", "tbody"), ("td", "tr"), ("th", "tr"), ("tbody", "table"), ("thead", "table"), ("option", "select"))


@dataclass(frozen=True)
class Node:
    """One element found on a page."""

    element: Element

    @property
    def tag(self) -> str:
        """Its tag."""
        return str(self.element.tag)

    @property
    def text(self) -> str:
        """Its words, with collapsed spaces."""
        return words(self.element)

    def get(self, name: str, default: str | None = None) -> str | None:
        """One of its attributes."""
        return self.element.get(name, default)

    def __getitem__(self, name: str) -> str:
        return self.element.attrib[name]


class Document:
    """A parsed page, or the page that is left after htmx has swapped parts of it."""

    def __init__(self, html: str) -> None:
        self.root = parse(html)

    def select(self, selector: str) -> list[Node]:
        """Every element that fits a CSS selector, in the order of the page."""
        return [Node(found) for found in select(self.root, selector)]

    def one(self, selector: str) -> Node:
        """The only element that fits."""
        found = self.select(selector)
        assert len(found) == 1, f"{len(found)} elements fit {selector!r}"
        return found[0]

    def by_id(self, identifier: str) -> Element | None:
        """The element with this id."""
        return next((element for element in self.root.iter() if element.get("id") == identifier), None)

    def parents(self) -> dict[Element, Element]:
        """From each element to the one around it."""
        return {child: parent for parent in self.root.iter() for child in parent}

    @property
    def text(self) -> str:
        """What a person can read on the page, with collapsed spaces."""
        return words(self.root)

    @property
    def title(self) -> str:
        """What the tab says."""
        (title,) = self.root.findall("head/title")
        return " ".join("".join(title.itertext()).split())

    @property
    def heading(self) -> str:
        """The h1."""
        return self.one("h1").text

    def table(self, caption: str) -> list[dict[str, str]]:
        """The rows of the table with this caption: from the heading of each column to the words below it."""
        known = [_caption(table) for table in self.select("table")]
        tables = [table for table in self.select("table") if _caption(table) == caption]
        assert len(tables) == 1, f"{len(tables)} tables {caption!r}; there are {known}"
        headings = [words(cell) for cell in select(tables[0].element, "thead tr > *")]
        rows = select(tables[0].element, "tbody tr")
        return [dict(zip(headings, [words(cell) for cell in row], strict=True)) for row in rows]


def parse(html: str) -> Element:
    """A whole page, strictly: a fault in the HTML is a failure.

    Parsing is the slowest thing that a test does, and most pages differ from one seen before only in what varies by
    chance; so each shape of page is parsed once, and what varies is put back into a copy of its tree.
    """
    if MARK in html:
        return _parse(html)
    found: list[str] = []

    def marked(match: re.Match[str]) -> str:
        found.append(match[0])
        return f"{MARK}{len(found) - 1};"

    shape = _shape(TIMES.sub(marked, IDENTIFIERS.sub(marked, html)))
    return _parse(html) if shape is None else _filled(deepcopy(shape), found)


def _parse(html: str) -> Element:
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    root: Element = parser.parse(html)
    _refuse_faults(parser, html)
    return root


@lru_cache(MOST_SHAPES)
def _shape(html: str) -> Element | None:
    try:
        root = _parse(html)
    except ParseError:
        return None  # the page itself says where, when it is parsed
    named = {name for element in root.iter() for name in (element.tag, *element.attrib)}
    if any(MARK in name for name in named if isinstance(name, str)):
        return None
    return root


def _filled(root: Element, found: list[str]) -> Element:
    def fill(text: str) -> str:
        return MARKED.sub(lambda match: found[int(match[1])], text)

    for element in root.iter():
        if element.text and MARK in element.text:
            element.text = fill(element.text)
        if element.tail and MARK in element.tail:
            element.tail = fill(element.tail)
        for name, value in element.items():
            if MARK in value:
                element.set(name, fill(value))
    return root


def parse_fragment(html: str) -> list[Any]:
    """The top of a fragment: elements, with loose text as strings; rows of a table need no table around them."""
    first = re.match(r"\s*(?:<!--.*?-->\s*)*<([a-z0-9-]+)", html, re.DOTALL)
    container = dict(CONTEXTS).get(first.group(1) if first else "", "div")
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    fragment = parser.parseFragment(html, container=container)
    _refuse_faults(parser, html)
    parts: list[Any] = [fragment.text or ""]
    for element in fragment:
        tail, element.tail = element.tail or "", None
        parts += [element, tail]
    return [part for part in parts if not isinstance(part, str) or part]


def _refuse_faults(parser: Any, html: str) -> None:
    if parser.errors:
        (line, column), code, details = parser.errors[0]
        shown = html.splitlines()[max(line - 2, 0) : line + 1]
        raise ParseError(f"invalid HTML, {code} {details} at line {line}, column {column}:\n" + "\n".join(shown))


@cache
def _compiled(selector: str) -> Any:
    return cssselect2.compile_selector_list(selector)


def select(root: Element, selector: str) -> list[Element]:
    """Every element below `root` that fits a CSS selector."""
    if selector.isalnum():  # a tag, which needs no matching engine
        return [one for one in root.iter(selector) if one is not root or root.tag == "html"]
    tests = [compiled.test for compiled in _compiled(selector)]
    wrapper = cssselect2.ElementWrapper.from_html_root(root)
    elements = (one for one in wrapper.iter_subtree() if one.etree_element is not root or root.tag == "html")
    return [one.etree_element for one in elements if any(test(one) for test in tests)]


def words(element: Element) -> str:
    """The words of an element with collapsed spaces; what is hidden is left out, from screen readers too."""
    return re.sub(r"\s+", " ", "".join(_pieces(element))).strip()


def _pieces(element: Element) -> Iterator[str]:
    if not isinstance(element.tag, str) or element.tag in UNSEEN:
        return
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return
    space = "" if element.tag in INLINE else " "
    yield space + (element.text or "")
    for child in element:
        yield from _pieces(child)
        yield child.tail or ""
    yield space


def _caption(table: Node) -> str:
    found = select(table.element, "caption")
    return words(found[0]) if found else ""


def accessible_name(document: Document, element: Element) -> str:
    """What a screen reader calls a control."""
    if element.get("aria-label"):
        return str(element.get("aria-label"))
    if element.get("aria-labelledby"):
        named = [document.by_id(part) for part in element.get("aria-labelledby", "").split()]
        return " ".join(words(one) for one in named if one is not None)
    if element.tag in ("input", "select", "textarea"):
        labels = [label for label in document.root.iter("label") if _is_label_of(label, element)]
        if labels:
            return words(labels[0])
    if element.tag == "input" and element.get("type") in ("submit", "button"):
        return element.get("value", "")
    return words(element) or element.get("title", "")


def _is_label_of(label: Element, field: Element) -> bool:
    if label.get("for"):
        return label.get("for") == field.get("id")
    return any(one is field for one in label.iter())
