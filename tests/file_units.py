"""Image files taken apart into the units that they are made of, and judged unit by unit.

`units_of` never fails and loses nothing: joined, the units are the file again, and what cannot be walked is a unit of
its own at the end. It shares nothing with the sanitiser, which it is there to check; mutators work on its units.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

REST: Final = "rest"
"""What follows the end, or what the walk stumbled over."""


class Unit(NamedTuple):
    """A segment, chunk or block with everything around it: `kind` is what the format calls it."""

    kind: str
    data: bytes


def units_of(data: bytes) -> list[Unit]:
    """Return the units of a JPEG, PNG, GIF or WebP file; other bytes are one unit."""
    walks = {b"\xff\xd8": _jpeg, b"\x89P": _png, b"GI": _gif, b"RI": _webp}
    walk = walks.get(data[:2])
    units: list[Unit] = []
    try:
        for unit in walk(data) if walk else ():
            units.append(unit)  # noqa: PERF402 -- what came before the stumble is kept
    except (IndexError, struct.error):
        pass
    done = sum(len(unit.data) for unit in units)
    return [*units, Unit(REST, data[done:])] if done < len(data) else units


def joined(units: list[Unit]) -> bytes:
    """Return the file of these units."""
    return b"".join(unit.data for unit in units)


# JPEG: ITU-T T.81, annex B

_MARKER: Final = re.compile(rb"\xff[\x01-\xfe]")
_AFTER_SCAN: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_LONELY: Final = frozenset({0xD8, 0xD9, *range(0xD0, 0xD8)})


def _jpeg(data: bytes) -> Iterator[Unit]:
    position = 0
    while position < len(data):
        found = _MARKER.search(data, position)
        if found is None:
            return
        if found.start() > position:
            yield Unit("fill", data[position : found.start()])
        position, marker = found.start(), data[found.start() + 1]
        end = position + 2 if marker in _LONELY else position + 2 + struct.unpack_from(">H", data, position + 2)[0]
        yield Unit(f"{marker:02X}", _whole(data, position, end))
        if marker == 0xD9:
            return
        position = end
        if marker == 0xDA:
            scan = _AFTER_SCAN.search(data, position)
            position = scan.start() if scan else len(data)
            if position > end:
                yield Unit("scan", data[end:position])


def _whole(data: bytes, start: int, end: int) -> bytes:
    if end > len(data) or end <= start:
        raise IndexError(end)
    return data[start:end]


# PNG: W3C, third edition


def _png(data: bytes) -> Iterator[Unit]:
    yield Unit("signature", _whole(data, 0, 8))
    position = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        yield Unit(kind.decode("latin-1"), _whole(data, position, position + 12 + length))
        position += 12 + length
        if kind == b"IEND":
            return


# GIF: the 89a specification


def _gif(data: bytes) -> Iterator[Unit]:
    position = 13 + _colours(data[10])
    yield Unit("screen", _whole(data, 0, position))
    while True:
        introducer = data[position]
        if introducer == 0x2C:
            kind, end = "image", _after_blocks(data, position + 11 + _colours(data[position + 9]))
        elif introducer == 0x21:
            kind, end = f"extension {data[position + 1]:02X}", _after_blocks(data, position + 2)
        elif introducer == 0x3B:
            yield Unit("trailer", data[position : position + 1])
            return
        else:
            raise IndexError(position)
        yield Unit(kind, _whole(data, position, end))
        position = end


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while data[position]:
        position += 1 + data[position]
    return position + 1


# WebP: RFC 9649; a frame's own chunks stay within its unit


def _webp(data: bytes) -> Iterator[Unit]:
    stop = 8 + struct.unpack_from("<I", data, 4)[0]
    yield Unit("RIFF", _whole(data, 0, 12))
    position = 12
    while position < stop:
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + (length & 1)
        yield Unit(kind.decode("latin-1"), _whole(data, position, end))
        position = end


# What may be in a stored file

_JPEG_KINDS: Final = frozenset(["D8", "C0", "C1", "C2", "C4", "DB", "DD", "DA", "scan", "D9"])
_PNG_KINDS: Final = frozenset(
    [
        "signature",
        "IHDR",
        "PLTE",
        "IDAT",
        "IEND",
        "iCCP",
        "sRGB",
        "gAMA",
        "cHRM",
        "cICP",
        "sBIT",
        "tRNS",
        "bKGD",
        "pHYs",
        "acTL",
        "fcTL",
        "fdAT",
    ]
)
_GIF_KINDS: Final = frozenset(["screen", "image", "trailer"])
_WEBP_KINDS: Final = frozenset({"RIFF", "VP8X", "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP"})
_ORIENTATION: Final = re.compile(rb"II\*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0[\x02-\x08]\0\0\0\0\0\0\0", re.DOTALL)
_PICTURE: Final = frozenset(
    ["DB", "C4", "DA", "scan", "PLTE", "IDAT", "fdAT", "screen", "image", "ANMF", "ICCP", "iCCP", "E2", "ALPH"]
) | {
    "VP8 ",
    "VP8L",
}
"""Units that decoders make pixels and colours of: what stands in them is the picture."""


def foreign_units(stored: bytes) -> list[str]:
    """Return the kinds of those units that have no place in a stored file."""
    judges = {b"\xff\xd8": _foreign_to_jpeg, b"\x89P": _foreign_to_png, b"GI": _foreign_to_gif, b"RI": _foreign_to_webp}
    judge = judges[stored[:2]]
    return [unit.kind for unit in units_of(stored) if judge(unit)]


def _foreign_to_jpeg(unit: Unit) -> bool:
    body = unit.data[4:]
    if unit.kind == "E0":
        return not (body.startswith(b"JFIF\0") and len(body) == 14 and body.endswith(b"\0\0"))
    if unit.kind == "E1":
        return not (body.startswith(b"Exif\0\0") and _ORIENTATION.fullmatch(body[6:]))
    if unit.kind == "E2":
        return not body.startswith(b"ICC_PROFILE\0")
    if unit.kind == "EE":
        return not (body.startswith(b"Adobe") and len(body) == 12)
    return unit.kind not in _JPEG_KINDS


def _foreign_to_png(unit: Unit) -> bool:
    if unit.kind == "eXIf":
        return not _ORIENTATION.fullmatch(unit.data[8:-4])
    if unit.kind == "iCCP":
        return not unit.data[8:].startswith(b"ICC Profile\0\0")  # the name says nothing
    return unit.kind not in _PNG_KINDS


def _foreign_to_gif(unit: Unit) -> bool:
    if unit.kind == "extension F9":
        return len(unit.data) != 8
    if unit.kind == "extension FF":
        return unit.data[3:14] not in {b"NETSCAPE2.0", b"ANIMEXTS1.0"} or len(unit.data) != 19
    return unit.kind not in _GIF_KINDS


def _foreign_to_webp(unit: Unit) -> bool:
    if unit.kind == "RIFF":
        return False
    if unit.kind == "VP8X":
        return bool(unit.data[8] & 0x0C) or unit.data[9:12] != b"\0\0\0"  # EXIF, XMP, and what is reserved
    return unit.kind not in _WEBP_KINDS


def outside_the_picture(stored: bytes, canary: bytes) -> bool:
    """Return whether the canary stands anywhere but within what decoders make pixels and colours of."""
    within = sum(unit.data.count(canary) for unit in units_of(stored) if unit.kind in _PICTURE)
    return stored.count(canary) > within
