import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.oidc import (
    Claims,
    base64url,
    code_challenge,
    from_base64url,
    handle_from,
    is_confidential,
    is_own_path,
    nonce_of,
    verifier_of,
)


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_nonce_and_verifier_tell_nothing_of_one_another_and_are_long_enough() -> None:
    secret = bytes(32)
    assert nonce_of(secret) != verifier_of(secret) != nonce_of(bytes(31) + b"\1")
    assert len(verifier_of(secret)) == 43


@given(value=st.binary(max_size=70))
def test_base64url_is_read_as_it_was_written(value: bytes) -> None:
    assert from_base64url(base64url(value)) == value


@pytest.mark.parametrize("text", ["/", "/p/img_1", "/account?tab=security#passkeys"])
def test_a_path_of_our_own_may_be_returned_to(text: str) -> None:
    assert is_own_path(text)


@pytest.mark.parametrize(
    "text",
    ["", "p", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nset-cookie: x", "/ü", "/" * 1001],
)
def test_nobody_is_sent_to_another_site(text: str) -> None:
    assert not is_own_path(text)


@pytest.mark.parametrize(
    ("claims", "handle"),
    [
        (Claims("i", "s", username="Ada.Lovelace"), "ada_lovelace"),
        (Claims("i", "s", email="grace+hopper@example.org"), "grace_hopper"),
        (Claims("i", "s", name="José Müller"), "jose_muller"),
        (Claims("i", "s", username="@@@", name="x"), ""),
        (Claims("i", "s"), ""),
    ],
)
def test_a_handle_is_made_of_what_the_provider_says(claims: Claims, handle: str) -> None:
    assert handle_from(claims) == handle


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example/x", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost", True),
        ("http://login.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("//login.example", False),
        ("https://[", False),
    ],
)
def test_only_addresses_that_nobody_can_listen_to_are_asked(url: str, safe: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert is_confidential(url) is safe
