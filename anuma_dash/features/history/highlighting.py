"""Code with its comments, strings, numbers and keywords marked by class: enough to read it, for any language."""

from __future__ import annotations

import re
from html import escape

MOST_CHARACTERS = 50_000
"""Longer code is shown plain."""
_HASH = (
    "python",
    "py",
    "bash",
    "sh",
    "shell",
    "yaml",
    "yml",
    "ruby",
    "rb",
    "toml",
    "r",
    "perl",
    "dockerfile",
    "makefile",
)
_DASH = ("sql", "lua", "haskell", "hs")
_KEYWORDS = re.compile(
    r"(?:and|as|async|await|break|case|catch|class|const|continue|def|del|do|elif|else|enum|except|export|extends|"
    r"false|finally|fn|for|from|func|function|if|impl|import|in|interface|is|lambda|let|match|mod|mut|new|nil|none|not|"
    r"null|or|package|pass|private|pub|public|raise|return|select|self|static|struct|super|switch|this|throw|true|try|"
    r"type|use|var|void|where|while|with|yield|insert|update|delete|create|table|into|values|set|join|order|group|by)",
    re.IGNORECASE,
)
_STRING = r"""(?P<str>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"""
# A quote that nothing closes is passed over with all that was tried: beginning anew behind it would be quadratic.
_UNCLOSED = r"""(?P<unclosed>"(?:\\.|[^"\\\n])*|'(?:\\.|[^'\\\n])*|`(?:\\.|[^`\\])*)"""
_REST = r"(?P<num>\b\d[\w.]*)|(?P<word>[^\W\d]\w*)"


def _pattern(comment: str) -> re.Pattern[str]:
    return re.compile(f"(?P<com>{comment})|{_STRING}|{_UNCLOSED}|{_REST}")


_BY_SLASH = _pattern(r"//[^\n]*|/\*(?s:.*?)(?:\*/|\Z)")
_BY_HASH = _pattern(r"#[^\n]*")
_BY_DASH = _pattern(r"--[^\n]*")


def highlighted(code: str, language: str) -> str:
    """The code escaped, its parts in `<span class="tok-…">`."""
    if len(code) > MOST_CHARACTERS:
        return escape(code)
    pattern = _BY_HASH if language in _HASH else _BY_DASH if language in _DASH else _BY_SLASH
    parts, end = [], 0
    for found in pattern.finditer(code):
        kind, text = found.lastgroup, escape(found.group())
        if kind in ("word", "unclosed"):
            kind = "kw" if _KEYWORDS.fullmatch(found.group()) else None
        parts.append(escape(code[end : found.start()]))
        parts.append(f'<span class="tok-{kind}">{text}</span>' if kind else text)
        end = found.end()
    return "".join([*parts, escape(code[end:])])
