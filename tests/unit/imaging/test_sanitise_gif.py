import io
import struct
import time

import pytest
import pyvips
from PIL import Image

import samples
from samples import gif_extension
from sanitising import CANARY, LIMITS, refusal_of, shown, stored
from tintype.domain.errors import Code
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import sanitise_gif
from tintype.imaging.examine import examine

PALETTE = bytes(range(12))
DOT = b"\x02\x02\x4c\x01\0"  # LZW data of one pixel
CONTROL = b"!\xf9\4\4\x0a\0\0\0"
TRAILER = b";"
FAST = 0.5  # second of processor time, ten times what was measured


def screen(width: int = 1, height: int = 1) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + PALETTE


def frame(width: int = 1, height: int = 1, *, left: int = 0, top: int = 0, data: bytes = DOT) -> bytes:
    return CONTROL + b"," + struct.pack("<HHHHB", left, top, width, height, 0) + data


def picture(width: int, height: int) -> bytes:
    """Return the image block of a real picture, its colour table within."""
    data = samples.gif(width, height, loop=None)
    at = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    table = data[13 : 13 + (3 << (data[10] & 7) + 1)]
    return data[at : at + 9] + bytes((0x80 | data[10] & 7,)) + table + data[at + 10 : -1]


PLAIN = screen() + frame() + TRAILER


def test_the_smallest_file_is_stored_as_it_is() -> None:
    assert stored(PLAIN) == PLAIN
    assert stored(PLAIN.replace(b"89a", b"87a")) == PLAIN.replace(b"89a", b"87a")


# Extensions


@pytest.mark.parametrize("application", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
def test_the_loop_count_stays(application: bytes) -> None:
    source = screen() + gif_extension(0xFF, [application, b"\1\7\0"]) + frame() * 2 + TRAILER
    assert stored(source) == source


@pytest.mark.parametrize("application", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
def test_what_hangs_on_the_loop_count_is_cut_off(application: bytes) -> None:
    loop = [application, b"\1\7\0"]
    source = screen() + gif_extension(0xFF, [*loop, CANARY, b"\2\0\0\0\0"]) + frame() * 2 + TRAILER
    assert stored(source) == screen() + gif_extension(0xFF, loop) + frame() * 2 + TRAILER


@pytest.mark.parametrize(
    "extension",
    [
        gif_extension(0xFE, [CANARY]),
        gif_extension(0xFE, []),
        gif_extension(0xFF, [b"XMP DataXMP", CANARY]),
        gif_extension(0xFF, [b"ICCRGBG1012", CANARY]),
        gif_extension(0xFF, [b"NETSCAPE2.0", CANARY]),
        gif_extension(0xFF, [b"NETSCAPE2.0"]),
        gif_extension(0xFF, []),
        gif_extension(0x01, [bytes(12), CANARY]),
        gif_extension(0x42, [CANARY] * 30),
    ],
    ids=["comment", "empty comment", "XMP", "ICC", "loop of text", "loop of nothing", "nameless", "text", "unknown"],
)
def test_every_other_extension_is_dropped_wherever_it_stands(extension: bytes) -> None:
    before, between, after = (
        screen() + extension + frame() * 2 + TRAILER,
        screen() + frame() + extension + frame() + TRAILER,
        screen() + frame() * 2 + extension + TRAILER,
    )
    assert stored(before) == stored(between) == stored(after) == screen() + frame() * 2 + TRAILER


def test_a_comment_between_a_control_and_its_frame_leaves_the_timing() -> None:
    hidden = gif_extension(0xFE, [CANARY])
    source = screen() + CONTROL + hidden + frame()[len(CONTROL) :] + frame() + TRAILER
    assert stored(source) == screen() + frame() * 2 + TRAILER
    assert shown(source) == shown(stored(source))


def test_a_graphic_control_is_cut_to_its_fields() -> None:
    control = CONTROL[:-1] + b"\x05where\0"
    assert stored(screen() + control + frame()[len(CONTROL) :] + TRAILER) == PLAIN


def test_nothing_behind_the_trailer_is_kept() -> None:
    assert stored(PLAIN + CANARY + PLAIN) == PLAIN


@pytest.mark.parametrize("size", [1, 11])
def test_code_sizes_that_lzw_can_have_are_accepted(size: int) -> None:
    assert refusal_of(screen() + frame(data=bytes((size,)) + b"\1\0\0") + TRAILER) is None


def test_local_colour_tables_stay() -> None:
    source = screen(20, 16) + picture(20, 16) + TRAILER
    assert stored(source) == source
    assert shown(source)


# The canvas


def by_vips(source: bytes) -> tuple[int, int]:
    image = pyvips.Image.new_from_buffer(source, "")
    return image.width, image.height


@pytest.mark.parametrize(
    ("declared", "place", "expected"),
    [
        ((100, 80), (0, 0, 100, 80), (100, 80)),
        ((100, 80), (0, 0, 120, 90), (120, 90)),
        ((100, 80), (80, 70, 60, 60), (140, 130)),
        ((0, 0), (0, 0, 30, 20), (30, 20)),
    ],
    ids=["as declared", "a larger first frame", "a first frame that sticks out", "no declared size"],
)
def test_the_canvas_is_as_decoders_see_it(
    declared: tuple[int, int], place: tuple[int, int, int, int], expected: tuple[int, int]
) -> None:
    left, top, width, height = place
    block = picture(width, height)
    source = screen(*declared) + b"," + struct.pack("<HH", left, top) + block[5:] + TRAILER
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height) == expected == by_vips(source)
    with Image.open(io.BytesIO(source)) as image:
        assert image.size == expected


def test_a_later_frame_that_sticks_out_is_kept_and_counted_at_full_size() -> None:
    source = screen(10, 10) + frame(10, 10) + frame(100, 100) + TRAILER
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height, examined.frames) == (10, 10, 2)
    assert refusal_of(source, limits(pixels=10_100)) is None
    assert refusal_of(source, limits(pixels=10_099)) is Code.IMAGE_TOO_MANY_PIXELS


def limits(*, pixels: int = 50_000_000, frames: int = 100) -> Limits:
    return Limits(max_bytes=1, max_pixels=pixels, max_frames=frames, formats=frozenset(Format))


def test_the_declared_screen_is_held_against_the_limit_before_anything_else() -> None:
    assert refusal_of(screen(65535, 65535)) is Code.IMAGE_TOO_MANY_PIXELS


def test_a_bomb_of_frames_is_refused_at_the_limit_however_the_file_goes_on() -> None:
    bomb = screen() + frame() * 5 + b"what comes then is not read"
    assert refusal_of(bomb, limits(frames=4)) is Code.IMAGE_TOO_MANY_FRAMES
    assert refusal_of(bomb, limits(pixels=4)) is Code.IMAGE_TOO_MANY_PIXELS
    assert refusal_of(screen() + frame() * 5 + TRAILER, limits(frames=5, pixels=5)) is None


# What is refused

IMAGE = frame()[len(CONTROL) :]
DAMAGED = {
    "no frame": screen() + TRAILER,
    "no trailer": PLAIN[:-1],
    "noise between blocks": screen() + frame() + b"\0" + frame() + TRAILER,
    "a frame of no width": screen() + frame(0, 1) + TRAILER,
    "a frame of no height": screen() + frame(1, 0) + TRAILER,
    "a code size of 0": screen() + frame(data=b"\0\1\0\0") + TRAILER,
    "a code size of 12": screen() + frame(data=b"\x0c\1\0\0") + TRAILER,
    "a control of another size": screen() + gif_extension(0xF9, [b"\4\x0a\0\0\0"]) + IMAGE + TRAILER,
    "an empty control": screen() + gif_extension(0xF9, []) + IMAGE + TRAILER,
    "sub-blocks without an end": screen() + IMAGE[:-1],
    "too many extensions": screen() + b"!\xfe\0" * (sanitise_gif.MAX_EXTENSIONS + 1) + frame() + TRAILER,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str) -> None:
    assert refusal_of(DAMAGED[name]) is Code.IMAGE_MALFORMED


# Time


@pytest.mark.parametrize("size", [1, 2, 3, 17, 128, 254, 255])
def test_ten_megabytes_of_small_sub_blocks_are_walked_quickly(size: int) -> None:
    sub_blocks = (bytes((size,)) + bytes(size)) * (10_000_000 // (size + 1))
    source = screen() + frame(data=b"\2" + sub_blocks + b"\0") + TRAILER
    began = time.process_time()
    examined = examine(source, LIMITS)
    assert time.process_time() - began < FAST
    assert examined.clean
    began = time.process_time()
    assert refusal_of(source[:-2]) is Code.IMAGE_MALFORMED
    assert time.process_time() - began < FAST
