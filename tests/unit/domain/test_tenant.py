import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.tenant import is_slug, normal_host, normal_origin


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Photos.Example.ORG", "photos.example.org"),
        ("photos.example.org.", "photos.example.org"),
        (" bücher.example ", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_host_name_has_one_spelling(text: str, host: str) -> None:
    assert normal_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "-a.example", "a-.example", "https://a.example", "a.example:80", "a/b", "*.a.example"),
        *("a_b", "[::1]", "x" * 64, ".".join(["x" * 50] * 6), "a\0b", "a b"),
    ],
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    assert normal_host(text) is None


@given(st.text(max_size=80))
def test_the_one_spelling_of_a_host_name_is_its_own(text: str) -> None:
    host = normal_host(text)
    assert host is None or normal_host(host) == host


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://App.example.org", "https://app.example.org"),
        ("HTTPS://app.example.org:443/", "https://app.example.org"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("*", "*"),
    ],
)
def test_an_origin_is_spelt_as_browsers_do(text: str, origin: str) -> None:
    assert normal_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "app.example.org", "https://", "ftp://a.example", "https://a.example/x", "https://u@a.example"),
        *("https://a.example:x", "https://a.example?x", "https://a.example#x", "https://*.a.example"),
        "javascript:alert(1)",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    assert normal_origin(text) is None


@given(st.text(max_size=80))
def test_the_one_spelling_of_an_origin_is_its_own(text: str) -> None:
    origin = normal_origin(text)
    assert origin is None or normal_origin(origin) == origin


def test_a_slug_is_never_taken_for_an_id() -> None:
    assert is_slug("a-1")
    assert not any(map(is_slug, ("", "-a", "A", "ten_00000000000", "a" * 64, "a\n", "é")))
