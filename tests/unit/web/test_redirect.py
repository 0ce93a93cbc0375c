import pytest

from tintype.web.redirect import Redirect

REDIRECT = Redirect(lambda host: f"https://{host}:8443")


def head(line: str, *headers: str) -> bytes:
    return "".join(f"{each}\r\n" for each in (line, *headers, "")).encode()


@pytest.mark.parametrize(
    ("line", "host", "location"),
    [
        ("GET / HTTP/1.1", "Host: pictures.example", "https://pictures.example:8443/"),
        ("HEAD /i/a?v=1 HTTP/1.0", "hOsT:pictures.example:80 ", "https://pictures.example:8443/i/a?v=1"),
        ("GET //evil.example HTTP/1.1", "Host: [::1]:80", "https://[::1]:8443//evil.example"),
    ],
)
def test_a_look_is_sent_to_the_same_address_by_https(line: str, host: str, location: str) -> None:
    answer = REDIRECT.answer(head(line, host)).decode()
    assert answer.startswith("HTTP/1.1 308 ")
    assert f"\r\nLocation: {location}\r\n" in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_whoever_sends_something_is_refused_and_not_sent_on(method: str) -> None:
    answer = REDIRECT.answer(head(f"{method} / HTTP/1.1", "Host: pictures.example")).decode()
    assert answer.startswith("HTTP/1.1 403 ")
    assert "Location" not in answer


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("GET / HTTP/1.1", "X: y"),
        ("GET / HTTP/1.1", "Host: evil.example/path"),
        ("GET / HTTP/1.1", "Host: a@evil.example"),
        ("GET / HTTP/1.1", "Host: a\nLocation: b"),
        ("GET /a b HTTP/1.1", "Host: pictures.example"),
        ("GET /\x01 HTTP/1.1", "Host: pictures.example"),
        ("GET https://evil.example/ HTTP/1.1", "Host: pictures.example"),
        ("PRI * HTTP/2.0", "Host: pictures.example"),
        ("\x16\x03\x01", "Host: pictures.example"),
    ],
)
def test_what_is_no_request_is_told_so_and_sent_nowhere(line: str, host: str) -> None:
    answer = REDIRECT.answer(head(line, host)).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "Location" not in answer
