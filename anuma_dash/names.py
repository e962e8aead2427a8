"""Names that people type: one line, without characters that hide or turn around what the rest says."""

from __future__ import annotations

from unicodedata import category

TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE = frozenset("\u200b\u2060\ufeff")


def one_line(text: str | None) -> str:
    """The text in one line, without control, direction and zero-width characters; empty if nothing visible is left.

    Joiners stay: some scripts and emoji cannot be written without them.
    """
    kept = "".join(
        " " if character.isspace() else character
        for character in text or ""
        if character.isspace() or (category(character) != "Cc" and character not in TURNING | INVISIBLE)
    )
    words = " ".join(kept.split())
    return words if any(category(character)[0] in "LNPS" for character in words) else ""


def plain_lines(text: str | None) -> str:
    """The text in its lines, without control characters, and without space around it."""
    lines = (text or "").replace("\r\n", "\n").replace("\r", "\n")
    kept = (one for one in lines if one in "\n\t" or category(one) not in ("Cc", "Cs", "Cn"))
    return "".join(kept).strip()


def fold_address(email: str) -> str:
    """An e-mail address as it is compared: without spaces around it, its ASCII letters small.

    No other letter is folded: U+212A, the sign of the kelvin, would become the letter of another person's address.
    """
    return "".join(letter.lower() if letter.isascii() else letter for letter in email.strip())
