"""EXIF blocks for sample images, written from the TIFF specification: independent of the code that reads them."""

import struct
from collections.abc import Sequence
from typing import Any

GPS_LATITUDE = (43, 28, 2814)
"""Degrees, minutes and hundredths of a second, north: what `gps=True` plants."""


def block(orientation: int = 1, *, gps: bool = False, canary: bytes = b"", big_endian: bool = False) -> bytes:
    """Return a TIFF block (EXIF without its six-byte prefix): orientation, and if asked names, a maker note, GPS."""
    order = ">" if big_endian else "<"
    entries: list[tuple[int, int, Any]] = [(0x0112, 3, orientation)]
    if canary:
        entries += [(0x010E, 2, canary + b"\0"), (0x013B, 2, canary + b"\0"), (0x927C, 7, canary)]
    if gps:
        entries.append((0x8825, 4, _gps_entries(canary)))
    return (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "I", 8) + directory(order, entries, 8)


def _gps_entries(canary: bytes) -> list[tuple[int, int, Any]]:
    latitude = [(GPS_LATITUDE[0], 1), (GPS_LATITUDE[1], 1), (GPS_LATITUDE[2], 100)]
    return [(1, 2, b"N\0"), (2, 5, latitude), (3, 2, b"E\0"), (4, 5, latitude), (0x1C, 7, canary + b"\0\0\0\0")]


def directory(order: str, entries: Sequence[tuple[int, int, Any]], at: int) -> bytes:
    """Return an image file directory that starts at byte `at`, with its values behind it (TIFF 6.0, section 2)."""
    data_at = at + 2 + 12 * len(entries) + 4
    table, data = b"", b""
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        count, raw = 1, b""
        if isinstance(value, bytes):
            count, raw = len(value), value
        elif kind == 5:
            count, raw = len(value), b"".join(struct.pack(order + "II", *pair) for pair in value)
        elif isinstance(value, list):
            raw = struct.pack(order + "I", data_at + len(data))
            data += directory(order, value, data_at + len(data))
        else:
            raw = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
        if len(raw) > 4:
            data, raw = data + raw, struct.pack(order + "I", data_at + len(data))
        table += struct.pack(order + "HHI", tag, kind, count) + raw.ljust(4, b"\0")
    return struct.pack(order + "H", len(entries)) + table + b"\0\0\0\0" + data
