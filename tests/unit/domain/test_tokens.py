from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.tokens import Purpose, Token, derive_token, parse_token

ids = st.integers(0, (1 << 63) - 1)
secrets = st.binary(min_size=16, max_size=16)


@given(st.sampled_from(Purpose), ids, secrets)
def test_a_token_comes_back_from_its_text_and_matches_its_hash(purpose: Purpose, object_id: int, secret: bytes) -> None:
    token = Token(purpose, object_id, secret)
    parsed = parse_token(purpose, token.reveal())
    assert parsed == token
    assert parsed is not None
    assert parsed.matches(token.hash)


@given(ids, secrets, secrets)
def test_another_secret_does_not_match(object_id: int, one: bytes, other: bytes) -> None:
    matches = Token(Purpose.WRITE, object_id, one).matches(Token(Purpose.WRITE, object_id, other).hash)
    assert matches == (one == other)


def test_no_stored_hash_matches_nothing() -> None:
    assert not Token(Purpose.WRITE, 1, bytes(16)).matches(None)


def test_a_token_of_another_purpose_is_none() -> None:
    assert parse_token(Purpose.WRITE, Token(Purpose.READ, 1, bytes(16)).reveal()) is None


@given(st.text(max_size=60))
def test_any_other_text_is_no_token(text: str) -> None:
    token = parse_token(Purpose.API_KEY, text)
    assert token is None or token.reveal() == text


def test_a_derived_token_is_the_same_each_time_and_differs_by_key_purpose_and_object() -> None:
    token = derive_token(b"key", Purpose.WRITE, 7)
    assert token == derive_token(b"key", Purpose.WRITE, 7)
    others = [
        derive_token(b"yek", Purpose.WRITE, 7),
        derive_token(b"key", Purpose.READ, 7),
        derive_token(b"key", Purpose.WRITE, 8),
    ]
    assert all(other.secret != token.secret for other in others)


def test_a_token_does_not_show_its_secret_when_it_is_printed() -> None:
    token = derive_token(b"key", Purpose.WRITE, 7)
    assert token.reveal()[-10:] not in repr(token)
    assert token.secret.hex() not in repr(token)
