"""Keys: recognised without the database, known to nobody by what is stored."""

from __future__ import annotations

import base64
import re
import string

from hypothesis import example, given
from hypothesis import strategies as st

from adaptation.engine.keys import (
    hash_of,
    is_well_formed,
    make_key,
    new_signing_secret,
    prefix_of,
)

KEY = make_key()
LETTERS = string.ascii_letters + string.digits + "_-"


def test_a_key_has_a_prefix_to_show_32_random_bytes_and_a_checksum() -> None:
    assert re.fullmatch(r"ad_[a-z0-9]{8}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}", KEY)
    assert len(base64.urlsafe_b64decode(KEY[12:55] + "=")) == 32
    assert prefix_of(KEY) == KEY[:11]
    assert is_well_formed(KEY)
    assert len({make_key() for _ in range(100)}) == 100


@given(place=st.integers(0, len(KEY) - 1), letter=st.sampled_from(LETTERS))
def test_one_wrong_letter_is_noticed(place: int, letter: str) -> None:
    wrong = KEY[:place] + letter + KEY[place + 1 :]
    assert is_well_formed(wrong) == (wrong == KEY)


@given(place=st.integers(0, len(KEY) - 2))
def test_two_letters_that_changed_places_are_noticed(place: int) -> None:
    wrong = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    assert is_well_formed(wrong) == (wrong == KEY)


@given(st.text())
@example("")
@example(KEY + "\n")
@example(KEY[:-1])
@example("\ud800" + KEY)
def test_other_text_is_no_key_and_can_be_hashed(text: str) -> None:
    assert not is_well_formed(text)
    assert re.fullmatch(r"[0-9a-f]{64}", hash_of(text))


def test_the_hash_is_the_sha_256_of_the_whole_key() -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_of("abc") == digest


def test_a_signing_secret_has_the_form_of_standard_webhooks() -> None:
    secret = new_signing_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_signing_secret()
