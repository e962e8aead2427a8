"""What htmx 4 does with an answer: swap it into the page, and its out-of-band parts where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from tests.page import Document, parse_fragment, select

MORPHS = {"outerMorph": "outerHTML", "innerMorph": "innerHTML"}
SAME = {"before": "beforebegin", "prepend": "afterbegin", "append": "beforeend", "after": "afterend"}
OUT_OF_BAND = "hx-swap-oob"


def swap(document: Document, html: str, target: Element | None, style: str) -> None:
    """Swap a fragment into the document. Out-of-band parts go where they say; the rest goes to the target."""
    parts = parse_fragment(html)
    apart = [part for part in parts if isinstance(part, Element) and _goes_elsewhere(part)]
    rest = [part for part in parts if not any(part is one for one in apart)]
    for part in list(rest):
        if isinstance(part, Element):
            apart += _taken_out(part)
    if not apart or any(isinstance(part, Element) or part.strip() for part in rest):
        assert target is not None, "htmx finds no target for this answer"
        place(document, target, style, rest)
    for part in apart:
        _place_apart(document, part)


def _goes_elsewhere(part: Element) -> bool:
    return part.tag == "hx-partial" or part.get(OUT_OF_BAND) is not None


def _taken_out(part: Element) -> list[Element]:
    found = [child for child in part.iter() if child is not part and _goes_elsewhere(child)]
    around = {child: parent for parent in part.iter() for child in parent}
    for child in found:
        around[child].remove(child)
    return found


def _place_apart(document: Document, part: Element) -> None:
    if part.tag == "hx-partial":
        target, style = find_target(document, part.get("hx-target", ""), part), part.get("hx-swap", "innerHTML")
        place(document, target, style, [part.text or "", *part])
        return
    style, _, selector = part.attrib.pop(OUT_OF_BAND).partition(":")
    style = "outerHTML" if style == "true" else style
    target = find_target(document, selector or f"#{part.get('id')}", part)
    place(document, target, style, [part] if style.startswith("outer") else [part.text or "", *part])


def find_target(document: Document, selector: str, source: Element) -> Element:
    """The element that `hx-target` means."""
    if selector in ("", "this"):
        return source
    if selector.startswith("closest "):
        parents, wanted = document.parents(), set(select(document.root, selector.removeprefix("closest ")))
        found: Element | None = source
        while found is not None and found not in wanted:
            found = parents.get(found)
        assert found is not None, f"nothing around the element fits {selector!r}"
        return found
    fitting = select(document.root, selector)
    assert fitting, f"the target {selector!r} is not on the page"
    return fitting[0]


def place(document: Document, target: Element, style: str, parts: Sequence[Any]) -> None:
    """Put parts at, in, or around the target. Morphs end as the plain swaps do."""
    style = (style.split() or ["innerHTML"])[0]
    style = SAME.get(MORPHS.get(style, style), MORPHS.get(style, style))
    if style == "none":
        return
    if style == "innerHTML":
        for child in list(target):
            target.remove(child)
        target.text = ""
        _insert(target, 0, parts)
    elif style in ("afterbegin", "beforeend"):
        _insert(target, 0 if style == "afterbegin" else len(target), parts)
    else:
        parent = document.parents()[target]
        index = list(parent).index(target)
        if style in ("outerHTML", "delete"):
            parent.remove(target)
        elif style not in ("beforebegin", "afterend"):
            raise AssertionError(f"no such hx-swap: {style!r}")
        _insert(parent, index + (style == "afterend"), [] if style == "delete" else parts)


def _insert(parent: Element, index: int, parts: Sequence[Any]) -> None:
    for part in parts:
        if isinstance(part, Element):
            parent.insert(index, part)
            index += 1
        elif index:
            parent[index - 1].tail = (parent[index - 1].tail or "") + part
        else:
            parent.text = (parent.text or "") + part
