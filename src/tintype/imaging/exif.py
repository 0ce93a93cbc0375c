"""The one thing of EXIF that changes what a picture shows: its orientation (tag 0x0112, CIPA DC-008, section 4.6.4).

Reading is total: whatever the block holds, the answer is 1–8, and nonsense is 1. What counts as an orientation was
tried on Chromium 156: one SHORT in the first directory. The forgiving readings of libexif (a LONG, two values) are not
followed, so that the stored original and the variants made from it stand the same way up.
"""

import struct

UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TURNED_BY_A_QUARTER = range(5, 9)


def is_tiff(block: bytes | memoryview) -> bool:
    """Return whether the block begins as TIFF does, in either byte order."""
    return bytes(block[:4]) in _ORDERS


def orientation_of(tiff: bytes | memoryview) -> int:
    """Return the orientation, 1–8, that a TIFF block (EXIF without its prefix) asks for."""
    order = _ORDERS.get(bytes(tiff[:4]))
    if order is None:
        return UPRIGHT
    try:
        return _first_directory(tiff, order)
    except struct.error:  # an offset or a count points outside the block
        return UPRIGHT


def _first_directory(tiff: bytes | memoryview, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for index in range(entries):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * index)
        if tag == _ORIENTATION:
            return value if (kind, count) == (_SHORT, 1) and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def orientation_block(orientation: int) -> bytes:
    """Return a TIFF block that holds `orientation` and nothing else: 26 bytes."""
    entry = struct.pack("<HHIHH", _ORIENTATION, _SHORT, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


def oriented(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return width and height in pixels as seen."""
    return (height, width) if orientation in _TURNED_BY_A_QUARTER else (width, height)
