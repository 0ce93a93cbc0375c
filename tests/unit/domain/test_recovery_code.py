import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.recovery_code import CODE_BYTES, hash_codes, read_code, spell_code

randoms = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)


@given(random=randoms)
def test_a_code_is_read_as_it_was_spelt(random: bytes) -> None:
    code = spell_code(random)
    assert len(code) == 27
    assert [read_code(code)] == hash_codes([code])


@given(first=randoms, second=randoms)
def test_two_codes_are_never_taken_for_one_another(first: bytes, second: bytes) -> None:
    assert (read_code(spell_code(first)) == read_code(spell_code(second))) is (first == second)


def test_a_code_may_be_typed_in_capitals_with_spaces_and_with_digits_that_it_cannot_have() -> None:
    code = spell_code(b"\x73" * CODE_BYTES)
    typed = code.upper().replace("-", " ").replace("O", "0").replace("L", "1").replace("B", "8")
    assert read_code(typed) == read_code(code)


@pytest.mark.parametrize("text", ["", "123456", "a" * 23, "a" * 25, "9" * 24, "ä" * 24, "-" * 24, "a" * 23 + "\0"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert read_code(text) is None


def test_codes_that_are_drawn_differ() -> None:
    assert len({spell_code(secrets.token_bytes(CODE_BYTES)) for _ in range(100)}) == 100
