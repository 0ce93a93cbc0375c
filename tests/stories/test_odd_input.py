"""What is odd but sound goes in: under a wrong name, with something behind its end, hiding another format inside.

It comes out as the picture alone.
"""

import io
import struct
import zlib
from typing import Final

import pytest
from PIL import Image

import samples
from product import Product

IMAGES: Final = "/api/v1/images"
LIMIT: Final = 10_000_000
SCRIPT: Final = b"<html><script>alert(document.domain)</script>"
JPEG: Final = samples.jpeg(seed=70)
PNG: Final = samples.png(seed=70)


def with_png_chunks(*chunks: bytes) -> bytes:
    """Return the PNG with these chunks before its pixels."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


SLIPPED_IN: Final = {
    "html in a jpeg comment": (JPEG[:2] + samples.jpeg_segment(0xFE, SCRIPT) + JPEG[2:], JPEG),
    "html behind a jpeg": (JPEG + SCRIPT, JPEG),
    "a zip behind a jpeg": (JPEG + b"PK\x05\x06" + bytes(18), JPEG),
    "a second jpeg behind the first": (JPEG + samples.jpeg(seed=71), JPEG),
    "400 application segments": (JPEG[:2] + samples.jpeg_segment(0xE1, bytes(9_000)) * 400 + JPEG[2:], JPEG),
    "html behind a png": (PNG + SCRIPT, PNG),
    "a picture that was cropped away, behind a png": (PNG + samples.png(seed=72)[8:], PNG),
    "20,000 text chunks": (with_png_chunks(*[samples.png_chunk(b"tEXt", b"k\0v")] * 20_000), PNG),
    "a text of 64 MB in 64 kB": (
        with_png_chunks(samples.png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64_000_000)))),
        PNG,
    ),
}
"""What is sent, and what is kept of it."""


@pytest.mark.parametrize("name", SLIPPED_IN)
def test_what_was_slipped_in_beside_the_picture_is_gone(product: Product, name: str) -> None:
    sent, kept = SLIPPED_IN[name]
    image = product.settled(product.upload(sent))
    assert image["state"] == "ready"
    assert product.stranger.get(image["url"]).content == kept


def test_a_gif_that_is_a_script_as_well_is_a_script_no_more(product: Product) -> None:
    sent = samples.gif(10_799, 8)  # this width reads as the beginning of a comment
    assert sent[6:8] == b"/*"
    image = product.settled(product.upload(sent + b"*/=1;alert(1)//"))
    served = product.stranger.get(image["url"])
    assert b"alert" not in served.content
    assert served.headers["content-type"] == "image/gif"
    assert served.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "said", "data", "found"),
    [
        ("photo.jpg", "image/jpeg", PNG, "png"),
        ("photo.png", "image/png", JPEG, "jpeg"),
        ("index.html", "text/html", samples.webp(), "webp"),
        ("../../etc/passwd", "application/x-php", samples.gif(), "gif"),
        ("", "", JPEG, "jpeg"),
    ],
)
def test_the_bytes_say_what_a_file_is_and_not_its_name(
    product: Product, name: str, said: str, data: bytes, found: str
) -> None:
    image = product.client.post(IMAGES, files={"file": (name, data, said)}).json()
    assert image["format"] == found
    assert product.stranger.get(image["url"]).headers["content-type"] == f"image/{found}"


def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(product: Product) -> None:
    for client_args in ({"content": padded(LIMIT)}, {"files": {"file": ("a.jpg", padded(LIMIT))}}):
        assert product.client.post(IMAGES, **client_args).status_code == 201
    for client_args in ({"content": padded(LIMIT + 1)}, {"files": {"file": ("a.jpg", padded(LIMIT + 1))}}):
        assert product.client.post(IMAGES, **client_args).status_code == 413


def padded(size: int) -> bytes:
    return JPEG + bytes(size - len(JPEG))


def test_a_picture_at_the_pixel_limit_is_made_into_thumbnails(product: Product) -> None:
    header = struct.pack(">IIBBBBB", 10_000, 5_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (5_000 * 1_251))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    image = product.settled(product.upload(PNG[:8] + b"".join(samples.png_chunk(*chunk) for chunk in chunks)))
    assert (image["state"], image["width"], image["height"]) == ("ready", 10_000, 5_000)


def test_an_animation_at_the_frame_limit_is_taken_and_shown_by_its_first_frame(product: Product) -> None:
    frame = b"!\xf9\x04\x04\x0a\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    image = product.settled(product.upload(screen + frame * 500 + b";"))
    assert (image["state"], image["frames"]) == ("ready", 500)
    assert Image.open(io.BytesIO(product.stranger.get(image["thumbnails"]["thumb"]).content)).size == (150, 150)
