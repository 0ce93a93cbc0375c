import io
import struct
import time

import pytest
import pyvips
from PIL import Image, ImageOps

import exif_samples
import samples
from samples import jpeg_segment
from sanitising import CANARY, LIMITS, refusal_of, shown, stored
from tintype.domain.errors import Code, Problem
from tintype.imaging import icc, sanitise_jpeg
from tintype.imaging.examine import examine

W, H = 61, 47
PLAIN = samples.jpeg(W, H)
AFTER_JFIF = 20
EOI = b"\xff\xd9"


def with_segments(*segments: bytes, source: bytes = PLAIN, at: int = AFTER_JFIF) -> bytes:
    return source[:at] + b"".join(segments) + source[at:]


def marker_at(marker: int, source: bytes = PLAIN) -> int:
    """Return where the first segment of this kind stands, walking by lengths."""
    at = 2
    while source[at + 1] != marker:
        at += 2 + int.from_bytes(source[at + 2 : at + 4], "big")
    return at


def patched(offset: int, replacement: bytes, source: bytes = PLAIN) -> bytes:
    return source[:offset] + replacement + source[offset + len(replacement) :]


SOF, SOS = marker_at(0xC0), marker_at(0xDA)


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_as_large_as_they_are_seen_and_look_alike(orientation: int) -> None:
    source = samples.jpeg(W, H, mode="L", orientation=orientation, gps=True)
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height) == (W, H)
    with Image.open(io.BytesIO(stored(source))) as image:
        seen = ImageOps.exif_transpose(image)
    difference = [abs(a - b) for a, b in zip(seen.tobytes(), samples.picture(W, H, mode="L").tobytes(), strict=True)]
    assert sum(difference) / len(difference) < 6


@pytest.mark.parametrize("orientation", range(2, 9))
def test_of_exif_the_orientation_alone_is_kept(orientation: int) -> None:
    result = stored(samples.jpeg(W, H, orientation=orientation, gps=True, canary=CANARY))
    with Image.open(io.BytesIO(result)) as image:
        assert dict(image.getexif()) == {0x0112: orientation}
    assert pyvips.Image.new_from_buffer(result, "").get("orientation") == orientation


def test_upright_exif_leaves_no_block_at_all() -> None:
    assert b"Exif" not in stored(samples.jpeg(W, H, orientation=1, gps=True))


@pytest.mark.parametrize(("orientations", "kept"), [((6, 3), 6), ((1, 6), 1)])
def test_the_first_of_two_exif_blocks_counts(orientations: tuple[int, int], kept: int) -> None:
    blocks = [jpeg_segment(0xE1, b"Exif\0\0" + exif_samples.block(orientation)) for orientation in orientations]
    result = stored(with_segments(*blocks))
    assert result.count(b"Exif") == (kept != 1)
    with Image.open(io.BytesIO(result)) as image:
        assert image.getexif().get(0x0112, 1) == kept


def test_exif_behind_the_first_scan_turns_nothing() -> None:
    late = jpeg_segment(0xE1, b"Exif\0\0" + exif_samples.block(6))
    examined = examine(PLAIN[:-2] + late + EOI, LIMITS)
    assert (examined.width, examined.height) == (W, H)
    assert stored(PLAIN[:-2] + late + EOI) == PLAIN


def test_nonsense_in_exif_harms_nothing() -> None:
    assert stored(with_segments(jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"))) == PLAIN
    assert stored(with_segments(jpeg_segment(0xE1, b"Exif\0"))) == PLAIN


# What is kept of application segments


def test_a_jfif_thumbnail_is_dropped_and_the_density_kept() -> None:
    jfif = b"JFIF\0\1\2\1" + struct.pack(">HH", 300, 200) + bytes((8, 1)) + CANARY + b"\0\0"
    result = stored(PLAIN[:2] + jpeg_segment(0xE0, jfif) + PLAIN[AFTER_JFIF:])
    with Image.open(io.BytesIO(result)) as image:
        assert image.info["dpi"] == (300, 200)
    assert CANARY not in result
    assert result[2:20] == jpeg_segment(0xE0, jfif[:12] + b"\0\0")


def test_adobe_stays_without_what_hangs_on_it() -> None:
    source = samples.jpeg(W, H, mode="CMYK")
    at = marker_at(0xEE, source)
    body = source[at + 4 : at + 16]
    result = stored(source[:at] + jpeg_segment(0xEE, body + CANARY) + source[at + 16 :])
    assert result == source


def icc_segments(profile: bytes, size: int = 60_000) -> list[bytes]:
    parts = [profile[at : at + size] for at in range(0, len(profile), size)]
    return [
        jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    ]


def large_profile(size: int) -> bytes:
    return struct.pack(">I", size) + samples.icc_profile()[4:].ljust(size - 4, b"\1")


def test_a_profile_in_several_chunks_stays_untouched_in_any_order() -> None:
    chunks = icc_segments(large_profile(150_000))
    assert len(chunks) == 3
    for order in (chunks, chunks[::-1]):
        source = with_segments(*order)
        assert stored(source) == source


@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (0, 1, 2, 2), (0, 1, 1)])
def test_an_incomplete_profile_is_dropped(chosen: tuple[int, ...]) -> None:
    chunks = icc_segments(large_profile(150_000))
    assert stored(with_segments(*(chunks[index] for index in chosen))) == PLAIN


def test_what_is_no_profile_is_dropped() -> None:
    assert stored(with_segments(*icc_segments(CANARY * 20))) == PLAIN
    assert stored(with_segments(jpeg_segment(0xE2, b"ICC_PROFILE\0"))) == PLAIN


def test_what_hangs_on_a_profile_is_cut_off() -> None:
    profile = large_profile(70_000)
    result = stored(with_segments(*icc_segments(profile + CANARY * 9_000)))
    assert CANARY not in result
    with Image.open(io.BytesIO(result)) as image:
        assert image.info["icc_profile"] == profile


def test_thousands_of_chunks_that_are_no_profile_cost_no_more_each_than_hundreds() -> None:
    def seconds(count: int) -> float:
        chunks = [jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes((number % 256, 255))) for number in range(count)]
        source, best = with_segments(*chunks), float("inf")
        for _ in range(5):
            started = time.thread_time()
            examine(source, LIMITS)
            best = min(best, time.thread_time() - started)
        assert stored(source) == PLAIN
        return best

    assert seconds(4_000) < 25 * seconds(400)


def test_a_profile_above_the_limit_is_refused() -> None:
    source = with_segments(*icc_segments(large_profile(icc.MAX_PROFILE_BYTES + 1), 65_000))
    with pytest.raises(Problem, match="colour profile is larger than 4 MiB"):
        examine(source, LIMITS)


# Between and behind the segments


def test_padding_and_fill_bytes_between_segments_are_dropped() -> None:
    source = PLAIN[:AFTER_JFIF] + b"\0\0garbage\xff\0\xff\xff\xff" + PLAIN[AFTER_JFIF:SOF] + b"\xff\xff" + PLAIN[SOF:]
    assert shown(source) == shown(PLAIN)
    assert stored(source) == PLAIN


def test_metadata_between_scans_is_dropped() -> None:
    source = samples.jpeg(W, H, progressive=True)
    second = source.index(b"\xff\xda", source.index(b"\xff\xda") + 2)
    hidden = (
        jpeg_segment(0xFE, CANARY) + jpeg_segment(0xE1, b"Exif\0\0" + CANARY) + jpeg_segment(0xEE, b"Adobe" + bytes(7))
    )
    assert stored(source[:second] + hidden + source[second:]) == source


def test_a_second_picture_behind_the_end_is_dropped() -> None:
    assert stored(PLAIN + samples.jpeg(gps=True, canary=CANARY) + b"PK\5\6" + bytes(18)) == PLAIN


def test_a_picture_in_a_thumbnail_does_not_end_the_file() -> None:
    thumbnail = samples.jpeg(16, 16)
    source = with_segments(jpeg_segment(0xE1, b"Exif\0\0" + exif_samples.block(6) + thumbnail))
    assert thumbnail not in stored(source)
    assert (examine(source, LIMITS).width, examine(source, LIMITS).height) == (H, W)
    assert stored(source)[-200:] == PLAIN[-200:]


def test_restart_markers_stay_in_the_scan() -> None:
    source = samples.jpeg(W, H, restart_blocks=1)
    assert b"\xff\xd3" in source
    assert stored(source) == source


# What is refused


@pytest.mark.parametrize("marker", [0xC3, *range(0xC5, 0xC8), *range(0xC8, 0xD0), 0xDE, 0xDF])
def test_a_coding_that_browsers_do_not_show_is_an_unsupported_format(marker: int) -> None:
    assert refusal_of(patched(SOF + 1, bytes((marker,)))) is Code.IMAGE_UNSUPPORTED_FORMAT


def test_twelve_bits_a_sample_are_an_unsupported_format() -> None:
    assert refusal_of(patched(SOF + 4, b"\x0c")) is Code.IMAGE_UNSUPPORTED_FORMAT


DAMAGED = {
    "a height of 0, for DNL to amend": patched(SOF + 5, b"\0\0"),
    "a width of 0": patched(SOF + 7, b"\0\0"),
    "two components": patched(SOF + 9, b"\2"),
    "a frame header that is too short": patched(SOF + 2, b"\0\x08"),
    "a frame header that is cut short": PLAIN[:SOF] + jpeg_segment(0xC0, b"\x08\0\1\0\1") + PLAIN[SOF:],
    "two frame headers": with_segments(PLAIN[SOF : SOF + 19], at=SOF),
    "no frame header": PLAIN[:SOF] + PLAIN[SOF + 19 :],
    "no scan": PLAIN[:SOS] + EOI,
    "no end marker": PLAIN[:-2],
    "a scan without data": PLAIN[: SOS + 14] + EOI,
    "a scan of an unknown component": patched(SOS + 5, b"\x09"),
    "a scan of no component": patched(SOS + 4, b"\0"),
    "a scan header of the wrong length": patched(SOS + 2, b"\0\x0b"),
    "a quantisation table cut short": with_segments(jpeg_segment(0xDB, b"\0" + bytes(63))),
    "a quantisation table of a fifth kind": with_segments(jpeg_segment(0xDB, b"\4" + bytes(64))),
    "a quantisation table of three bytes a value": with_segments(jpeg_segment(0xDB, b"\x20" + bytes(192))),
    "a Huffman table of a third class": with_segments(jpeg_segment(0xC4, b"\x20" + bytes(16))),
    "a Huffman table of a fifth number": with_segments(jpeg_segment(0xC4, b"\4" + bytes(16))),
    "a Huffman table of 257 codes": with_segments(jpeg_segment(0xC4, b"\0\xff\2" + bytes(14 + 257))),
    "a Huffman table with a tail": with_segments(jpeg_segment(0xC4, b"\0" + bytes(16) + b"tail")),
    "a Huffman table of too many codes": with_segments(jpeg_segment(0xC4, b"\0\xff\xff" + bytes(14 + 510))),
    "a restart interval with a tail": with_segments(jpeg_segment(0xDD, b"\0\1" + CANARY)),
    "a second start": with_segments(b"\xff\xd8"),
    "a reserved marker": with_segments(jpeg_segment(0x41, b"")),
    "a marker amid the scan": PLAIN[:-20] + b"\xff\x01" + PLAIN[-20:],
    "a segment of length 1": with_segments(b"\xff\xfe\0\1"),
    "a segment longer than the file": with_segments(b"\xff\xfe\xff\xff"),
    "too many segments": with_segments(b"\xff\xfe\0\2" * sanitise_jpeg.MAX_SEGMENTS),
    "too many restarts outside of a scan": with_segments(b"\xff\xd0" * sanitise_jpeg.MAX_SEGMENTS),
    "too many scans": PLAIN[:-2] + PLAIN[SOS:-2] * sanitise_jpeg.MAX_SCANS + EOI,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str) -> None:
    assert refusal_of(DAMAGED[name]) is Code.IMAGE_MALFORMED


def test_as_many_scans_as_the_limit_are_accepted() -> None:
    assert refusal_of(PLAIN[:-2] + PLAIN[SOS:-2] * (sanitise_jpeg.MAX_SCANS - 1) + EOI) is None


@pytest.mark.parametrize(
    "table",
    [
        jpeg_segment(0xDB, b"\x03" + bytes(64) + b"\x13" + bytes(128)),
        jpeg_segment(0xC4, b"\x03" + bytes(16) + b"\x13" + b"\0" * 14 + b"\xff\1" + bytes(256)),
        jpeg_segment(0xDD, b"\0\0"),
    ],
    ids=["quantisation tables", "Huffman tables", "no restarts"],
)
def test_tables_up_to_the_last_number_and_size_stay(table: bytes) -> None:
    assert stored(with_segments(table)) == with_segments(table)


@pytest.mark.parametrize("marker", range(0xD0, 0xD8))
def test_a_restart_outside_of_a_scan_is_dropped(marker: int) -> None:
    assert stored(with_segments(bytes((0xFF, marker)))) == PLAIN


@pytest.mark.parametrize("marker", [0x01, 0xBF, 0xF0, 0xF7, 0xFD])
def test_a_marker_that_means_nothing_in_a_picture_is_refused(marker: int) -> None:
    assert refusal_of(with_segments(jpeg_segment(marker, b""))) is Code.IMAGE_MALFORMED


def test_a_superfluous_number_of_lines_is_dropped() -> None:
    assert stored(PLAIN[:-2] + jpeg_segment(0xDC, struct.pack(">H", H)) + EOI) == PLAIN


def test_a_refusal_says_what_happened_and_what_to_do() -> None:
    with pytest.raises(Problem) as caught:
        examine(PLAIN[:-2], LIMITS)
    assert caught.value.detail == (
        "The JPEG stops before its end: part of it was lost on the way. Send the whole file again."
    )
