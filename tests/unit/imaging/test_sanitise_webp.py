import struct
from collections.abc import Callable

import pytest
import pyvips

import exif_samples
import samples
from samples import riff_chunk
from sanitising import CANARY, LIMITS, refusal_of, shown, stored
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.kind import Limits
from tintype.imaging import icc, sanitise_webp
from tintype.imaging.examine import examine

W, H = 61, 47

Chunk = tuple[bytes, bytes]


def chunks_of(source: bytes, at: int = 12) -> list[Chunk]:
    chunks = []
    while at < len(source):
        length = int.from_bytes(source[at + 4 : at + 8], "little")
        chunks.append((source[at : at + 4], source[at + 8 : at + 8 + length]))
        at += 8 + length + (length & 1)
    return chunks


def webp_of(*chunks: Chunk) -> bytes:
    return riff_chunk(b"RIFF", b"WEBP" + b"".join(riff_chunk(kind, body) for kind, body in chunks))


def extended(flags: int = 0, width: int = W, height: int = H) -> Chunk:
    return (b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


LOSSY = chunks_of(samples.webp(W, H))[0]
LOSSLESS = chunks_of(samples.webp(W, H, lossless=True))[0]
ALPHA = chunks_of(samples.webp(W, H, mode="RGBA"))[1]
COVERED = chunks_of(samples.webp(W, H, mode="RGBA"))[2]
PROFILE = (b"ICCP", samples.icc_profile())
ANIM = (b"ANIM", bytes(6))
JUNK = (b"prVt", CANARY + b"x")
HAS_ANIMATION, HAS_XMP, HAS_EXIF, HAS_ALPHA, HAS_PROFILE = 0x02, 0x04, 0x08, 0x10, 0x20


def frame(*chunks: Chunk, left: int = 0, top: int = 0, width: int = W, height: int = H) -> Chunk:
    numbers = (left // 2, top // 2, width - 1, height - 1, 40)
    body = b"".join(number.to_bytes(3, "little") for number in numbers) + b"\0"
    return (b"ANMF", body + b"".join(riff_chunk(kind, data) for kind, data in chunks))


def animated(*frames: Chunk, flags: int = HAS_ANIMATION, width: int = W, height: int = H) -> bytes:
    return webp_of(extended(flags, width, height), ANIM, *frames)


# What is kept


@pytest.mark.parametrize("image", [LOSSY, LOSSLESS], ids=["lossy", "lossless"])
def test_a_simple_file_keeps_its_picture_alone(image: Chunk) -> None:
    source = webp_of(image, JUNK, (b"EXIF", exif_samples.block(6, canary=CANARY)), (b"XMP ", CANARY))
    assert stored(source) == webp_of(image)
    assert shown(source) == shown(webp_of(image))


def test_flags_and_sizes_are_rebuilt_to_match_what_is_kept() -> None:
    flags = HAS_ALPHA | HAS_PROFILE | HAS_EXIF | HAS_XMP
    hidden = [(b"EXIF", exif_samples.block(1, canary=CANARY)), (b"XMP ", CANARY)]
    source = webp_of(extended(flags | 0xFFFFFF00), JUNK, PROFILE, JUNK, ALPHA, JUNK, COVERED, JUNK, *hidden)
    assert stored(source) == webp_of(extended(HAS_ALPHA | HAS_PROFILE), PROFILE, ALPHA, COVERED)


def test_nothing_behind_the_riff_chunk_is_kept() -> None:
    assert stored(webp_of(LOSSY) + CANARY) == webp_of(LOSSY)


def test_unknown_chunks_inside_of_frames_are_dropped_and_the_sizes_follow() -> None:
    small = chunks_of(samples.webp(20, 10))[0]
    source = animated(frame(ALPHA, COVERED, JUNK), frame(small, JUNK, left=40, top=36, width=20, height=10))
    expected = animated(frame(ALPHA, COVERED), frame(small, left=40, top=36, width=20, height=10))
    assert stored(source) == expected
    assert shown(source) == shown(expected)


def test_frames_are_counted() -> None:
    assert examine(animated(*[frame(LOSSY)] * 7), LIMITS).frames == 7
    assert examine(webp_of(LOSSY), LIMITS).frames == 1


def test_browsers_ignore_an_orientation_so_that_it_is_dropped() -> None:
    source = samples.webp(W, H, orientation=6)
    assert pyvips.Image.new_from_buffer(source, "").get("orientation") == 6
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height) == (H, W)
    assert not pyvips.Image.new_from_buffer(stored(source), "").get_typeof("orientation")


# Colour profile


def test_a_profile_stays_untouched() -> None:
    source = webp_of(extended(HAS_PROFILE), PROFILE, LOSSY)
    assert stored(source) == source


@pytest.mark.parametrize(
    "source",
    [
        webp_of(extended(0), PROFILE, LOSSY),
        webp_of(extended(HAS_PROFILE), (b"ICCP", CANARY * 20), LOSSY),
        webp_of(extended(HAS_PROFILE), LOSSY, PROFILE),
        webp_of(extended(HAS_PROFILE), LOSSY),
    ],
    ids=["not announced", "no profile", "behind the picture", "missing"],
)
def test_a_profile_that_decoders_ignore_is_dropped(source: bytes) -> None:
    assert stored(source) == webp_of(extended(0), LOSSY)


def test_of_two_profiles_the_first_stays() -> None:
    source = webp_of(extended(HAS_PROFILE), PROFILE, (b"ICCP", PROFILE[1][:-1] + b"\1"), LOSSY)
    assert stored(source) == webp_of(extended(HAS_PROFILE), PROFILE, LOSSY)


def test_what_hangs_on_a_profile_is_cut_off() -> None:
    source = webp_of(extended(HAS_PROFILE), (b"ICCP", PROFILE[1] + CANARY), LOSSY)
    assert stored(source) == webp_of(extended(HAS_PROFILE), PROFILE, LOSSY)


def test_a_profile_above_the_limit_is_refused() -> None:
    with pytest.raises(Problem, match="colour profile is larger than 4 MiB"):
        examine(webp_of(extended(HAS_PROFILE), (b"ICCP", bytes(icc.MAX_PROFILE_BYTES + 1)), LOSSY), LIMITS)


# What is refused


def patched(at: int, replacement: bytes, chunk: Chunk) -> Chunk:
    kind, body = chunk
    return (kind, body[:at] + replacement + body[at + len(replacement) :])


DAMAGED = {
    "no chunk": riff_chunk(b"RIFF", b"WEBP"),
    "no picture": webp_of(extended()),
    "an unknown first chunk": webp_of(JUNK, LOSSY),
    "a lossy picture without its start code": webp_of(patched(3, b"\0", LOSSY)),
    "a lossy picture that is no key frame": webp_of(patched(0, bytes((LOSSY[1][0] | 1,)), LOSSY)),
    "a lossy picture that is not shown": webp_of(patched(0, bytes((LOSSY[1][0] & ~0x10,)), LOSSY)),
    "a lossy picture of no width": webp_of(patched(6, b"\0\0", LOSSY)),
    "a lossy picture of no height": webp_of(patched(8, b"\0\0", LOSSY)),
    "a lossless picture without its signature": webp_of(patched(0, b"\0", LOSSLESS)),
    "a lossless picture of another version": webp_of(patched(4, bytes((LOSSLESS[1][4] | 0x20,)), LOSSLESS)),
    "a picture of three bytes": webp_of((b"VP8 ", LOSSY[1][:3])),
    "a canvas that is not the picture": webp_of(extended(0, W + 1), LOSSY),
    "a VP8X chunk that is too long": webp_of((b"VP8X", extended()[1] + b"\0\0"), LOSSY),
    "two VP8X chunks": webp_of(extended(), extended(), LOSSY),
    "two pictures": webp_of(extended(), LOSSY, LOSSY),
    "alpha for a lossless picture": webp_of(extended(HAS_ALPHA), ALPHA, LOSSLESS),
    "alpha behind the picture": webp_of(extended(HAS_ALPHA), COVERED, ALPHA),
    "alpha without a picture": webp_of(extended(HAS_ALPHA), ALPHA),
    "empty alpha": webp_of(extended(HAS_ALPHA), (b"ALPH", b""), COVERED),
    "frames without the flag": animated(frame(LOSSY), flags=0),
    "a still picture with the flag": webp_of(extended(HAS_ANIMATION), LOSSY),
    "an animation with a still picture": animated(frame(LOSSY), LOSSY),
    "an animation without frames": animated(),
    "frames before the animation": webp_of(extended(HAS_ANIMATION), frame(LOSSY), ANIM),
    "two ANIM chunks": webp_of(extended(HAS_ANIMATION), ANIM, ANIM, frame(LOSSY)),
    "an ANIM chunk that is too long": webp_of(extended(HAS_ANIMATION), (b"ANIM", CANARY), frame(LOSSY)),
    "a frame without a picture": animated(frame(JUNK)),
    "a frame that is too short": animated((b"ANMF", bytes(15))),
    "a frame of two pictures": animated(frame(LOSSY, LOSSY)),
    "a frame of another size than its picture": animated(frame(LOSSY, width=W - 1)),
    "a frame beyond the canvas": animated(frame(LOSSY, left=2)),
    "a frame below the canvas": animated(frame(LOSSY, top=2)),
    "a chunk longer than its frame": animated((b"ANMF", frame(LOSSY)[1][:-9])),
    "a chunk longer than the file says": webp_of(extended(), (b"VP8 ", LOSSY[1]))[:-8],
    "a size that promises more": b"RIFF\xff\xff\0\0" + webp_of(LOSSY)[8:],
    "a size that promises less": b"RIFF\x40\0\0\0" + webp_of(LOSSY)[8:],
    "the largest size there is": b"RIFF\xff\xff\xff\xff" + webp_of(LOSSY)[8:],
    "too many chunks": webp_of(extended(), *[(b"prVt", b"")] * sanitise_webp.MAX_CHUNKS, LOSSY),
    "too many chunks inside of a frame": animated(frame(*[(b"prVt", b"")] * sanitise_webp.MAX_CHUNKS, LOSSY)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str) -> None:
    assert refusal_of(DAMAGED[name]) is Code.IMAGE_MALFORMED


def test_what_the_damaged_ones_derive_from_is_accepted() -> None:
    sources = [
        *(webp_of(image) for image in (LOSSY, LOSSLESS)),
        webp_of(extended(HAS_ALPHA), ALPHA, COVERED),
        webp_of(extended(), LOSSLESS),
        animated(frame(LOSSY)),
    ]
    assert [stored(source) for source in sources] == sources


def lossless_header(width: int, height: int) -> Chunk:
    return (b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + bytes(5))


def lossy_header(width: int, height: int) -> Chunk:
    return (b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height | 0xC000))


@pytest.mark.parametrize("header", [lossless_header, lossy_header])
@pytest.mark.parametrize("size", [(1, 1), (255, 257), (16383, 3), (2, 16383)])
def test_sizes_of_14_bits_are_read_from_the_bitstream(
    header: Callable[[int, int], Chunk], size: tuple[int, int]
) -> None:
    examined = examine(webp_of(header(*size)), LIMITS)
    assert (examined.width, examined.height) == size


@pytest.mark.parametrize("source", [webp_of(extended(0, 2**24, 2**24)), animated(*[frame(LOSSY)] * 9)[:-9]])
def test_pixels_are_held_against_the_limit_before_the_rest_is_read(source: bytes) -> None:
    few = Limits(max_bytes=1, max_pixels=W * H * 5, max_frames=9, formats=frozenset(Format))
    assert refusal_of(source, few) is Code.IMAGE_TOO_MANY_PIXELS


def test_the_smallest_pictures_are_taken_with_and_without_something_behind_them() -> None:
    header = struct.pack("<I", (W - 1) | (H - 1) << 14)
    source = webp_of((b"VP8L", b"\x2f" + header + b"\x11\x22\x33"))
    assert stored(source) == stored(source + b"x" * 100) == source
