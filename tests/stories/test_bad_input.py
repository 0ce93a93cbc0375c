"""What is refused: with a code that stays, at once where the first bytes tell, and with nothing left behind.

After every test here there are the same rows, files and open staging files as before it.
"""

import struct
import time
import zlib
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

import samples
from postgres import passable_directory
from product import Product, eventually, start_product
from raw_http import Answer, connect, form_end, form_type, part, upload_head
from refusals import assert_problem, leaves_nothing, open_staging_files

IMAGES: Final = "/api/v1/images"
LIMIT: Final = 10_000_000
AT_ONCE_SECONDS: Final = 0.25
ATTEMPTS: Final = 3
"""The quickest of three counts: the machine runs other tests meanwhile."""

STALL_SECONDS: Final = 1
DEADLINE_SECONDS: Final = 3
JPEG: Final = samples.jpeg(seed=50)


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    environment = {
        "TINTYPE_UPLOAD__STALL_SECONDS": str(STALL_SECONDS),
        "TINTYPE_UPLOAD__DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    }
    with passable_directory() as directory, start_product(directory / "data", environment=environment) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_behind(product: Product) -> Iterator[None]:
    with leaves_nothing(product):
        yield


def post(product: Product, data: bytes, **fields: str) -> httpx.Response:
    return product.stranger.post(IMAGES, files={"file": ("photo.jpg", data, "image/jpeg")}, data=fields)


def png_header(width: int, height: int, *, tail: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(samples.png_chunk(*chunk) for chunk in chunks) + tail


def gif_of(width: int, height: int, frames: int) -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"!\xf9\x04\x04\x0a\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + screen + frame * frames + b";"


# The file itself

HEADER_TELLS: Final = {
    "text": (b"This is no image at all. " * 100, 415, "image.unsupported_format"),
    "html": (b"<!doctype html><script>alert(1)</script>", 415, "image.unsupported_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', 415, "image.unsupported_format"),
    "bmp": (b"BM" + bytes(60), 415, "image.unsupported_format"),
    "tiff": (b"II*\0" + bytes(60), 415, "image.unsupported_format"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(60), 415, "image.unsupported_format"),
    "riff that is no webp": (b"RIFF\x20\0\0\0WAVE" + bytes(60), 415, "image.unsupported_format"),
    "one byte": (b"\x89", 415, "image.unsupported_format"),
    "empty": (b"", 422, "upload.empty"),
    "png of 900 megapixels": (png_header(30_000, 30_000), 422, "image.too_many_pixels"),
    "png of 2**62 pixels": (png_header(2**31 - 1, 2**31 - 1), 422, "image.too_many_pixels"),
    "png of 900 megapixels in 9 MB": (png_header(30_000, 30_000, tail=bytes(9_000_000)), 422, "image.too_many_pixels"),
    "gif of 4 gigapixels": (gif_of(65_535, 65_535, 1), 422, "image.too_many_pixels"),
    "gif of 501 frames": (gif_of(1, 1, 501), 422, "image.too_many_frames"),
    "gif of 200,000 frames": (gif_of(1, 1, 200_000), 422, "image.too_many_frames"),
    "gif of 64 megapixels in 400 frames": (gif_of(400, 400, 400), 422, "image.too_many_pixels"),
}

WALK_TELLS: Final = {
    "half a jpeg": (JPEG[: len(JPEG) // 2], 422, "image.malformed"),
    "jpeg without its end": (JPEG[:-2], 422, "image.malformed"),
    "jpeg signature alone": (JPEG[:12], 422, "image.malformed"),
    "half a png": (samples.png()[:9_000], 422, "image.malformed"),
    "png with a wrong checksum": (samples.png()[:-20] + b"\1" + samples.png()[-19:], 422, "image.malformed"),
    "png with a colour profile of 64 MB in 64 kB": (
        samples.png()[:33]
        + samples.png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64_000_000)))
        + samples.png()[33:],
        422,
        "image.malformed",
    ),
    "half a gif": (samples.gif(frames=3)[:9_000], 422, "image.malformed"),
    "half a webp": (samples.webp()[:900], 422, "image.malformed"),
}


@pytest.mark.parametrize("name", [*HEADER_TELLS, *WALK_TELLS])
def test_a_file_that_is_no_sound_image_is_refused_by_form_and_by_raw_body(product: Product, name: str) -> None:
    data, status, code = (HEADER_TELLS | WALK_TELLS)[name]
    assert_problem(post(product, data), status, code)
    assert_problem(product.client.post(IMAGES, content=data, headers={"content-type": "image/png"}), status, code)


@pytest.mark.parametrize("name", HEADER_TELLS)
def test_what_the_header_tells_is_answered_within_a_quarter_of_a_second(product: Product, name: str) -> None:
    data, status, _ = HEADER_TELLS[name]
    seconds = []
    for _ in range(ATTEMPTS):
        started = time.perf_counter()
        assert product.stranger.post(IMAGES, content=data).status_code == status
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < AT_ONCE_SECONDS


@pytest.mark.parametrize("form", [False, True])
def test_what_is_no_image_is_refused_before_the_rest_of_it_is_sent(product: Product, form: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    head = upload_head(5_000_000, content_type=form_type() if form else "image/jpeg")
    start = part("file", b"no image " * 10, filename="a.jpg")[:-2] if form else b"no image " * 10
    assert_problem(sent_at_once(product, head + start), 415, "image.unsupported_format")


def sent_at_once(product: Product, data: bytes) -> Answer:
    """Return the answer to an unfinished request, which must come at once: the quickest of three."""
    answers = []
    for _ in range(ATTEMPTS):
        with connect(product.base_url) as connection:
            connection.send(data)
            answers.append(connection.answer())
    assert min(answer.seconds for answer in answers) < AT_ONCE_SECONDS
    return answers[0]


# Its size


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(product: Product) -> None:
    answer = sent_at_once(product, upload_head(LIMIT + 1, content_type="image/jpeg"))
    assert "10,000,000 bytes" in assert_problem(answer, 413, "image.too_large")["detail"]
    answer = sent_at_once(product, upload_head(5_000_001, query="?kind=avatar"))
    assert "5,000,000 bytes" in assert_problem(answer, 413, "image.too_large")["detail"]
    assert_problem(sent_at_once(product, upload_head(LIMIT * 2, content_type=form_type())), 413, "image.too_large")


def test_who_waits_to_be_asked_for_the_body_is_refused_instead(product: Product) -> None:
    head = upload_head(LIMIT + 1).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    assert_problem(sent_at_once(product, head), 413, "image.too_large")


def test_a_body_in_chunks_is_cut_off_at_the_limit_while_it_is_read(product: Product) -> None:
    chunk = b"%x\r\n%b\r\n" % (1_000_000, bytes(1_000_000))
    with connect(product.base_url) as connection:
        connection.send(upload_head(None) + b"3\r\n\xff\xd8\xff\r\n" + chunk * 10)
        assert_problem(connection.answer(), 413, "image.too_large")  # and nobody has sent the end


def test_a_form_is_cut_off_at_the_limit_of_the_kind_that_was_named_before_the_file(product: Product) -> None:
    start = part("kind", b"avatar") + part("file", b"\xff\xd8\xff" + bytes(5_000_000), filename="a.jpg")
    with connect(product.base_url) as connection:
        connection.send(upload_head(9_000_000, content_type=form_type()) + start)
        assert "5,000,000 bytes" in assert_problem(connection.answer(), 413, "image.too_large")["detail"]


def test_a_file_over_the_limit_of_the_kind_that_is_named_after_it_is_refused_at_the_end(product: Product) -> None:
    body = part("file", b"\xff\xd8\xff" + bytes(6_000_000), filename="a.jpg") + part("kind", b"avatar") + form_end()
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(body), content_type=form_type()) + body)
        assert_problem(connection.answer(), 413, "image.too_large")


def test_a_client_that_goes_on_sending_too_much_still_sees_the_answer(product: Product) -> None:
    for data in (JPEG + bytes(60_000_000), b"no image" * 5_000_000):
        assert product.stranger.post(IMAGES, content=data).status_code in {413, 415}
        assert post(product, data).status_code in {413, 415}


# A body that does not come


@pytest.mark.parametrize(
    "data",
    [
        upload_head(len(JPEG)) + JPEG[:9_000],
        upload_head(None) + b"%x\r\n%b\r\n" % (9_000, JPEG[:9_000]),
        upload_head(len(JPEG), content_type=form_type()) + part("file", JPEG, filename="a.jpg")[:9_000],
        upload_head(len(JPEG) + 1) + JPEG,
    ],
    ids=["raw", "chunked", "form", "all but the last byte"],
)
def test_a_body_that_breaks_off_is_noticed_and_forgotten(product: Product, data: bytes) -> None:
    before = product.metric("tintype_rejects_total", code="upload.incomplete")
    with connect(product.base_url) as connection:
        connection.send(data)
        assert eventually(lambda: open_staging_files(product) > 0)
    assert eventually(lambda: product.metric("tintype_rejects_total", code="upload.incomplete") == before + 1)


def test_a_body_that_stalls_is_answered_408_and_its_connection_closed(product: Product) -> None:
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(JPEG)) + JPEG[:9_000])
        answer = connection.answer()
        assert_problem(answer, 408, "upload.stalled")
        assert STALL_SECONDS <= answer.seconds < STALL_SECONDS + 1.5
        assert connection.is_closed_within(1)


def test_a_body_that_trickles_is_cut_off_at_the_deadline(product: Product) -> None:
    with connect(product.base_url) as connection:
        connection.send(upload_head(len(JPEG)))
        started = time.monotonic()
        while time.monotonic() - started < DEADLINE_SECONDS - 0.1:
            connection.send(JPEG[:10])
            time.sleep(STALL_SECONDS / 4)
        assert_problem(connection.answer(), 408, "upload.stalled")


def test_what_is_sent_beyond_the_declared_length_is_never_an_upload(product: Product) -> None:
    with connect(product.base_url) as connection:
        connection.send(upload_head(9_000) + JPEG)
        answers = connection.everything()
    assert answers.startswith(b"HTTP/1.1 422 ")
    assert b"image.malformed" in answers
    assert b"HTTP/1.1 2" not in answers
