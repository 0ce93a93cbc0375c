"""Clients that send slowly, and many that send at once: what they hold is bounded, and others are served meanwhile."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from raw_http import Answer, RawConnection, connect, form_type, part, upload_head
from refusals import assert_problem, leaves_nothing, open_staging_files
from resumable import begin, begin_patch, offset_of
from sabotage import API, sabotaged

IMAGES: Final = "/api/v1/images"
JPEG: Final = samples.jpeg(seed=380)

WINDOW_SECONDS: Final = 2.0
MIN_RATE: Final = 1_000
HEAD_SECONDS: Final = 2.0
PER_ADDRESS: Final = 3
PER_KEY: Final = 4
TOTAL: Final = 6

SHORT_OF_PATIENCE: Final = f"""
    from tintype.web import server

    server.HEADER_MILLISECONDS = {int(HEAD_SECONDS * 1000)}
"""
"""The half minute for the head of a request, in short."""


DRAIN_SECONDS: Final = 5
"""How long a refused body is read on (`upload.drain_seconds`)."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Product]:
    """Give a product that notices soon who is slow."""
    with passable_directory() as directory:
        environment = {
            **sabotaged(directory / "impatient", SHORT_OF_PATIENCE, API),
            "TINTYPE_UPLOAD__MIN_RATE": str(MIN_RATE),
            "TINTYPE_UPLOAD__MIN_RATE_SECONDS": str(WINDOW_SECONDS),
        }
        with start_product(directory / "data", environment=environment) as running:
            yield running


@pytest.fixture(scope="module")
def crowded() -> Iterator[Product]:
    """Give a product of one API process that has few places, and waits long for who holds them."""
    environment = {
        "TINTYPE_RATE_LIMITS": "on",
        "TINTYPE_TRUSTED_PROXIES": "127.0.0.1",
        "TINTYPE_UPLOAD__STALL_SECONDS": "100",
        "TINTYPE_UPLOAD__MIN_RATE_SECONDS": "100",
        "TINTYPE_UPLOAD__CONCURRENT": str(TOTAL),
        "TINTYPE_UPLOAD__CONCURRENT_PER_ADDRESS": str(PER_ADDRESS),
        "TINTYPE_UPLOAD__CONCURRENT_PER_KEY": str(PER_KEY),
    }
    with (
        passable_directory() as directory,
        start_product(directory / "data", "--api-processes", "1", environment=environment) as running,
    ):
        yield running


# How slow a body may be


@pytest.mark.parametrize("form", ["form", "raw"])
def test_a_body_below_the_least_rate_is_answered_408_though_it_never_stalls(slow: Product, form: str) -> None:
    head, body = upload_head(len(JPEG)), JPEG
    if form == "form":
        body = part("file", JPEG, filename="a.jpg")
        head = upload_head(len(body), content_type=form_type())
    with leaves_nothing(slow), connect(slow.base_url) as connection:
        connection.send(head)
        trickle(connection, body, pieces=8, pause=WINDOW_SECONDS / 10)
        answer = connection.answer()
        assert_problem(answer, 408, "upload.stalled")
        assert answer.seconds < 2 * WINDOW_SECONDS + 3
        assert connection.is_closed_within(DRAIN_SECONDS + 10)


def trickle(connection: RawConnection, body: bytes, *, pieces: int, pause: float) -> None:
    for number in range(pieces):
        connection.send(body[number * 20 : number * 20 + 20])
        time.sleep(pause)


def test_a_body_above_the_least_rate_is_taken_however_many_windows_it_needs(slow: Product) -> None:
    piece = len(JPEG) // 12
    with connect(slow.base_url) as connection:
        connection.send(upload_head(len(JPEG)))
        for start in range(0, len(JPEG), piece):
            connection.send(JPEG[start : start + piece])
            time.sleep(WINDOW_SECONDS / 5)
        answer = connection.answer()
    assert answer.status == 201
    assert answer.seconds > 2 * WINDOW_SECONDS


def test_a_resumable_upload_that_gets_too_slow_keeps_what_came(slow: Product) -> None:
    path = begin(slow.client, len(JPEG))
    with connect(slow.base_url) as connection:
        begin_patch(connection, path, 0, len(JPEG), JPEG[:1_500])
        answer = connection.answer()
    assert_problem(answer, 408, "upload.stalled")
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert offset_of(slow.client, path) == 1_500


@pytest.mark.parametrize("head", [b"POST /api/v1/images HTTP/1.1\r\nHost: x\r\n", b"GET "])
def test_a_head_that_is_not_complete_in_time_is_cut_off(slow: Product, head: bytes) -> None:
    with connect(slow.base_url) as connection:
        connection.send(head)
        assert connection.is_closed_within(HEAD_SECONDS + 5)


def test_a_head_that_comes_line_by_line_is_cut_off_at_the_same_time(slow: Product) -> None:
    with connect(slow.base_url) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert is_cut_off(connection, line=b"X-More: and more\r\n", within=HEAD_SECONDS + 5)


def is_cut_off(connection: RawConnection, *, line: bytes, within: float) -> bool:
    """Send the line again and again, and return whether that ends by the server's doing before the time is up."""
    deadline = time.monotonic() + within
    try:
        while time.monotonic() < deadline:
            connection.send(line)
            time.sleep(HEAD_SECONDS / 10)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


# How many there may be at once


@contextmanager
def held_open(product: Product, *senders: dict[str, str]) -> Iterator[list[RawConnection]]:
    """Begin an upload for each sender, and give the connections once all have their place."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(product.base_url)) for _ in senders]
        for connection, headers in zip(connections, senders, strict=True):
            connection.send(head_of(headers) + JPEG[:2_000])
        assert eventually(lambda: open_staging_files(product) == len(senders), within=10)
        yield connections
    assert eventually(lambda: open_staging_files(product) == 0, within=10)


def head_of(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return upload_head(len(JPEG)).replace(b"\r\n\r\n", b"\r\n" + lines.encode() + b"\r\n")


def visitor(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"192.0.2.{number}"}


def refused(product: Product, headers: dict[str, str]) -> Answer:
    """Return the answer to an upload of which only the head was sent: it is refused before its body."""
    with connect(product.base_url) as connection:
        connection.send(head_of(headers))
        return connection.answer()


def assert_taken(product: Product, headers: dict[str, str]) -> None:
    answer = product.stranger.post(IMAGES, content=JPEG, headers=headers)
    assert answer.status_code == 201, answer.text


def test_an_address_holds_so_many_uploads_and_no_more_while_others_go_on(crowded: Product) -> None:
    with held_open(crowded, *[visitor(1)] * PER_ADDRESS) as connections:
        answer = refused(crowded, visitor(1))
        assert str(PER_ADDRESS) in assert_problem(answer, 429, "rate_limited")["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert_taken(crowded, visitor(2))
        connections[0].send(JPEG[2_000:])
        assert connections[0].answer().status == 201
        assert_taken(crowded, visitor(1))


def test_a_key_holds_so_many_wherever_it_is_used(crowded: Product) -> None:
    key = {"Authorization": f"Bearer {crowded.api_key}"}
    with held_open(crowded, *[{**key, **visitor(number)} for number in range(PER_KEY)]):
        assert_problem(refused(crowded, {**key, **visitor(99)}), 429, "rate_limited")
        assert_taken(crowded, visitor(0))


def test_a_process_holds_so_many_and_tells_the_next_to_come_again_while_it_serves_everything_else(
    crowded: Product,
) -> None:
    image = crowded.settled(crowded.upload(JPEG))
    with held_open(crowded, *[visitor(10 + number) for number in range(TOTAL)]):
        answer = refused(crowded, visitor(30))
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert crowded.stranger.get(image["url"]).status_code == 200
        assert crowded.stranger.get(f"{IMAGES}/{image['id']}").status_code == 200
    assert_taken(crowded, visitor(30))


def test_a_place_is_given_back_however_the_upload_ends(crowded: Product) -> None:
    for _ in range(TOTAL + 1):
        with held_open(crowded, visitor(40)):
            pass  # and it breaks off
        for body in (b"no image at all, but long enough", JPEG[:1_000]):
            answer = crowded.stranger.post(IMAGES, content=body, headers=visitor(40))
            assert answer.status_code in {415, 422}
    statuses = Counter(
        crowded.stranger.post(IMAGES, content=JPEG, headers=visitor(40)).status_code for _ in range(TOTAL)
    )
    assert statuses == {201: TOTAL}
