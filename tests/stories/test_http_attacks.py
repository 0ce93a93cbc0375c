"""HTTP as attackers write it: two readings of one message, endless heads, streams opened to be reset.

Framing is the server's below us (Granian with hyper); these tests are what a new version of it has to pass. After each
of them the same processes answer as before.
"""

import contextlib
import re
import struct
from collections.abc import Iterator
from typing import Final

import pytest

import samples
from http2_frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    frames_in,
    header,
    request_headers,
)
from product import Product
from raw_http import RawConnection, connect, form_end, form_type, part
from refusals import assert_problem, leaves_nothing

IMAGES: Final = "/api/v1/images"
HIDDEN: Final = b"GET /hidden-in-another HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST /api/v1/images HTTP/1.1\r\nHost: x\r\n"
GET: Final = b"GET /healthz HTTP/1.1\r\n"


@pytest.fixture(autouse=True)
def _everybody_lives(product: Product) -> Iterator[None]:
    before = servers(product)
    with leaves_nothing(product):
        yield
    assert servers(product) == before
    assert product.stranger.get("/readyz").status_code == 200


def servers(product: Product) -> set[int]:
    return {pid for pid, command in product.children().items() if "run-api" in command}


def everything(connection: RawConnection, data: bytes) -> bytes:
    """Return what is answered until the server closes, or has nothing more to say for a second."""
    received = b""
    with contextlib.suppress(OSError):  # it may close before it has read everything
        connection.send(data)
    connection._socket.settimeout(1)
    with contextlib.suppress(OSError):
        while chunk := connection._socket.recv(65_536):
            received += chunk
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


# One message, two readings

CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
SMUGGLED: Final = {
    "a length beside chunks": POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\nX" + HIDDEN,
    "chunks beside a length": POST + CHUNKED + b"Content-Length: 6\r\n\r\n0\r\n\r\nX" + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + HIDDEN,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a length of twenty digits": POST + b"Content-Length: 99999999999999999999\r\n\r\n" + HIDDEN,
    "a coding that is almost chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and then another": POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "a chunk of negative size": POST + CHUNKED + b"\r\n-1\r\n" + HIDDEN,
    "a chunk's size with a line feed alone": POST + CHUNKED + b"\r\n0\n\n" + HIDDEN,
    "a space before the colon": GET + b"Host: x\r\nContent-Length : 44\r\n\r\n" + HIDDEN,
    "a folded line": GET + b"Host: x\r\nX: y\r\n Content-Length: 44\r\n\r\n" + HIDDEN,
    "a carriage return within a value": GET + b"Host: x\r\nX: y\rContent-Length: 44\r\n\r\n" + HIDDEN,
    "NUL within a value": GET + b"Host: x\r\nX: y\0z\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_message_that_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_answered(
    product: Product, name: str
) -> None:
    with connect(product.base_url) as connection:
        answered = statuses(everything(connection, SMUGGLED[name]))
    assert len(answered) <= 1, "what stands behind it was answered, too"
    assert set(answered) <= {400, 422}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Host: one.example\r\nHost: two.example\r\n",
        b'Host: x"><script>alert(1)</script>\r\n',
        b"Host: evil.example/path?\r\n",
        b"Host: user@evil.example\r\n",
        b"Host: " + b"x" * 3_000 + b"\r\n",
        b"Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
    ],
    ids=["none", "two", "a tag", "a path", "a user", "a long one", "a coding of the message"],
)
def test_a_request_without_one_sound_host_is_refused_everywhere(product: Product, head: bytes) -> None:
    body = b"0\r\n\r\n" if b"chunked" in head else b""
    for path in (b"/healthz", b"/i/img_0123456789A0123456789A/thumb", b"/api/v1/images/x", b"/"):
        with connect(product.base_url) as connection:
            connection.send(b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n" + body)
            assert_problem(connection.answer(), 400, "request.unreadable")


def test_a_probe_of_http_1_0_needs_no_host(product: Product) -> None:
    with connect(product.base_url) as connection:
        connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "my_host.example.org", "xn--bcher-kva.example"]
)
def test_the_hosts_that_there_are_are_taken(product: Product, host: str) -> None:
    assert product.stranger.get("/healthz", headers={"host": host}).text == "ok"


# Heads without end


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (GET + b"Host: x\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n", 431),
        (GET + b"Host: x\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /healthz?" + b"x=y&" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (POST + CHUNKED + b"\r\n1;" + b"x" * 200_000 + b"\r\ny\r\n0\r\n\r\n", 400),
        (POST + CHUNKED + b"\r\n1\r\ny\r\n0\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", 400),
    ],
    ids=[
        "100,000 headers",
        "a header of 2 MB",
        "a path of 2 MB",
        "a query of 240 kB",
        "a chunk's extension",
        "a trailer",
    ],
)
def test_a_head_without_end_is_refused(product: Product, data: bytes, status: int) -> None:
    with connect(product.base_url) as connection:
        assert statuses(everything(connection, data))[:1] in ([status], [])  # a reset may overtake the answer


def test_a_method_of_100_kb_is_not_repeated_to_its_sender(product: Product) -> None:
    with connect(product.base_url) as connection:
        connection.send(b"A" * 100_000 + b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.answer()
    assert_problem(answer, 405, "method_not_allowed")
    assert len(answer.body) < 1_000


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.example/healthz", 200),
        (b"*", 404),
        (b"/%00", 404),
        (b"/%ff%fe", 404),
        (b"/\xff\xfe", 400),
        (b"/i/%2e%2e/%2e%2e/etc/passwd", 404),
        (b"/i/img_0123456789A0123456789A/thumb%00.jpg", 404),
        (b"/i/img_0123456789A0123456789A/thumb?v=%00", 400),
        (b"/api/v1/images/..%2f..%2fhealthz", 404),
        (b"/api/v1/images/\xf0\x9f\x98\x80", 404),
    ],
)
def test_an_odd_target_is_answered_like_any_other(product: Product, target: bytes, status: int) -> None:
    with connect(product.base_url) as connection:
        connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.answer().status == status


# Forms


def test_a_form_of_100_000_parts_or_boundaries_is_refused(product: Product) -> None:
    for body in (part("tags", b"x") * 100_000, b"--tintype-test-boundary\r\n" * 100_000):
        answer = product.stranger.post(IMAGES, content=body + form_end(), headers={"content-type": form_type()})
        assert_problem(answer, 400, "request.unreadable")


def test_what_a_form_says_that_cannot_be_read_is_not_in_the_log(product: Product) -> None:
    body = (
        b'--tintype-test-boundary\r\nContent-Disposition: form-data; name="private-name-\xff"\r\n\r\nx\r\n' + form_end()
    )
    answer = product.stranger.post(IMAGES, content=body, headers={"content-type": form_type()})
    assert_problem(answer, 400, "request.unreadable")
    assert "private-name" not in product.log.read_text()


@pytest.mark.parametrize(("visibility", "flag"), [("private", "true"), ("public", "false"), ("private", "1")])
def test_two_words_for_who_may_see_it_are_refused(product: Product, visibility: str, flag: str) -> None:
    fields = {"visibility": visibility, "is_public": flag}
    answer = product.stranger.post(IMAGES, files={"file": samples.jpeg(16, 12)}, data=fields)
    assert [error["field"] for error in assert_problem(answer, 422, "request.invalid")["errors"]] == ["is_public"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_packed_body_is_never_unpacked(product: Product, coding: str) -> None:
    answer = product.stranger.post(IMAGES, content=b"\x1f\x8b" + bytes(2_000), headers={"content-encoding": coding})
    assert_problem(answer, 415, "image.unsupported_format")


# HTTP/2, which the server speaks to who begins with it


def spoken(product: Product, *frames: bytes) -> list[tuple[int, int, bytes]]:
    with connect(product.base_url) as connection:
        return list(frames_in(everything(connection, PREFACE + frame(SETTINGS, 0) + b"".join(frames))))


def asked(stream: int, path: bytes = b"/healthz") -> bytes:
    return frame(HEADERS, stream, request_headers(path), flags=END_STREAM | END_HEADERS)


def kinds(frames: list[tuple[int, int, bytes]]) -> set[int]:
    return {kind for kind, _, _ in frames}


def test_streams_that_are_opened_to_be_reset_end_the_connection(product: Product) -> None:
    reset = struct.pack(">I", 8)
    opened = [
        asked(stream, b"/metrics") + frame(RST_STREAM, stream, reset) for stream in range(1, 10_000, 2)
    ]  # CVE-2023-44487
    assert GOAWAY in kinds(spoken(product, *opened)) or not spoken(product, *opened)


def test_headers_that_go_on_for_ever_end_the_connection(product: Product) -> None:
    begun = frame(HEADERS, 1, request_headers(b"/healthz"))
    more = [frame(CONTINUATION, 1, header(b"x-%d" % number, b"y" * 100) * 8) for number in range(5_000)]
    assert HEADERS not in kinds(spoken(product, begun, *more))  # CVE-2024-27316


def test_a_request_by_http_2_is_answered(product: Product) -> None:
    assert HEADERS in kinds(spoken(product, asked(1)))
