"""What must hold for every answer that a browser gets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element

from tests.page import Document, accessible_name, select

NONCE = re.compile(r"script-src 'nonce-([A-Za-z0-9_-]+)'")
GATED_FREE = {"hx-nonce", "hx-swap-oob", "hx-preserve"}
LEAKS = re.compile(r"\{\{|\}\}|\{%|%\}|\bUndefined\b|\bNone\b(?! of)|<built-in|object at 0x|&(?:amp|lt|gt|#\d+);")
QUOTING = ("code", "pre", "textarea")
"""Elements whose words are quoted, so that Python's None may stand there; so may `.said`, the stored content."""
UNLABELED = ("hidden", "submit", "button", "image", "reset")
REFERENCES = ("aria-labelledby", "aria-describedby", "aria-controls", "popovertarget", "data-copy", "form", "for")


def nonce_of(policy: str) -> str:
    """The nonce that a Content-Security-Policy lets run."""
    found = NONCE.search(policy)
    assert found, f"no script nonce in the policy {policy!r}"
    return found.group(1)


def check_page(document: Document, nonce: str) -> None:
    """Everything that must hold for a whole page, and for the page after each swap."""
    faults = [fault for check in CHECKS for fault in check(document, nonce)]
    assert not faults, "the page is not clean:\n" + "\n".join(f"- {fault}" for fault in faults)


def _headings(document: Document, _: str) -> Iterator[str]:
    found = document.select("h1")
    if len(found) != 1:
        yield f"{len(found)} h1"
    elif not document.title.startswith(found[0].text) or not found[0].text:
        yield f"the title {document.title!r} does not begin with the h1 {found[0].text!r}"
    if document.root.get("lang") != "en":
        yield "no language"


def _unique_ids(document: Document, _: str) -> Iterator[str]:
    ids = Counter(element.get("id") for element in document.root.iter() if element.get("id") is not None)
    yield from (f"id {name!r} {times} times" for name, times in ids.items() if times > 1 or not name)


def _no_inline(document: Document, nonce: str) -> Iterator[str]:
    for script in document.root.iter("script"):
        if script.get("nonce") != nonce or not script.get("src") or (script.text or "").strip():
            yield f"a script without the nonce, or inline: {script.get('src')}"
    for element in document.root.iter():
        names = [name for name in element.attrib if isinstance(name, str)]
        if element.tag == "style" or any(name == "style" or name.startswith("on") for name in names):
            yield f"inline style or handler on <{element.tag}>"


def _htmx(document: Document, nonce: str) -> Iterator[str]:
    for element in document.root.iter():
        names = {name for name in element.attrib if re.match(r"(data-)?hx-", str(name))}
        if not names:
            continue
        if names - GATED_FREE and element.get("hx-nonce") != nonce:
            yield f"hx attributes without the nonce on <{element.tag} {sorted(names)}>"
        if bad := {name for name in names if name.startswith(("hx-on", "data-hx")) or name in ("hx-vals", "hx-boost")}:
            yield f"hx attributes that are not used here: {sorted(bad)}"
        target = element.get("hx-target", "this")
        if target != "this" and not target.startswith("closest ") and not select(document.root, target):
            yield f"the hx-target {target!r} is not on the page"
        yield from _progressive(element)


def _progressive(element: Element) -> Iterator[str]:
    if element.tag == "form":
        asked = element.get("hx-post" if element.get("method", "").lower() == "post" else "hx-get")
        if asked != element.get("action"):
            yield f"with htmx a form goes to {asked!r}, without to {element.get('action')!r}"
    if element.tag == "a" and element.get("hx-get") != element.get("href"):
        yield f"with htmx a link goes to {element.get('hx-get')!r}, without to {element.get('href')!r}"


def _forms(document: Document, _: str) -> Iterator[str]:
    for form in document.root.iter("form"):
        method, action = form.get("method", "").lower(), form.get("action", "")
        if method not in ("get", "post") or not action.startswith("/"):
            yield f"a form with method {method!r} and action {action!r}"
        tokens = [field for field in form.iter("input") if field.get("name") == "csrf_token" and field.get("value")]
        if (method == "post") != (len(tokens) == 1):
            yield f"the form to {action} has method {method!r} and {len(tokens)} CSRF fields"


def _names(document: Document, _: str) -> Iterator[str]:
    for element in document.root.iter():
        field = element.tag in ("select", "textarea") or (
            element.tag == "input" and element.get("type", "text") not in UNLABELED
        )
        if (field or element.tag in ("button", "a")) and not accessible_name(document, element):
            yield f"<{element.tag} {element.get('id') or element.get('name') or element.get('href')}> has no name"
        if element.tag == "img" and element.get("alt") is None:
            yield f"an image without alt: {element.get('src')}"


def _references(document: Document, _: str) -> Iterator[str]:
    ids = {element.get("id") for element in document.root.iter()}
    for element in document.root.iter():
        for name in REFERENCES:
            missing = set((element.get(name) or "").split()) - ids
            if missing:
                yield f"{name} names {sorted(missing)}, which is not on the page"
        href = str(element.get("href") or "") if element.tag == "a" else ""
        if href.startswith("#") and href[1:] not in ids:
            yield f"a link to {href}, which is not on the page"


def _no_leaks(document: Document, _: str) -> Iterator[str]:
    body = next(document.root.iter("body"))
    for text in _own_words(body):
        if LEAKS.search(text):
            yield f"something leaks into the words: {' '.join(text.split())[:120]!r}"
    for element in body.iter():
        for name, value in element.attrib.items():
            if value in ("None", "Undefined") or "{{" in value or "object at 0x" in value:
                yield f"something leaks into {name}={value!r}"


def _own_words(element: Element) -> Iterator[str]:
    if element.tag in QUOTING or "said" in element.get("class", "").split():
        return
    yield element.text or ""
    for child in element:
        yield from _own_words(child)
        yield child.tail or ""


CHECKS: tuple[Callable[[Document, str], Iterator[str]], ...] = (
    _headings,
    _unique_ids,
    _no_inline,
    _htmx,
    _forms,
    _names,
    _references,
    _no_leaks,
)
