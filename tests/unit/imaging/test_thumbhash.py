import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.imaging.thumbhash import dominant_color, thumbhash

REFERENCE = {
    (32, 24, True): "1ef80105824c889b49a66eb6fa867a76df5cf9a863",
    (24, 32, True): "1ef8010d02a78b392a64c499245699f75f2c099e66",
    (32, 32, False): "dd07820500075c8559c0269a69af5bf8a6655e9888c3a8786f",
    (1, 9, True): "dc9839311808886898888758088a798f68",
    (9, 1, False): "9878b131a0997878888870b9887079f8976888888076f8",
    (32, 2, True): "5ef80521868a8a0b06aa7687df35970176",
}
"""Width, height and opacity of `pattern`, and what the author's own encoder (npm, thumbhash 0.1.1) makes of it."""


def pattern(width: int, height: int, *, opaque: bool) -> bytes:
    rgba = bytearray((at * at * 7 + at * 13) % 251 for at in range(width * height * 4))
    if opaque:
        rgba[3::4] = b"\xff" * (width * height)
    return bytes(rgba)


def average(data: bytes) -> tuple[float, float, float, float]:
    """Red, green, blue and alpha (0–1) as a reader of the format has them: from the constants of the first bytes."""
    header = int.from_bytes(data[:3], "little")
    luminance, yellow_blue, red_green = header & 63, header >> 6 & 63, header >> 12 & 63
    lightness, p, q = luminance / 63, yellow_blue / 31.5 - 1, red_green / 31.5 - 1
    blue = lightness - 2 / 3 * p
    red = (3 * lightness - blue + q) / 2
    return red, red - q, blue, (data[5] & 15) / 15 if header >> 23 else 1.0


@pytest.mark.parametrize(("width", "height", "opaque"), REFERENCE)
def test_a_hash_is_the_one_that_the_authors_encoder_makes(width: int, height: int, opaque: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert thumbhash(width, height, pattern(width, height, opaque=opaque)).hex() == REFERENCE[width, height, opaque]


@given(st.integers(1, 32), st.integers(1, 32), st.tuples(*[st.integers(0, 255)] * 3))
def test_a_hash_of_one_colour_carries_that_colour(width: int, height: int, color: tuple[int, int, int]) -> None:
    read = average(thumbhash(width, height, bytes((*color, 255)) * (width * height)))
    for band, value in zip(read[:3], color, strict=False):
        assert math.isclose(band, value / 255, abs_tol=0.05)


def test_a_hash_of_nothing_visible_is_transparent() -> None:
    assert average(thumbhash(8, 8, bytes(256)))[3] == 0


def test_a_hash_is_at_most_25_bytes() -> None:
    assert len(thumbhash(32, 32, pattern(32, 32, opaque=False))) == 25


@pytest.mark.parametrize(("width", "height"), [(101, 1), (1, 101), (2, 2)])
def test_bytes_that_make_no_small_picture_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="do not make a picture"):
        thumbhash(width, height, bytes(4 * 101))


def test_a_hash_and_a_colour_take_a_few_milliseconds() -> None:
    rgba = pattern(32, 32, opaque=False)
    spent = []
    for _ in range(9):
        started = time.thread_time()
        thumbhash(32, 32, rgba)
        dominant_color(rgba)
        spent.append(time.thread_time() - started)
    assert min(spent) < 0.004


def test_the_dominant_colour_is_the_mean_of_the_most_frequent_colours() -> None:
    reds = bytes((200, 10, 10, 255)) * 3 + bytes((204, 10, 10, 255)) * 3
    assert dominant_color(reds + bytes((0, 0, 250, 255)) * 5) == "#ca0a0a"


def test_what_cannot_be_seen_has_no_colour() -> None:
    assert dominant_color(bytes((0, 0, 250, 0)) * 50 + bytes((200, 10, 10, 255))) == "#c80a0a"
    assert dominant_color(bytes((0, 0, 250, 0)) * 50) == "#ffffff"
