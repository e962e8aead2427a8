"""Stored text as HTML that can do nothing: Markdown of an allow-list of tags and attributes, with nothing remote.

htmx acts on attributes and on `<template>` wherever they stand, so that escaping scripts is not enough: whatever is not
on the list below is dropped, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from anuma_dash.features.history.highlighting import highlighted

SCHEMES = ("http", "https", "mailto")
ALLOWED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("p", "h3", "h4", "h5", "h6", "ul", "li", "blockquote", "pre", "hr", "br", "em", "strong", "s"), frozenset()
    ),
    **dict.fromkeys(("table", "thead", "tbody", "tr", "th", "td"), frozenset()),
    "ol": frozenset({"start"}),
    "a": frozenset({"href", "rel"}),
    "code": frozenset({"class"}),
    "span": frozenset({"class"}),
}
"""Tags, each with the attributes that it may have."""
VOID = ("hr", "br")
CLASSES = re.compile(r"language-[a-z0-9+#-]{1,30}|tok-[a-z]{1,10}|picture")
LANGUAGE = re.compile(r"[a-z0-9+#-]{1,30}")


def to_html(text: str) -> Markup:
    """A message's text as HTML: headings begin at h3, pictures are their words, links lead to other sites only."""
    return Markup(_cleaned(_parser().render(text)))  # noqa: S704 - everything not on the allow-list is gone


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer).enable(
        ["table", "strikethrough"]
    )
    parser.validateLink = _is_harmless  # type: ignore[method-assign]
    return parser


def _is_harmless(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in SCHEMES and (parts.scheme.lower() == "mailto" or bool(parts.hostname))


class _Renderer(RendererHTML):
    def heading_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f"<{_heading(tokens[index].tag)}>"

    def heading_close(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        return f"</{_heading(tokens[index].tag)}>\n"

    def link_open(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        href = str(tokens[index].attrGet("href") or "")
        return f'<a href="{escape(href)}" rel="noopener noreferrer nofollow">'

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        words = self.renderInlineAsText(tokens[index].children or [], options, env)
        return f'<span class="picture">{escape(words or "picture")}</span>'

    def fence(self, tokens: Sequence[Token], index: int, *_: Any) -> str:
        language = (tokens[index].info.split() or [""])[0].lower()
        if not LANGUAGE.fullmatch(language):
            return f"<pre><code>{escape(tokens[index].content)}</code></pre>\n"
        return f'<pre><code class="language-{language}">{highlighted(tokens[index].content, language)}</code></pre>\n'


def _heading(tag: str) -> str:
    return f"h{min(6, int(tag[1:]) + 2)}"


class _Cleaner(HTMLParser):
    """Writes anew what is allowed, and nothing else; text always survives, escaped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            return
        self.parts.append(f"<{tag}{''.join(_attributes(tag, attrs))}>")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self.parts.append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        self.parts.append(escape(data))

    def whole(self) -> str:
        self.close()
        return "".join([*self.parts, *(f"</{tag}>" for tag in reversed(self._open))])


def _attributes(tag: str, attrs: list[tuple[str, str | None]]) -> Iterator[str]:
    for name, value in attrs:
        text = value or ""
        if name not in ALLOWED[tag]:
            continue
        if (name == "class" and not CLASSES.fullmatch(text)) or (name == "start" and not text.isdecimal()):
            continue
        if name == "href" and not _is_harmless(text):
            continue
        yield f' {name}="{escape(text)}"'


def _cleaned(html: str) -> str:
    cleaner = _Cleaner()
    cleaner.feed(html)
    return cleaner.whole()
