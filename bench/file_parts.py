"""What a JPEG, PNG, GIF or WebP file consists of, part by part, read straight from the specifications.

This reader exists to find what the product's sanitiser let through, so it shares nothing with it: it knows what a
picture needs, and calls everything else foreign.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a part is for."""

    PICTURE = "picture"
    PROFILE = "colour profile"
    ORIENTATION = "orientation"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Part:
    """A stretch of a file: `name` is what the format calls it."""

    role: Role
    name: str
    body: bytes


class Unreadable(ValueError):
    """The file cannot be walked to its end."""


def parts_of(data: bytes) -> Iterator[Part]:
    """Yield every part of the file. Raises `Unreadable`."""
    readers: dict[bytes, Callable[[bytes], Iterator[Part]]] = {
        b"\xff\xd8": _jpeg,
        b"\x89P": _png,
        b"GI": _gif,
        b"RI": _webp,
    }
    try:
        yield from readers[data[:2]](data)
    except (KeyError, IndexError, struct.error) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def holds_orientation_alone(tiff: bytes) -> bool:
    """Return whether an EXIF block (without its prefix) has one entry, the orientation, and not a byte more."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) != 26:
        return False
    start, entries, tag, kind, count, _, _, following = struct.unpack(order + "IHHHIHHI", tiff[4:])
    return (start, entries, tag, kind, count, following) == (8, 1, 0x0112, 3, 1, 0)


def _exif(name: str, tiff: bytes) -> Part:
    return Part(Role.ORIENTATION if holds_orientation_alone(tiff) else Role.FOREIGN, name, tiff)


def _tail(data: bytes, end: int) -> Iterator[Part]:
    if end < len(data):
        yield Part(Role.FOREIGN, f"{len(data) - end} bytes after the end", data[end:])


# JPEG: ITU-T T.81, annex B

_SOS: Final = 0xDA
_TABLES_AND_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, _SOS})


def _jpeg(data: bytes) -> Iterator[Part]:
    position = 2
    while True:
        if data[position] != 0xFF:
            raise Unreadable(f"no marker at {position}")
        marker = data[position + 1]
        if marker == 0xD9:
            yield from _tail(data, position + 2)
            return
        if marker == 0xFF:
            position += 1  # a fill byte, which any marker may have before it (B.1.1.2) and which says nothing
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        yield _jpeg_segment(marker, data[position + 4 : end])
        position = _end_of_scan(data, end) if marker == _SOS else end


def _jpeg_segment(marker: int, body: bytes) -> Part:
    name = f"segment FF{marker:02X} {body[:12]!r}"
    if marker in _TABLES_AND_FRAMES:
        return Part(Role.PICTURE, name, body)
    if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) == 14:  # longer ones have a thumbnail
        return Part(Role.PICTURE, name, body)
    if marker == 0xEE and body[:5] == b"Adobe" and len(body) == 12:
        return Part(Role.PICTURE, name, body)
    if marker == 0xE2 and body[:12] == b"ICC_PROFILE\0":
        return Part(Role.PROFILE, name, body)
    if marker == 0xE1 and body[:6] == b"Exif\0\0":
        return _exif(name, body[6:])
    return Part(Role.FOREIGN, name, body)


def _end_of_scan(data: bytes, position: int) -> int:
    """Return where the next marker is that is neither a stuffed byte nor a restart."""
    while True:
        position = data.index(b"\xff", position)
        if data[position + 1] != 0 and not 0xD0 <= data[position + 1] <= 0xD7:
            return position
        position += 2


# PNG: W3C, third edition

_PNG_PICTURE: Final = frozenset(
    b"IHDR PLTE IDAT IEND sRGB gAMA cHRM cICP sBIT tRNS bKGD pHYs acTL fcTL fdAT".split(),
)


def _png(data: bytes) -> Iterator[Part]:
    position = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"eXIf":
            yield _exif("chunk eXIf", body)
        elif kind == b"iCCP":
            yield Part(Role.PROFILE, "chunk iCCP", body)
        else:
            yield Part(Role.PICTURE if kind in _PNG_PICTURE else Role.FOREIGN, f"chunk {kind!r}", body)
        if kind == b"IEND":
            yield from _tail(data, position)
            return


# GIF: the 89a specification; loops by the NETSCAPE application extension


def _gif(data: bytes) -> Iterator[Part]:
    position = 13 + _colours(data[10])
    while data[position] != 0x3B:
        start = position
        if data[position] == 0x2C:
            position = _after_blocks(data, position + 11 + _colours(data[position + 9]))
            yield Part(Role.PICTURE, "image", data[start:position])
        elif data[position] == 0x21:
            position = _after_blocks(data, position + 2)
            yield _gif_extension(data[start:position])
        else:
            raise Unreadable(f"no block begins with {data[position]:02X}")
    yield from _tail(data, position + 1)


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += 1 + data[position]
    return position + 1


def _gif_extension(block: bytes) -> Part:
    control = block[1] == 0xF9 and len(block) == 8
    loop = block[:14] == b"!\xff\x0bNETSCAPE2.0" and len(block) == 19
    return Part(Role.PICTURE if control or loop else Role.FOREIGN, f"extension {block[1]:02X}", block)


# WebP: RFC 9649

_WEBP_PICTURE: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM"})
_WEBP_FLAGS_OF_METADATA: Final = 0x08 | 0x04  # EXIF, XMP (section 2.7.1)


def _webp(data: bytes) -> Iterator[Part]:
    end = 8 + int.from_bytes(data[4:8], "little")
    yield from _webp_chunks(data[12:end], within_frame=False)
    yield from _tail(data, end)


def _webp_chunks(data: bytes, *, within_frame: bool) -> Iterator[Part]:
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        if len(body) != length:
            raise Unreadable(f"{kind!r} is cut off")
        position += 8 + length + (length & 1)
        if kind == b"ANMF" and not within_frame:
            yield from _webp_chunks(body[16:], within_frame=True)
        else:
            yield _webp_chunk(kind, body)


def _webp_chunk(kind: bytes, body: bytes) -> Part:
    name = f"chunk {kind!r}"
    if kind == b"ICCP":
        return Part(Role.PROFILE, name, body)
    if kind == b"VP8X":
        return Part(Role.FOREIGN if body[0] & _WEBP_FLAGS_OF_METADATA else Role.PICTURE, name, body)
    return Part(Role.PICTURE if kind in _WEBP_PICTURE else Role.FOREIGN, name, body)
