"""Signed URLs: the vectors that are published, what a signature opens and nothing else, and when it ends."""

import base64
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.signing import (
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    KeyState,
    Signature,
    SigningKey,
    expiry,
    signed_url,
    sources_of,
    window_of,
)

DOCUMENT: Final = (Path(__file__).parents[3] / "docs/signing.md").read_text()
KEY: Final = SigningKey("4oZ0qT7b", bytes(range(32)))
PATH: Final = "/i/img_7vVZcXrPq0aR2sK9dM4fGh/thumb.jpg"
EXPIRES: Final = 1_795_176_600


def published() -> list[dict[str, Any]]:
    (text,) = re.findall(r"```json\n(\[\{.*?\])\n```", DOCUMENT, re.DOTALL)
    vectors: list[dict[str, Any]] = json.loads(text)
    return vectors


def shown(url: str) -> Signature | None:
    found = re.fullmatch(r"[^?]*\?v=\d+&exp=(\d+)&sig=(.*)", url)
    assert found is not None
    return Signature.parse(found[1], found[2])


@pytest.mark.parametrize("vector", published(), ids=lambda vector: vector["path"])
def test_each_published_vector_is_what_we_sign_and_opens(vector: dict[str, Any]) -> None:
    key = SigningKey(vector["kid"], base64.urlsafe_b64decode(vector["secret"] + "="))
    assert signed_url(key, vector["path"], vector["version"], vector["exp"]) == vector["url"]
    signature = shown(vector["url"])
    assert signature is not None
    assert signature.opens(key, vector["path"], vector["version"])


def test_the_program_that_is_published_signs_as_we_do() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 -- it is our own document
    for vector in published():
        arguments = [vector[name] for name in ("kid", "secret", "path", "version", "exp")]
        assert names["signed_url"](*arguments) == vector["url"]


def test_a_signature_opens_what_was_signed_and_nothing_else() -> None:
    signature = shown(signed_url(KEY, PATH, 1, EXPIRES))
    assert signature is not None
    assert signature.opens(KEY, PATH, 1)
    others = [PATH.replace("thumb", "original"), PATH.replace("jpg", "png"), PATH[:-4], PATH.replace("img_7", "img_8")]
    assert not any(signature.opens(KEY, other, 1) for other in others)
    assert not signature.opens(KEY, PATH, 2)
    assert not Signature(signature.kid, signature.mac, EXPIRES + 60).opens(KEY, PATH, 1)
    assert not signature.opens(SigningKey(KEY.kid, bytes(32)), PATH, 1)
    assert not signature.opens(SigningKey("other678", KEY.secret), PATH, 1)


@given(position=st.integers(0, 21), character=st.sampled_from("ABCxyz019-_"))
def test_no_other_mac_opens_it(position: int, character: str) -> None:
    """Not even one that spells the same 16 bytes: the last character has four bits that mean nothing."""
    right = shown(signed_url(KEY, PATH, 1, EXPIRES))
    assert right is not None
    changed = right.mac[:position] + character + right.mac[position + 1 :]
    assert Signature(right.kid, changed, EXPIRES).opens(KEY, PATH, 1) is (changed == right.mac)


@pytest.mark.parametrize(
    ("exp", "sig"),
    [
        (None, f"{KEY.kid}-{'A' * 22}"),
        ("1795176600", None),
        ("1795176600", ""),
        ("1795176600", f"{KEY.kid}-{'A' * 21}"),
        ("1795176600", f"{KEY.kid}-{'A' * 23}"),
        ("1795176600", f"{KEY.kid}-{'A' * 22}="),
        ("1795176600", f"{KEY.kid}{'A' * 23}"),
        ("1795176600", f"{KEY.kid}-{'é' * 22}"),
        ("1795176600", f"{KEY.kid}-{'A' * 22}\n"),
        ("-1", f"{KEY.kid}-{'A' * 22}"),
        ("01795176600", f"{KEY.kid}-{'A' * 22}"),
        ("1795176600.0", f"{KEY.kid}-{'A' * 22}"),
        ("٣", f"{KEY.kid}-{'A' * 22}"),
        ("9" * 13, f"{KEY.kid}-{'A' * 22}"),
    ],
)
def test_what_is_not_spelt_like_a_signature_is_none(exp: str | None, sig: str | None) -> None:
    assert Signature.parse(exp, sig) is None


@given(now=st.floats(1.7e9, 4e9), lifetime=st.integers(SHORTEST_SECONDS, LONGEST_SECONDS))
def test_a_url_lives_for_as_long_as_was_asked_for_and_less_than_a_window_longer(now: float, lifetime: int) -> None:
    ends, window = expiry(now, lifetime), window_of(lifetime)
    assert ends % window == 0
    assert now + lifetime <= ends < now + lifetime + window
    assert window <= max(60, lifetime / 3)


def test_everybody_who_asks_within_a_window_gets_the_same_end() -> None:
    begins = 1_795_176_000
    assert {expiry(begins + second, 3_600) for second in range(1, 601)} == {begins + 4_200}
    assert expiry(begins, 3_600) == begins + 3_600


def test_a_key_goes_one_way() -> None:
    assert sources_of(KeyState.VERIFYING) == (KeyState.SIGNING,)
    assert sources_of(KeyState.RETIRED) == (KeyState.VERIFYING,)
    assert sources_of(KeyState.SIGNING) == ()


def test_neither_a_key_nor_a_signature_shows_its_secret_when_it_is_printed() -> None:
    signature = shown(signed_url(KEY, PATH, 1, EXPIRES))
    assert signature is not None
    assert signature.mac not in repr(signature)
    assert repr(KEY.secret) not in repr(KEY)
