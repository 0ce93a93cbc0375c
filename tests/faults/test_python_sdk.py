"""The Python client on a line that breaks: what was sent arrives whole, by every door, and nothing twice."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import pytest

import samples
import tintype_client
from breaking_line import GOOD, BreakingLine, Plan, breaking_line_to
from product import Product, eventually
from tintype_client import AsyncTintype, ConnectionFailed, Image, RetryPolicy, Tintype

PART: Final = 8 * 2**20
SMALL: Final = samples.jpeg(seed=3) + bytes(300_000)
"""What stands after the end of an image is dropped, so that a file is as long as a test wants."""
LARGE: Final = samples.jpeg(seed=4) + bytes(PART + 1_000_000)

COMMAND: Final = (str(Path(sys.executable).with_name("tintype-upload")),)

Door = Literal["direct", "put", "multipart", "tus"]
DOORS: Final[tuple[Door, ...]] = ("direct", "put", "multipart", "tus")

UNFINISHED: Final = "SELECT count(*) FROM uploads WHERE state NOT IN ('committed', 'aborted')"
PARTS_UNDER_WAY: Final = "SELECT count(*) FROM upload_parts JOIN uploads u ON u.id = upload WHERE state = 'receiving'"

SOON: Final = RetryPolicy(first_wait=0.02)


@pytest.fixture
def line(product: Product) -> Iterator[BreakingLine]:
    address = urlsplit(product.base_url)
    with breaking_line_to(address.hostname or "", address.port or 0) as made:
        yield made


def uploaded(line: BreakingLine, product: Product, data: bytes, door: Door) -> Image:
    with Tintype(line.url, product.api_key, retries=SOON) as client:
        return client.upload(data, method=door, parallel=2)


async def uploaded_on_a_loop(line: BreakingLine, product: Product, data: bytes, door: Door) -> Image:
    async with AsyncTintype(line.url, product.api_key, retries=SOON) as client:
        return await client.upload(data, method=door, parallel=2)


def arrived_whole(image: Image, data: bytes) -> bool:
    return image.ready and image.source_sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("door", DOORS)
def test_a_file_arrives_whole_whichever_door_it_takes_although_the_line_is_cut(
    product: Product, line: BreakingLine, door: Door
) -> None:
    data = SMALL if door in {"direct", "put"} else LARGE
    cuts = [Plan(cut=size) for size in (0, 100, 200_000, 250_000)]
    ((before,),) = product.query(UNFINISHED)
    line.expect(*cuts)
    assert arrived_whole(uploaded(line, product, data, door), data)
    line.expect(*cuts)
    assert arrived_whole(asyncio.run(uploaded_on_a_loop(line, product, data, door)), data)
    assert line.connections > len(cuts)
    assert product.query(UNFINISHED) == [(before,)]


def test_a_small_file_whose_answer_was_lost_is_there_once(product: Product, line: BreakingLine) -> None:
    data = samples.jpeg(seed=11)
    with Tintype(line.url, product.api_key, retries=SOON) as client:
        first = client.upload(data, idempotency_key="python-lost")
        before = product.query("SELECT count(*) FROM images")
        line.expect(Plan(cut=len(data) // 2))
        assert client.upload(data, idempotency_key="python-lost").id == first.id
    assert product.query("SELECT count(*) FROM images") == before


def test_a_tus_upload_goes_on_at_the_byte_where_the_line_broke(product: Product, line: BreakingLine) -> None:
    line.expect(GOOD, Plan(cut=5_000_000))
    with Tintype(line.url, product.api_key, retries=SOON) as client:
        assert arrived_whole(client.upload(LARGE, method="tus"), LARGE)
    assert line.sent < len(LARGE) + 3_000_000, "what had arrived is not sent again"


@pytest.mark.parametrize("door", DOORS)
def test_bytes_that_were_damaged_on_their_way_are_found_and_sent_again(
    product: Product, line: BreakingLine, door: Door
) -> None:
    line.expect(Plan(flip=250_000))
    assert arrived_whole(uploaded(line, product, SMALL, door), SMALL)


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
def test_a_server_that_asks_for_a_wait_gets_it(product: Product, line: BreakingLine, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    line.expect(Plan(answer=head.encode()))
    began = time.monotonic()
    assert arrived_whole(uploaded(line, product, SMALL, "put"), SMALL)
    assert time.monotonic() - began >= 1


def test_a_server_that_is_away_is_named_after_the_last_attempt() -> None:
    soon, said = (
        RetryPolicy(attempts=2, first_wait=0.01),
        r"^http://127\.0\.0\.1:1 did not answer: Connection refused\.$",
    )
    with Tintype("http://127.0.0.1:1", "", retries=soon) as client, pytest.raises(ConnectionFailed, match=said):
        client.upload(SMALL)

    async def beside_others() -> None:
        async with AsyncTintype("http://127.0.0.1:1", "", retries=soon) as client:
            await client.upload(SMALL)

    with pytest.raises(ConnectionFailed, match=said):
        asyncio.run(beside_others())


def test_an_upload_that_is_stopped_leaves_nothing_behind(product: Product) -> None:
    def stop(progress: tintype_client.Progress) -> None:
        if progress.sent > PART:
            raise InterruptedError

    with Tintype(product.base_url, product.api_key) as client, pytest.raises(InterruptedError):
        client.upload(LARGE, method="multipart", on_progress=stop)
    assert product.query("SELECT state FROM uploads ORDER BY id DESC LIMIT 1") == [("aborted",)]


@contextmanager
def interruptible() -> Iterator[None]:
    """Have what is started here hear SIGINT: tests that a shell runs in the background ignore it, and hand that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_was_ended_goes_on_where_it_was(
    product: Product, line: BreakingLine, tmp_path: Path, number: signal.Signals
) -> None:
    photo = tmp_path / "large.jpg"
    photo.write_bytes(LARGE)
    command = [*COMMAND, str(photo), "--url", line.url, "--method", "multipart", "--parallel", "1", "--json"]
    command += ["--state-dir", str(tmp_path / "state")]
    environment = {**os.environ, "TINTYPE_API_KEY": product.api_key}
    line.holds_after = PART + 500_000
    ((before,),) = product.query(PARTS_UNDER_WAY)
    with (
        interruptible(),
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as killed,
    ):
        assert eventually(lambda: product.query(PARTS_UNDER_WAY) == [(before + 1,)], within=30)
        killed.send_signal(number)
        said = killed.communicate(timeout=10)[1]
    assert killed.returncode == -number
    assert (b"Run the same command again" in said) == (number == signal.SIGINT)
    line.expect()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert hashlib.sha256(LARGE).hexdigest() in ended.stdout
    assert line.sent < len(LARGE) - PART + 100_000, "the first part is not sent again"
    assert list((tmp_path / "state").iterdir()) == []


def test_a_command_whose_server_is_away_says_that_it_may_work_later(tmp_path: Path, product: Product) -> None:
    photo = tmp_path / "small.jpg"
    photo.write_bytes(SMALL)
    busy = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 900\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    address = urlsplit(product.base_url)
    with breaking_line_to(address.hostname or "", address.port or 0) as line:
        line.expect(Plan(answer=busy))
        command = [*COMMAND, str(photo), "--url", line.url, "--no-resume"]
        ended = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert ended.returncode == 75
    assert "The server answered 503" in ended.stderr
