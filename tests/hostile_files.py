"""Files that are made to hurt: bombs, lies in headers, endless lists, polyglots. Small on disk, deterministic.

Each says what becomes of it: refused by the door with a code (and whether the header alone tells, so that it must be
quick), or taken in, and then shown (`ready`) or found out by the decoder (`rejected`).
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import samples
from file_units import Unit, joined, units_of
from png_samples import SIGNATURE
from samples import jpeg_segment, png_chunk, riff_chunk

MALFORMED: Final = (422, "image.malformed")
PIXELS: Final = (422, "image.too_many_pixels")
FRAMES: Final = (422, "image.too_many_frames")
UNSUPPORTED: Final = (415, "image.unsupported_format")
TOO_LARGE: Final = (413, "image.too_large")
EMPTY: Final = (422, "upload.empty")
READY: Final = (201, "ready")
REJECTED: Final = (201, "rejected")
UNSURE: Final = (201, "")
"""Taken in; whether decoders make a picture of it is theirs to say."""

SCRIPT: Final = b"<html><script>alert(document.domain)</script>"


@dataclass(frozen=True)
class Hostile:
    """A file, and what is answered: the status, and the code of the refusal or the state that it comes to."""

    build: Callable[[], bytes]
    status: int
    end: str
    by_header: bool = False
    """Whether its first bytes tell, so that it is refused at once."""


def _known(build: Callable[[], bytes], expected: tuple[int, str], *, by_header: bool = False) -> Hostile:
    return Hostile(build, *expected, by_header)


# PNG


def _ihdr(width: int, height: int, bits: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))


def _png(*chunks: bytes) -> bytes:
    return SIGNATURE + b"".join(chunks) + png_chunk(b"IEND", b"")


def _zeros(length: int) -> bytes:
    """Return a zlib stream of so many zero bytes, without ever holding them."""
    packer = zlib.compressobj(9)
    packed = [packer.compress(bytes(min(1 << 20, length - start))) for start in range(0, length, 1 << 20)]
    return b"".join([*packed, packer.flush()])


def _rows(width: int, height: int, bits_per_pixel: int) -> bytes:
    return png_chunk(b"IDAT", _zeros(height * (1 + (width * bits_per_pixel + 7) // 8)))


def _png_beside(*chunks: bytes) -> bytes:
    """Return a small sound PNG with these chunks before its pixels."""
    sound = samples.png(40, 30, seed=3)
    return sound[:33] + b"".join(chunks) + sound[33:]


def _apng_of(frames: int, *, claimed: int) -> bytes:
    sizes = struct.pack(">IIII", 1, 1, 0, 0) + struct.pack(">HHBB", 1, 100, 0, 0)
    control = png_chunk(b"acTL", struct.pack(">II", claimed, 0))
    data = zlib.compress(b"\0\0\0\0")
    later = b"".join(
        png_chunk(b"fcTL", struct.pack(">I", 2 * index - 1) + sizes)
        + png_chunk(b"fdAT", struct.pack(">I", 2 * index) + data)
        for index in range(1, frames)
    )
    first = png_chunk(b"fcTL", struct.pack(">I", 0) + sizes) + png_chunk(b"IDAT", data)
    return _png(_ihdr(1, 1), control, first, later)


def _text(kind: bytes, size: int) -> bytes:
    head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    return png_chunk(kind, head + _zeros(size))


PNGS: Final = {
    "png of 65,535 × 65,535, one bit": _known(
        lambda: _png(_ihdr(65_535, 65_535, 1, 0), _rows(8, 8, 1)), PIXELS, by_header=True
    ),
    "png of 2³¹ × 2³¹": _known(lambda: _png(_ihdr(2**31 - 1, 2**31 - 1), _rows(8, 8, 24)), PIXELS, by_header=True),
    "png 12,000 × 12,000, RGBA, interlaced": _known(
        lambda: _png(_ihdr(12_000, 12_000, 8, 6, 1), _rows(8, 8, 32)), PIXELS, by_header=True
    ),
    "png of 0 × 10": _known(lambda: _png(_ihdr(0, 10), _rows(8, 8, 24)), MALFORMED, by_header=True),
    "png at the limit of pixels, 16 bits, all zero": _known(
        lambda: _png(_ihdr(10_000, 5_000, 16, 0), _rows(10_000, 5_000, 16)), READY
    ),
    "png, one pixel high": _known(lambda: _png(_ihdr(2_000_000, 1, 1, 0), _rows(2_000_000, 1, 1)), UNSURE),
    "png that unpacks to 200 MB": _known(
        lambda: _png(_ihdr(100, 100), png_chunk(b"IDAT", _zeros(200_000_000))), UNSURE
    ),
    "png whose pixels end early": _known(lambda: _png(_ihdr(500, 500), _rows(500, 100, 24)), REJECTED),
    "png with a stream that is none": _known(lambda: _png(_ihdr(50, 50), png_chunk(b"IDAT", bytes(500))), REJECTED),
    "png, zTXt of 64 MB": _known(lambda: _png_beside(_text(b"zTXt", 64 << 20)), READY),
    "png, iTXt of 64 MB": _known(lambda: _png_beside(_text(b"iTXt", 64 << 20)), READY),
    "png, iCCP of 64 MB": _known(lambda: _png_beside(_text(b"iCCP", 64 << 20)), MALFORMED),
    "png, 60,000 tEXt": _known(lambda: _png_beside(png_chunk(b"tEXt", b"k\0v") * 60_000), READY),
    "png, 100,000 tEXt": _known(lambda: _png_beside(png_chunk(b"tEXt", b"k\0v") * 100_000), MALFORMED),
    "png, 50,000 empty IDAT": _known(
        lambda: _png(_ihdr(8, 8), png_chunk(b"IDAT", b"") * 50_000, _rows(8, 8, 24)), READY
    ),
    "png, chunk of 2 GB that is not there": _known(
        lambda: SIGNATURE + _ihdr(8, 8) + b"\x7f\xff\xff\xffIDAT" + bytes(40), MALFORMED
    ),
    "apng of 4 billion frames": _known(lambda: _apng_of(2, claimed=2**32 - 1), FRAMES, by_header=True),
    "apng of 501 frames": _known(lambda: _apng_of(501, claimed=501), FRAMES, by_header=True),
    "apng that hides 5,000 frames": _known(lambda: _apng_of(5_000, claimed=2), MALFORMED),
    "png with html behind it": _known(lambda: samples.png(40, 30) + SCRIPT, READY),
    "png with another png behind it": _known(lambda: samples.png(40, 30) + samples.png(90, 90)[8:], READY),
}


# JPEG


def _frame_header(width: int, height: int, marker: int = 0xC0, components: int = 3) -> bytes:
    parts = b"".join(bytes((number, 0x11, 0)) for number in range(1, components + 1))
    return jpeg_segment(marker, struct.pack(">BHHB", 8, height, width, components) + parts)


def _jpeg_claiming(width: int, height: int, marker: int = 0xC0) -> bytes:
    """Return a small sound JPEG whose header says something else."""
    units = [
        Unit(unit.kind, _frame_header(width, height, marker)) if unit.kind == "C0" else unit
        for unit in units_of(samples.jpeg(64, 48, seed=4))
    ]
    return joined(units)


def _jpeg_beside(*segments: bytes) -> bytes:
    sound = samples.jpeg(64, 48, seed=4)
    return sound[:2] + b"".join(segments) + sound[2:]


def _scans(times: int) -> bytes:
    """Return a progressive JPEG that has its last scan again and again."""
    units = units_of(samples.jpeg(64, 48, progressive=True, seed=4))
    return joined([*units[:-3], *units[-3:-1] * times, units[-1]])


def _exif_in_a_circle() -> bytes:
    """Return EXIF whose directory has itself for its next one, and for its directory of GPS."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x8825, 4, 1, 8)
    return jpeg_segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 8))


def _profile_parts(parts: int, count: int) -> bytes:
    body = b"ICC_PROFILE\0%c%c" + bytes(60_000)
    return b"".join(jpeg_segment(0xE2, body % (number % 256, count)) for number in range(1, parts + 1))


JPEGS: Final = {
    "jpeg of 65,535 × 65,535": _known(lambda: _jpeg_claiming(65_535, 65_535), PIXELS, by_header=True),
    "jpeg of 0 × 10": _known(lambda: _jpeg_claiming(10, 0), MALFORMED, by_header=True),
    "jpeg, progressive, of 7,000 × 7,000 in 2 kB": _known(lambda: _jpeg_claiming(7_000, 7_000, 0xC2), UNSURE),
    "jpeg of 50 megapixels in 2 kB": _known(lambda: _jpeg_claiming(10_000, 5_000), UNSURE),
    "jpeg, arithmetic coding": _known(lambda: _jpeg_claiming(64, 48, 0xC9), UNSUPPORTED, by_header=True),
    "jpeg, lossless": _known(lambda: _jpeg_claiming(64, 48, 0xC3), UNSUPPORTED, by_header=True),
    "jpeg, hierarchical": _known(lambda: _jpeg_claiming(64, 48, 0xC5), UNSUPPORTED, by_header=True),
    "jpeg, 90 scans of 9 megapixels": _known(
        lambda: joined(
            [
                Unit(unit.kind, _frame_header(3_000, 3_000, 0xC2)) if unit.kind == "C2" else unit
                for unit in units_of(_scans(80))
            ]
        ),
        UNSURE,
    ),
    "jpeg, 2,000 scans": _known(lambda: _scans(2_000), MALFORMED),
    "jpeg, 100 segments of XMP": _known(lambda: _jpeg_beside(jpeg_segment(0xE1, bytes(65_533)) * 100), READY),
    "jpeg, 5,000 comments": _known(lambda: _jpeg_beside(jpeg_segment(0xFE, b"x") * 5_000), MALFORMED),
    "jpeg, 2 MB of FF between segments": _known(lambda: _jpeg_beside(b"\xff" * 2_000_000), READY),
    "jpeg, EXIF in a circle": _known(lambda: _jpeg_beside(_exif_in_a_circle()), READY),
    "jpeg, profile of 9 MB in 150 parts": _known(lambda: _jpeg_beside(_profile_parts(150, 150)), MALFORMED),
    "jpeg, profile whose parts are all the first": _known(
        lambda: _jpeg_beside(jpeg_segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(100)) * 200), READY
    ),
    "jpeg with html in a comment": _known(lambda: _jpeg_beside(jpeg_segment(0xFE, SCRIPT)), READY),
    "jpeg with a zip behind it": _known(lambda: samples.jpeg(64, 48) + b"PK\5\6" + bytes(18), READY),
    "jpeg with another behind it": _known(lambda: samples.jpeg(64, 48) + samples.jpeg(90, 90), READY),
    "jpeg, half of it": _known(lambda: samples.jpeg(640, 480)[:9_000], MALFORMED),
    "jpeg without a table": _known(
        lambda: joined([unit for unit in units_of(samples.jpeg(64, 48)) if unit.kind != "DB"]), REJECTED
    ),
}


# GIF


def _gif(width: int, height: int, frames: int, block: bytes | None = None, between: bytes = b"") -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = block or b"!\xf9\x04\x04\x0a\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + screen + (frame + between) * frames + b";"


def _gif_image(width: int, height: int, data: bytes) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + data


GIFS: Final = {
    "gif of 65,535 × 65,535": _known(lambda: _gif(65_535, 65_535, 1), PIXELS, by_header=True),
    "gif, 2,000 frames of 4,000 × 4,000": _known(lambda: _gif(4_000, 4_000, 2_000), PIXELS, by_header=True),
    "gif, 200,000 frames of 1 × 1": _known(lambda: _gif(1, 1, 200_000), FRAMES, by_header=True),
    "gif, small screen and a frame of 65,535 × 65,535": _known(
        lambda: _gif(1, 1, 1, _gif_image(65_535, 65_535, b"\2\2\x4c\1\0")), PIXELS, by_header=True
    ),
    "gif, 60,000 comments": _known(lambda: _gif(1, 1, 1, between=b"!\xfe\1x\0" * 60_000), READY),
    "gif, 70,000 comments": _known(lambda: _gif(1, 1, 1, between=b"!\xfe\1x\0" * 70_000), MALFORMED),
    "gif, 4 MB in blocks of one byte": _known(
        lambda: _gif(1, 1, 1, _gif_image(1, 1, b"\2" + b"\1\x4c" * 2_000_000 + b"\0")), UNSURE
    ),
    "gif, blocks that never end": _known(
        lambda: _gif(1, 1, 1, _gif_image(1, 1, b"\2" + b"\xff" * 2_000_000)), MALFORMED
    ),
    "gif, nonsense for pixels": _known(
        lambda: _gif(500, 500, 1, _gif_image(500, 500, b"\x08\xfe" + b"\xaa" * 254 + b"\0")), UNSURE
    ),
    "gif that is a script": _known(lambda: samples.gif(10_799, 8) + b"*/=1;alert(1)//", READY),
}


# WebP


def _vp8l(width: int, height: int) -> bytes:
    return riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(20))


def _webp(*chunks: bytes) -> bytes:
    return riff_chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def _vp8x(flags: int, width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", struct.pack("<I", flags) + sizes)


def _animated(frames: int, width: int, height: int) -> bytes:
    frame = riff_chunk(b"ANMF", bytes(12) + b"\x0a\0\0\0" + _vp8l(1, 1))
    return _webp(_vp8x(2, width, height), riff_chunk(b"ANIM", bytes(6)), frame * frames)


def _lossy_claiming(width: int, height: int) -> bytes:
    sound = bytearray(samples.webp(64, 48))
    struct.pack_into("<HH", sound, 26, width, height)
    return bytes(sound)


WEBPS: Final = {
    "webp of 16,384 × 16,384, lossless": _known(lambda: _webp(_vp8l(16_384, 16_384)), PIXELS, by_header=True),
    "webp of 16,383 × 16,383, lossy": _known(lambda: _lossy_claiming(16_383, 16_383), PIXELS, by_header=True),
    "webp whose canvas has 2⁴⁸ pixels": _known(
        lambda: _webp(_vp8x(0, 2**24, 2**24), _vp8l(8, 8)), PIXELS, by_header=True
    ),
    "webp, 10,000 frames": _known(lambda: _animated(10_000, 1, 1), FRAMES, by_header=True),
    "webp, 400 frames of 400 × 400": _known(lambda: _animated(400, 400, 400), PIXELS, by_header=True),
    "webp, 7,000 × 7,000 of nothing": _known(lambda: _webp(_vp8l(7_000, 7_000)), UNSURE),
    "webp, lossy, 7,000 × 7,000 in 2 kB": _known(lambda: _lossy_claiming(7_000, 7_000), UNSURE),
    "webp, 70,000 chunks": _known(
        lambda: _webp(_vp8x(0, 64, 48), riff_chunk(b"prVt", b"") * 70_000, samples.webp(64, 48)[12:]), MALFORMED
    ),
    "webp, XMP of 4 MB": _known(
        lambda: _webp(_vp8x(4, 64, 48), samples.webp(64, 48)[12:], riff_chunk(b"XMP ", bytes(4_000_000))), READY
    ),
    "webp, chunk of 4 GB that is not there": _known(
        lambda: b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff" + bytes(30), MALFORMED
    ),
    "webp within a webp": _known(lambda: _webp(_webp(_vp8l(8, 8))), MALFORMED, by_header=True),
}


# No images

OTHERS: Final = {
    "nothing": _known(lambda: b"", EMPTY, by_header=True),
    "one byte": _known(lambda: b"\x89", UNSUPPORTED, by_header=True),
    "svg with a billion laughs": _known(
        lambda: (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "ha">'
            + b"".join(b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10))
            + b']><svg xmlns="http://www.w3.org/2000/svg"><text>&a9;</text></svg>'
        ),
        UNSUPPORTED,
        by_header=True,
    ),
    "svg that reads a file": _known(
        lambda: b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><text>&x;</text></svg>',
        UNSUPPORTED,
        by_header=True,
    ),
    "svg with a script": _known(lambda: b'<svg onload="alert(1)"><script/></svg>', UNSUPPORTED, by_header=True),
    "mvg of ImageTragick": _known(
        lambda: b"push graphic-context\nfill 'url(https://127.0.0.1:1/x.jpg\"|touch pwned\")'\npop graphic-context\n",
        UNSUPPORTED,
        by_header=True,
    ),
    "postscript": _known(lambda: b"%!PS\n(/etc/passwd) (r) file\n", UNSUPPORTED, by_header=True),
    "html": _known(lambda: b"<!doctype html>" + SCRIPT, UNSUPPORTED, by_header=True),
    "ppm of 60,000 × 60,000": _known(lambda: b"P6\n60000 60000\n255\n", UNSUPPORTED, by_header=True),
    "csv of 2 MB": _known(lambda: b"1," * 1_000_000, UNSUPPORTED, by_header=True),
    "tiff": _known(lambda: b"II*\0\x08\0\0\0" + bytes(80), UNSUPPORTED, by_header=True),
    "heic": _known(lambda: b"\0\0\0\x18ftypheic" + bytes(80), UNSUPPORTED, by_header=True),
    "gzip of a png": _known(lambda: b"\x1f\x8b\x08\0" + bytes(80), UNSUPPORTED, by_header=True),
    "11 MB": _known(lambda: b"\xff\xd8\xff" + bytes(11_000_000), TOO_LARGE),
}

HOSTILE: Final[dict[str, Hostile]] = {**PNGS, **JPEGS, **GIFS, **WEBPS, **OTHERS}
"""Every one by name."""
