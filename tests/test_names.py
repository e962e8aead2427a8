"""Names that people type say what they seem to say."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anuma_dash.names import INVISIBLE, TURNING, fold_address, one_line


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Olive \n Lindqvist ", "Olive Lindqvist"),
        ("Zed\x00Nul", "ZedNul"),
        ("cod\u202egnp.exe", "codgnp.exe"),
        ("\u200b", ""),
        ("\u200d", ""),
        ("   ", ""),
        (None, ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("<img hx-get=/keys>", "<img hx-get=/keys>"),
    ],
)
def test_what_hides_or_turns_is_dropped_and_scripts_stay_whole(typed: str | None, kept: str) -> None:
    assert one_line(typed) == kept


@given(st.text(max_size=60))
def test_no_name_has_a_hidden_character_and_twice_is_as_once(typed: str) -> None:
    name = one_line(typed)
    assert one_line(name) == name
    assert not any(category(character) == "Cc" or character in TURNING | INVISIBLE for character in name)


def test_an_address_is_folded_in_ascii_alone():
    assert fold_address(" Kim@Example.COM ") == "kim@example.com"
    assert fold_address("\u212aim@example.com") == "\u212aim@example.com", "the sign of the kelvin is no k"
