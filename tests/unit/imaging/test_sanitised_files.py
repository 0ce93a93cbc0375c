"""What holds for every format: pixels stay, metadata goes, damage is refused, and nothing takes long."""

import io
import mmap
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
from sanitising import CANARY, LIMITS, refusal_of, shown, stored, written
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging.examine import CHUNK_BYTES, examine, stored_chunks
from tintype.imaging.sniff import SNIFF_BYTES, sniff

W, H = 61, 47  # no multiple of a block, so that edges are tried too
LONG = 0.5  # second of processor time, a hundred times what is usual


def vips_jpeg(**options: object) -> bytes:
    raw: Any = pyvips.Image.new_from_memory(samples.picture(W, H).tobytes(), W, H, 3, "uchar")
    return bytes(raw.copy(interpretation="srgb").jpegsave_buffer(keep="none", **options))


def vips_webp(**options: object) -> bytes:
    animation: Any = pyvips.Image.new_from_buffer(samples.gif(W, H, frames=4), "n=-1")
    return bytes(animation.webpsave_buffer(keep="none", **options))


FILES: dict[str, Callable[[], bytes]] = {
    "jpeg baseline": lambda: samples.jpeg(W, H),
    "jpeg progressive": lambda: samples.jpeg(W, H, progressive=True),
    "jpeg greyscale": lambda: samples.jpeg(W, H, mode="L"),
    "jpeg CMYK of Adobe": lambda: samples.jpeg(W, H, mode="CMYK"),
    "jpeg restart intervals": lambda: samples.jpeg(W, H, restart_blocks=2),
    "jpeg ICC": lambda: samples.jpeg(W, H, icc=samples.icc_profile()),
    "jpeg orientation": lambda: samples.jpeg(W, H, orientation=6),
    "jpeg mozjpeg scans": lambda: vips_jpeg(interlace=True, optimize_scans=True, trellis_quant=True),
    "jpeg no subsampling": lambda: vips_jpeg(subsample_mode="off", restart_interval=3),
    **{
        f"png {mode} {bits} bits{' interlaced' * interlaced}": partial(
            samples.png, W, H, mode=mode, bits=bits, interlaced=interlaced
        )
        for mode in ("L", "LA", "RGB", "RGBA")
        for bits in (8, 16)
        for interlaced in (False, True)
    },
    "png bilevel": lambda: samples.png(W, H, mode="1"),
    "png palette with transparency": lambda: samples.png(W, H, mode="P"),
    "png palette of 16": lambda: samples.png(W, H, mode="P", bits=4),
    "png palette interlaced": lambda: samples.png(W, H, mode="P", interlaced=True),
    "png ICC": lambda: samples.png(W, H, icc=samples.icc_profile()),
    "apng": lambda: samples.apng(W, H, frames=4),
    "apng with a hidden default": lambda: samples.apng(W, H, hidden_default=True),
    "gif": lambda: samples.gif(W, H),
    "gif interlaced": lambda: samples.gif(W, H, interlaced=True),
    "gif animated": lambda: samples.gif(W, H, frames=5, loop=3),
    "gif without a loop": lambda: samples.gif(W, H, frames=3, loop=None),
    "gif transparent, to background": lambda: samples.gif(W, H, frames=4, transparent=True, disposal=2),
    "gif to previous": lambda: samples.gif(W, H, frames=4, disposal=3),
    "webp lossy": lambda: samples.webp(W, H),
    "webp lossless": lambda: samples.webp(W, H, lossless=True),
    "webp lossy with alpha": lambda: samples.webp(W, H, mode="RGBA"),
    "webp lossless with alpha": lambda: samples.webp(W, H, mode="RGBA", lossless=True),
    "webp ICC": lambda: samples.webp(W, H, icc=samples.icc_profile()),
    "webp animated": lambda: samples.webp(W, H, frames=4, loop=3),
    "webp animated with alpha": lambda: samples.webp(W, H, frames=4, mode="RGBA"),
    "webp animated, lossy and lossless": lambda: vips_webp(mixed=True),
}
PLANTED: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: samples.jpeg(W, H, orientation=5, gps=True, canary=CANARY),
    "jpeg progressive ICC": lambda: samples.jpeg(W, H, progressive=True, canary=CANARY, icc=samples.icc_profile()),
    "png": lambda: samples.png(W, H, orientation=8, canary=CANARY, icc=samples.icc_profile()),
    "apng": lambda: samples.apng(W, H, canary=CANARY),
    "gif": lambda: samples.gif(W, H, canary=CANARY),
    "gif animated": lambda: samples.gif(W, H, frames=3, transparent=True, canary=CANARY),
    "webp": lambda: samples.webp(W, H, canary=CANARY),
    "webp lossless": lambda: samples.webp(W, H, lossless=True, mode="RGBA", canary=CANARY),
    "webp animated": lambda: samples.webp(W, H, frames=3, icc=samples.icc_profile(), canary=CANARY),
}
SMALL = [
    samples.jpeg(16, 12, orientation=6, canary=CANARY),
    samples.jpeg(16, 12, progressive=True, restart_blocks=1),
    samples.png(16, 12, mode="P", canary=CANARY),
    samples.apng(16, 12, frames=2),
    samples.gif(16, 12, frames=3, canary=CANARY),
    samples.webp(16, 12, frames=2, mode="RGBA", canary=CANARY),
    samples.webp(16, 12, lossless=True),
]


@pytest.mark.parametrize("name", FILES)
def test_pixels_timing_and_colours_are_the_same_before_and_after(name: str) -> None:
    source = FILES[name]()
    assert shown(stored(source)) == shown(source)


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_metadata_is_stored_as_it_is(name: str) -> None:
    source = FILES[name]()
    assert examine(source, LIMITS).clean
    assert stored(source) == source


@pytest.mark.parametrize("name", PLANTED)
def test_no_canary_is_left_of_those_in_every_place_for_metadata(name: str) -> None:
    source = PLANTED[name]()
    assert CANARY in source
    assert CANARY not in stored(source)


@pytest.mark.parametrize("name", PLANTED)
def test_pixels_are_the_same_without_the_metadata(name: str) -> None:
    source = PLANTED[name]()
    assert shown(stored(source)) == shown(source)


def test_coordinates_are_gone() -> None:
    latitude = struct.pack("<6I", 43, 1, 28, 1, 2814, 100)
    source = samples.jpeg(W, H, gps=True)
    assert latitude in source
    assert latitude not in stored(source)


@pytest.mark.parametrize(
    "source", [*FILES.values(), *PLANTED.values()], ids=[*FILES, *(f"{name} +" for name in PLANTED)]
)
def test_sanitising_twice_changes_nothing(source: Callable[[], bytes]) -> None:
    first = stored(source())
    second = examine(first, LIMITS)
    assert second.clean
    assert written(first, second) == first


def test_a_file_that_loses_something_is_not_clean() -> None:
    source = PLANTED["png"]()
    examined = examine(source, LIMITS)
    assert not examined.clean
    assert examined.source_size == len(source)
    assert len(written(source, examined)) < len(source)


@pytest.mark.parametrize("source", SMALL, ids=[f"{source[:4]!r}-{index}" for index, source in enumerate(SMALL)])
def test_every_truncation_is_refused_or_lost_only_what_is_dropped(source: bytes) -> None:
    whole = stored(source)
    accepted = [length for length in range(1, len(source)) if refusal_of(source[:length]) is None]
    assert all(stored(source[:length]) == whole for length in accepted)
    codes = {refusal_of(source[:length]) for length in range(SNIFF_BYTES, len(source)) if length not in accepted}
    assert codes == {Code.IMAGE_MALFORMED}


Edit = tuple[int, int, bytes]


@settings(max_examples=1500, deadline=None)
@given(
    source=st.sampled_from(SMALL),
    edits=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4),
)
def test_a_mutated_file_is_refused_kindly_or_stored_clean_and_never_takes_long(
    source: bytes, edits: list[Edit]
) -> None:
    data = bytearray(source)
    for at, length, replacement in edits:
        start = SNIFF_BYTES + at % max(1, len(data) - SNIFF_BYTES)
        data[start : start + length] = replacement
    began = time.process_time()
    try:
        result = stored(bytes(data))
    except Problem as problem:
        assert problem.code in {Code.IMAGE_MALFORMED, Code.IMAGE_UNSUPPORTED_FORMAT} | TOO_MUCH  # noqa: PT017 - both ends are right
    else:
        assert examine(result, LIMITS).clean
    assert time.process_time() - began < LONG


TOO_MUCH = {Code.IMAGE_TOO_MANY_PIXELS, Code.IMAGE_TOO_MANY_FRAMES}


@given(head=st.sampled_from([source[:SNIFF_BYTES] for source in SMALL]), rest=st.binary(max_size=600))
def test_noise_behind_a_signature_is_refused_as_damaged(head: bytes, rest: bytes) -> None:
    assert refusal_of(head + rest) in {Code.IMAGE_MALFORMED, Code.IMAGE_UNSUPPORTED_FORMAT} | TOO_MUCH


# The door's questions


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (samples.jpeg(8, 8), Format.JPEG),
        (samples.png(8, 8), Format.PNG),
        (samples.gif(8, 8), Format.GIF),
        (b"GIF87a" + bytes(6), Format.GIF),
        (samples.webp(8, 8), Format.WEBP),
    ],
)
def test_a_format_is_told_by_its_first_bytes(source: bytes, expected: Format) -> None:
    assert sniff(source[:SNIFF_BYTES]) is expected


@pytest.mark.parametrize(
    "head", [b"", b"\x89", b"\xff\xd8", b"RIFF\0\0\0\0WAVE", b"<svg xmlns=", b"GIF88a", b"BM", b"\0\0\0\x18ftypheic"]
)
def test_other_bytes_are_no_format(head: bytes) -> None:
    assert sniff(head) is None


def test_an_empty_file_is_refused_as_empty() -> None:
    assert refusal_of(b"") is Code.UPLOAD_EMPTY


def test_what_is_no_image_is_refused_with_the_formats_that_are_accepted() -> None:
    with pytest.raises(Problem, match="Send it as JPEG, PNG, GIF or WebP") as caught:
        examine(b"<!doctype html><script>alert(1)</script>", LIMITS)
    assert caught.value.code is Code.IMAGE_UNSUPPORTED_FORMAT


def test_a_format_that_the_kind_does_not_take_is_refused_by_name() -> None:
    only_jpeg = Limits(max_bytes=1, max_pixels=1, max_frames=1, formats=frozenset({Format.JPEG}))
    with pytest.raises(Problem, match=r"This is a PNG, which is not .* Send it as JPEG\.") as caught:
        examine(samples.png(8, 8), only_jpeg)
    assert caught.value.code is Code.IMAGE_UNSUPPORTED_FORMAT


@pytest.mark.parametrize("name", ["jpeg baseline", "png RGB 8 bits", "gif", "webp lossy", "webp with VP8X"])
def test_too_many_pixels_are_refused_from_the_header_alone(name: str) -> None:
    source = samples.webp(W, H, mode="RGBA") if name == "webp with VP8X" else FILES[name]()
    header = source[: source.index(b"\xff\xda") if name.startswith("jpeg") else 60]
    limits = Limits(max_bytes=1, max_pixels=W * H - 1, max_frames=1, formats=frozenset(Format))
    assert refusal_of(header, limits) is Code.IMAGE_TOO_MANY_PIXELS
    enough = Limits(max_bytes=1, max_pixels=W * H, max_frames=1, formats=frozenset(Format))
    assert refusal_of(source, enough) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("jpeg baseline", "The image is 61 × 47 pixels, 0.002867 megapixels in all; at most 0.001 are accepted here."),
        ("apng", "The image is 61 × 47 pixels a frame, 0.011468 megapixels in all; at most 0.01 are accepted here."),
    ],
)
def test_a_refusal_for_too_many_pixels_says_how_many(name: str, sentence: str) -> None:
    limits = Limits(
        max_bytes=1, max_pixels=10_000 if name == "apng" else 1_000, max_frames=9, formats=frozenset(Format)
    )
    with pytest.raises(Problem) as caught:
        examine(FILES[name](), limits)
    assert caught.value.detail == f"{sentence} Scale it down and send it again."


@pytest.mark.parametrize("name", ["apng", "gif animated", "webp animated"])
def test_pixels_are_counted_over_all_frames(name: str) -> None:
    source = FILES[name]()
    frames = examine(source, LIMITS).frames
    assert frames >= 4
    too_few = Limits(max_bytes=1, max_pixels=W * H * frames - 1, max_frames=9, formats=frozenset(Format))
    assert refusal_of(source, too_few) is Code.IMAGE_TOO_MANY_PIXELS
    enough = Limits(max_bytes=1, max_pixels=W * H * frames, max_frames=9, formats=frozenset(Format))
    assert refusal_of(source, enough) is None


@pytest.mark.parametrize("name", ["apng", "gif animated", "webp animated"])
def test_too_many_frames_are_refused_before_the_rest_is_read(name: str) -> None:
    source = FILES[name]()
    limits = Limits(max_bytes=1, max_pixels=50_000_000, max_frames=2, formats=frozenset(Format))
    assert refusal_of(source[: len(source) - 20], limits) is Code.IMAGE_TOO_MANY_FRAMES


@pytest.mark.parametrize(
    ("name", "frames"), [("jpeg baseline", 1), ("apng", 4), ("gif animated", 5), ("webp animated", 4)]
)
def test_format_size_and_frames_are_told(name: str, frames: int) -> None:
    examined = examine(FILES[name](), LIMITS)
    assert (examined.width, examined.height, examined.frames) == (W, H, frames)


# Buffers


def test_a_mapped_file_can_be_closed_after_acceptance_and_after_refusal(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for source in (PLANTED["jpeg"](), PLANTED["png"](), PLANTED["webp animated"](), SMALL[0][:-400], SMALL[5][:300]):
        path.write_bytes(source)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            try:
                examined = examine(mapped, LIMITS)
            except Problem:
                continue
            collected = io.BytesIO()
            for chunk in stored_chunks(mapped, examined):
                collected.write(chunk)
            del chunk
            assert collected.getvalue() == stored(source)


def test_stored_bytes_come_in_bounded_views_of_the_source() -> None:
    source = samples.jpeg(image=samples.noise(1600, 1100))
    chunks = list(stored_chunks(source, examine(source, LIMITS)))
    assert len(source) > CHUNK_BYTES
    assert max(len(chunk) for chunk in chunks) == CHUNK_BYTES
    assert all(isinstance(chunk, memoryview) and chunk.obj is source for chunk in chunks)
