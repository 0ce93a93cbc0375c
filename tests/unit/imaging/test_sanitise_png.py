import io
import struct
import zlib

import pytest
import pyvips
from PIL import Image

import exif_samples
import samples
from png_samples import Chunk, chunks_of, kinds_of, png_of, with_chunks, with_late
from sanitising import CANARY, LIMITS, refusal_of, shown, stored
from tintype.domain.errors import Code, Problem
from tintype.imaging import icc, sanitise_png
from tintype.imaging.examine import examine

W, H = 61, 47
PLAIN = samples.png(W, H)
PALETTE = samples.png(W, H, mode="P")

KEPT = {
    b"sRGB": b"\0",
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"cICP": b"\x0c\x0d\0\1",
    b"sBIT": b"\x08\x08\x08",
    b"bKGD": b"\0\1\0\2\0\3",
    b"tRNS": b"\0\xe6\0\x1e\0\x28",
    b"pHYs": struct.pack(">IIB", 3780, 3780, 1),
}


@pytest.mark.parametrize("kind", KEPT)
def test_a_chunk_on_which_the_picture_depends_stays(kind: bytes) -> None:
    source = with_chunks(PLAIN, (kind, KEPT[kind]))
    assert stored(source) == source


@pytest.mark.parametrize("kind", KEPT)
def test_such_a_chunk_of_another_length_is_dropped(kind: bytes) -> None:
    assert stored(with_chunks(PLAIN, (kind, KEPT[kind] + CANARY))) == PLAIN


@pytest.mark.parametrize("kind", KEPT)
def test_such_a_chunk_behind_the_image_data_is_dropped(kind: bytes) -> None:
    assert stored(with_late(PLAIN, (kind, KEPT[kind]))) == PLAIN


@pytest.mark.parametrize("kind", KEPT)
def test_the_first_sound_one_of_several_stays(kind: bytes) -> None:
    sound = (kind, KEPT[kind])
    assert stored(with_chunks(PLAIN, (kind, b""), sound, sound)) == with_chunks(PLAIN, sound)


LENGTHS: dict[
    bytes, dict[int, int | None]
] = {  # by colour type: PNG, third edition, sections 11.3.1.1, 11.3.2.4 and 11.3.4.1
    b"sBIT": {0: 1, 2: 3, 3: 3, 4: 2, 6: 4},
    b"bKGD": {0: 2, 2: 6, 3: 1, 4: 2, 6: 6},
    b"tRNS": {0: 2, 2: 6, 3: 2, 4: None, 6: None},
}


@pytest.mark.parametrize("colour", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", LENGTHS)
def test_a_chunk_stays_when_it_is_as_long_as_its_colour_type_has_it(kind: bytes, colour: int) -> None:
    image = chunks_of(header(colour=colour))
    for length in range(8):
        source = png_of([*image[:-2], (kind, bytes(length)), *image[-2:]])
        fits = length == LENGTHS[kind][colour] or (kind == b"tRNS" and colour == 3 and length == 1)
        assert stored(source) == (source if fits else png_of(image))


def test_transparency_of_a_palette_stays_up_to_its_length() -> None:
    body = dict(chunks_of(PALETTE))[b"tRNS"]
    entries = len(dict(chunks_of(PALETTE))[b"PLTE"]) // 3
    assert stored(PALETTE) == PALETTE
    too_long = png_of([(kind, bytes(entries + 1) if data == body else data) for kind, data in chunks_of(PALETTE)])
    assert b"tRNS" not in stored(too_long)


def test_transparency_before_its_palette_is_refused_for_decoders_differ() -> None:
    kinds = dict(chunks_of(PALETTE))
    order = (b"IHDR", b"tRNS", b"PLTE", b"IDAT", b"IEND")
    assert refusal_of(png_of([(kind, kinds[kind]) for kind in order])) is Code.IMAGE_MALFORMED


def test_unknown_ancillary_chunks_and_text_are_dropped_wherever_they_stand() -> None:
    hidden = [
        (kind, CANARY) for kind in (b"tEXt", b"zTXt", b"iTXt", b"tIME", b"prVt", b"hIST", b"sPLT", b"iDOT", b"caBX")
    ]
    assert stored(with_chunks(PLAIN, *hidden)) == stored(with_late(PLAIN, *hidden)) == PLAIN


def test_nothing_behind_the_end_is_kept() -> None:
    assert stored(PLAIN + samples.png(64, 64)[8:]) == stored(PLAIN + b"<script>") == PLAIN


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_early_orientation_is_kept_alone_and_told(orientation: int) -> None:
    source = samples.png(W, H, orientation=orientation, canary=CANARY)
    result = stored(source)
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height) == (W, H)
    assert kinds_of(result).count(b"eXIf") == (orientation != 1)
    turned = pyvips.Image.new_from_buffer(result, "").autorot()
    assert (turned.width, turned.height) == (W, H)


@pytest.mark.parametrize(
    "source",
    [
        with_late(PLAIN, (b"eXIf", exif_samples.block(6))),
        with_chunks(PLAIN, (b"eXIf", b"Exif\0\0" + exif_samples.block(6))),
        with_chunks(PLAIN, (b"eXIf", exif_samples.block(1)), (b"eXIf", exif_samples.block(6))),
    ],
    ids=["behind the image data", "with the prefix of JPEG", "second"],
)
def test_an_orientation_that_browsers_and_libvips_ignore_is_dropped(source: bytes) -> None:
    examined = examine(source, LIMITS)
    assert (examined.width, examined.height) == (W, H)
    seen = pyvips.Image.new_from_buffer(source, "").autorot()
    assert (seen.width, seen.height) == (W, H)
    assert stored(source) == PLAIN


# Colour profile


NAME = b"ICC Profile"


def profile_chunk(profile: bytes, *, tail: bytes = b"") -> Chunk:
    return (b"iCCP", NAME + b"\0\0" + zlib.compress(profile) + tail)


def test_a_profile_stays_untouched() -> None:
    source = with_chunks(PLAIN, profile_chunk(samples.icc_profile()))
    assert stored(source) == source


@pytest.mark.parametrize(
    "chunk",
    [
        profile_chunk(samples.icc_profile(), tail=CANARY),
        (b"iCCP", b"a name\0\0" + zlib.compress(samples.icc_profile() + CANARY, 0)),
    ],
    ids=["behind the stream", "behind the profile"],
)
def test_what_hangs_on_a_profile_is_cut_off(chunk: Chunk) -> None:
    source = with_chunks(PLAIN, chunk)
    result = stored(source)
    assert CANARY in source
    assert CANARY not in result
    with Image.open(io.BytesIO(result)) as image:
        assert image.info["icc_profile"] == samples.icc_profile()
    assert stored(result) == result


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0" + zlib.compress(samples.icc_profile()),
        b"a name\0\1" + zlib.compress(samples.icc_profile()),
        b"a name\0\0" + zlib.compress(samples.icc_profile())[:-9],
        b"a name\0\0" + zlib.compress(CANARY * 20, 0),
        b"a name\0\0" + CANARY,
        b"n" * 80 + b"\0\0" + zlib.compress(samples.icc_profile()),
    ],
    ids=["empty", "no name", "another method", "cut short", "no profile", "no stream", "name too long"],
)
def test_what_is_no_profile_is_dropped(body: bytes) -> None:
    assert stored(with_chunks(PLAIN, (b"iCCP", body))) == PLAIN


def test_a_profile_of_the_longest_name_and_of_the_largest_size_stays() -> None:
    profile = struct.pack(">I", icc.MAX_PROFILE_BYTES) + samples.icc_profile()[4:]
    packed = b"\0\0" + zlib.compress(profile.ljust(icc.MAX_PROFILE_BYTES, b"\1"))
    renamed = with_chunks(PLAIN, (b"iCCP", NAME + packed))
    assert stored(with_chunks(PLAIN, (b"iCCP", b"n" * 79 + packed))) == stored(renamed) == renamed


def test_the_name_of_a_profile_is_nobody_s_text() -> None:
    packed = b"\0\0" + zlib.compress(samples.icc_profile())
    result = stored(with_chunks(PLAIN, (b"iCCP", CANARY + packed)))
    assert result == with_chunks(PLAIN, (b"iCCP", NAME + packed))


@pytest.mark.parametrize("size", [icc.MAX_PROFILE_BYTES + 1, 50_000_000])
def test_a_profile_that_unpacks_to_more_than_the_limit_is_refused(size: int) -> None:
    with pytest.raises(Problem, match="colour profile is larger than 4 MiB") as caught:
        examine(with_chunks(PLAIN, profile_chunk(bytes(size))), LIMITS)
    assert caught.value.code is Code.IMAGE_MALFORMED


# What is refused


def header(
    width: int = 1, height: int = 1, bits: int = 8, colour: int = 0, methods: bytes = b"\0\0\0", tail: bytes = b""
) -> bytes:
    image = [(b"PLTE", bytes(6))] if colour == 3 else []
    ihdr = struct.pack(">IIBB", width, height, bits, colour) + methods + tail
    return png_of([(b"IHDR", ihdr), *image, (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b"")])


@pytest.mark.parametrize("colour", range(8))
@pytest.mark.parametrize("bits", [0, 1, 2, 3, 4, 8, 16, 32])
def test_only_the_depths_of_the_specification_are_accepted(colour: int, bits: int) -> None:
    allowed = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
    accepted = refusal_of(header(bits=bits, colour=colour)) is None
    assert accepted == (bits in allowed.get(colour, set()))


IHDR, IDAT = chunks_of(PLAIN)[0], chunks_of(PLAIN)[1]
PLTE = (b"PLTE", bytes(6))
IEND = (b"IEND", b"")
DAMAGED = {
    "a width of 0": header(width=0),
    "a height of 0": header(height=0),
    "a width with the sign bit": header(width=2**31),
    "another compression": header(methods=b"\1\0\0"),
    "another filter": header(methods=b"\0\1\0"),
    "another interlace": header(methods=b"\0\0\2"),
    "a header with a tail": header(tail=CANARY),
    "no header": png_of([IDAT, IEND]),
    "the header second": png_of([(b"tEXt", b"a\0b"), IHDR, IDAT, IEND]),
    "two headers": png_of([IHDR, IHDR, IDAT, IEND]),
    "no image data": png_of([IHDR, IEND]),
    "empty image data": png_of([IHDR, (b"IDAT", b""), (b"IDAT", b""), IEND]),
    "image data in two places": png_of([IHDR, IDAT, (b"tEXt", b"a\0b"), IDAT, IEND]),
    "no end": png_of([IHDR, IDAT]),
    "an end that is not empty": png_of([IHDR, IDAT, (b"IEND", CANARY)]),
    "an unknown critical chunk": png_of([IHDR, (b"CgBI", b"\0\0\0\0"), IDAT, IEND]),
    "a type that is not letters": png_of([IHDR, (b"a\0cd", b""), IDAT, IEND]),
    "a chunk longer than PNG has": PLAIN[:33] + b"\x80\0\0\0tEXt" + PLAIN[33:],
    "a palette of half a colour": png_of([IHDR, (b"PLTE", bytes(5)), IDAT, IEND]),
    "a palette of no colour": png_of([IHDR, (b"PLTE", b""), IDAT, IEND]),
    "a palette of 257 colours": png_of([IHDR, (b"PLTE", bytes(771)), IDAT, IEND]),
    "two palettes": png_of([IHDR, PLTE, PLTE, IDAT, IEND]),
    "a palette behind the image data": png_of([IHDR, IDAT, PLTE, IEND]),
    "a palette for greyscale": png_of([chunks_of(header())[0], PLTE, IDAT, IEND]),
    "a missing palette": png_of([chunks_of(header(colour=3))[0], IDAT, IEND]),
    "too many chunks": png_of([IHDR, *[(b"tEXt", b"")] * sanitise_png.MAX_CHUNKS, IDAT, IEND]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str) -> None:
    assert refusal_of(DAMAGED[name]) is Code.IMAGE_MALFORMED


@pytest.mark.parametrize("index", range(len(chunks_of(samples.png(16, 12, mode="P", canary=CANARY))) - 1))
def test_a_wrong_checksum_is_refused_in_every_chunk_even_one_that_is_dropped(index: int) -> None:
    source = samples.png(16, 12, mode="P", canary=CANARY)[: -len(CANARY)]
    chunks = chunks_of(source)
    assert refusal_of(source) is None
    end = 8 + sum(12 + len(body) for _, body in chunks[: index + 1])
    damaged = source[: end - 1] + bytes((source[end - 1] ^ 1,)) + source[end:]
    with pytest.raises(Problem, match=f"checksum of its {chunks[index][0].decode()} chunk"):
        examine(damaged, LIMITS)


def test_an_image_split_into_empty_and_full_chunks_is_accepted() -> None:
    body = IDAT[1]
    source = png_of([IHDR, (b"IDAT", b""), (b"IDAT", body[:50]), (b"IDAT", b""), (b"IDAT", body[50:]), IEND])
    assert stored(source) == source
    assert shown(source) == shown(PLAIN)
