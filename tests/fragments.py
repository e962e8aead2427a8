"""Fragments never drift from their pages: whatever htmx gets alone must stand, word for word, in the whole page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from xml.etree.ElementTree import Element

from flask import current_app

from anuma_dash.web import render
from tests.page import Document, parse_fragment, words
from tests.swaps import OUT_OF_BAND

_render_block = render.render_block


@contextmanager
def checked_against_their_pages() -> Iterator[None]:
    """Check every fragment that the application draws, while this lasts."""
    with patch.object(render, "render_block", _checked):
        yield


def _checked(template: str, name: str, **context: Any) -> str:
    html: str = _render_block(template, name, **context)
    whole = current_app.jinja_env.get_template(template).render(**render._with_flask_context(context))
    if "<html" in whole:
        said, page = _words_of(html), Document(whole).text
        assert said in page, f"the block {name} of {template} says what its page does not:\n{said}\n---\n{page}"
    return html


def _words_of(html: str) -> str:
    # Messages are shown once, so the page that is drawn for the comparison has them no more.
    around = Element("div")
    for part in parse_fragment(html):
        if isinstance(part, str):
            last = around[-1] if len(around) else None
            if last is None:
                around.text = (around.text or "") + part
            else:
                last.tail = (last.tail or "") + part
        elif not (part.get(OUT_OF_BAND) and part.get("id") == "flash"):
            around.append(part)
    return words(around)
