"""The format of API keys."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from anuma_dash.embedded.gateway.api_keys import ALPHABET, checksum, is_well_formed, new_secret

ENVIRONMENTS = st.sampled_from(["live", "test"])


@given(ENVIRONMENTS)
def test_a_new_key_has_the_documented_form(environment):
    secret = new_secret(environment)
    assert re.fullmatch(rf"anuma_{environment}_[0-9A-Za-z]{{36}}", secret)
    assert is_well_formed(secret)


@given(ENVIRONMENTS, st.integers(0, 46), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(environment, place, character):
    secret = new_secret(environment)
    changed = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@given(ENVIRONMENTS, st.integers(11, 45))
def test_two_swapped_neighbors_are_noticed(environment, place):
    secret = new_secret(environment)
    swapped = secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :]
    assert is_well_formed(swapped) == (swapped == secret)


@given(st.text(max_size=60))
def test_other_text_is_no_key(text):
    assert not is_well_formed(text)


def test_the_checksum_stays_what_it_is():
    """Scanners elsewhere know it: it must never change."""
    assert checksum("anuma_live_" + "A" * 30) == "4BCRTZ"


def test_keys_differ():
    assert len({new_secret("live") for _ in range(1000)}) == 1000
