"""How image files go wrong: mutators that know what a file is made of, and some that do not.

Every mutator takes the file and the dice and returns another file; the same dice give the same file. Those of
`WHOLE_UNITS` move or lose whole segments, chunks or blocks and change none of them: metadata stays metadata. Those of
`WITHIN` may make picture data of it.
"""

import random
import struct
import zlib
from collections.abc import Callable
from typing import Final

from file_units import Unit, joined, units_of

Mutator = Callable[[bytes, random.Random], bytes]

_LONGEST: Final = 400_000
"""Bytes; duplication is not to grow a file without end."""

_NUMBERS: Final = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF)
_WIDE_NUMBERS: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


# Whole units


def drop(data: bytes, dice: random.Random) -> bytes:
    """Lose one or several units in a row."""
    units = units_of(data)
    start = dice.randrange(len(units))
    del units[start : start + dice.choice((1, 1, 1, 2, 5))]
    return joined(units)


def duplicate(data: bytes, dice: random.Random) -> bytes:
    """Have a unit twice or often, where it is or elsewhere."""
    units = units_of(data)
    chosen = dice.randrange(len(units))
    unit, times = units[chosen], dice.choice((1, 1, 1, 3, 200))
    times = max(1, min(times, _LONGEST // max(1, len(unit.data))))
    at = dice.choice((chosen, dice.randrange(len(units) + 1)))
    return joined([*units[:at], *[unit] * times, *units[at:]])


def reorder(data: bytes, dice: random.Random) -> bytes:
    """Have two units change places."""
    units = units_of(data)
    one, other = dice.randrange(len(units)), dice.randrange(len(units))
    units[one], units[other] = units[other], units[one]
    return joined(units)


def truncate_between(data: bytes, dice: random.Random) -> bytes:
    """Cut the file off behind a unit."""
    units = units_of(data)
    return joined(units[: dice.randrange(1, len(units) + 1)])


# Within units


def truncate_within(data: bytes, dice: random.Random) -> bytes:
    """Cut the file off at any byte, the first ones of a unit more often than others."""
    units = units_of(data)
    end = len(joined(units[: dice.randrange(len(units))]))
    return data[: max(1, dice.choice((end + dice.randrange(16), dice.randrange(len(data)))))]


def resize(data: bytes, dice: random.Random) -> bytes:
    """Have a unit claim another length than it has."""
    units = units_of(data)
    at = dice.randrange(len(units))
    units[at] = units[at]._replace(data=_resized(data[:2], units[at].data, dice))
    return joined(units)


def _resized(signature: bytes, unit: bytes, dice: random.Random) -> bytes:
    offset, form = {b"\xff\xd8": (2, ">H"), b"\x89P": (0, ">I"), b"RI": (4, "<I")}.get(signature, (2, "B"))
    if len(unit) < offset + struct.calcsize(form):
        return unit
    (length,) = struct.unpack_from(form, unit, offset)
    most = 256 ** struct.calcsize(form) - 1
    other = dice.choice(
        (length - 1, length + 1, length + 2, length * 2, length // 2, 0, 2, most, dice.choice(_NUMBERS))
    )
    changed = bytearray(unit)
    struct.pack_into(form, changed, offset, max(0, min(most, other)))
    return bytes(changed)


def grow(data: bytes, dice: random.Random) -> bytes:
    """Put bytes between units: noise, markers, the beginning of another file."""
    units = units_of(data)
    at = dice.randrange(1, len(units) + 1)
    filling = dice.choice(
        (
            dice.randbytes(dice.choice((1, 2, 40))),
            b"\xff" * 30,
            bytes(30),
            data[:40],
            b"<script>",
            b"\xff\xd9",
            b"\0\0;",
        )
    )
    return joined([*units[:at], Unit("fill", filling), *units[at:]])


def edit(data: bytes, dice: random.Random) -> bytes:
    """Change the first bytes of a unit, where formats keep their numbers."""
    units = units_of(data)
    at = dice.randrange(len(units))
    changed = bytearray(units[at].data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        place = dice.randrange(min(40, len(changed)))
        changed[place] = dice.choice((*_NUMBERS, dice.randrange(256)))
    units[at] = Unit(units[at].kind, bytes(changed))
    return joined(units)


def number(data: bytes, dice: random.Random) -> bytes:
    """Put an extreme number somewhere: two or four bytes of either order."""
    form = dice.choice((">H", "<H", ">I", "<I"))
    most = 256 ** struct.calcsize(form) - 1
    changed = bytearray(data)
    if len(changed) > 20:
        struct.pack_into(form, changed, dice.randrange(len(changed) - 4), dice.choice(_WIDE_NUMBERS) & most)
    return bytes(changed)


def flip(data: bytes, dice: random.Random) -> bytes:
    """Flip some bits, as disks and radios do."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 3, 20))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def splice(data: bytes, dice: random.Random) -> bytes:
    """Copy a stretch of the file over or into another place of it."""
    start = dice.randrange(len(data))
    stretch = data[start : start + dice.choice((1, 4, 30, 500))]
    at = dice.randrange(len(data))
    return data[:at] + stretch + data[at + dice.choice((0, len(stretch))) :]


WHOLE_UNITS: Final[tuple[Mutator, ...]] = (drop, duplicate, reorder, truncate_between)
WITHIN: Final[tuple[Mutator, ...]] = (truncate_within, resize, grow, edit, number, flip, splice)


# What a checksum or a length that fits makes of a mutated file: it gets further


def mended(data: bytes) -> bytes:
    """Return the file with the numbers set right that hold it together: PNG's CRCs, the size of a RIFF."""
    if data[:2] == b"\x89P":
        return joined([_with_crc(unit) for unit in units_of(data)])
    if data[:4] == b"RIFF" and len(data) >= 12:
        return data[:4] + struct.pack("<I", (len(data) - 8) & 0xFFFF_FFFF) + data[8:]
    return data


def _with_crc(unit: Unit) -> Unit:
    if unit.kind in {"signature", "rest", "fill"} or len(unit.data) < 12:
        return unit
    return Unit(unit.kind, unit.data[:-4] + struct.pack(">I", zlib.crc32(unit.data[4:-4])))


def mutated(data: bytes, dice: random.Random, mutators: tuple[Mutator, ...] = WHOLE_UNITS + WITHIN) -> bytes:
    """Return the file after one to four mutations, most often mended afterwards."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        changed = dice.choice(mutators)(data, dice)
        data = changed if 12 <= len(changed) <= _LONGEST else data
    return mended(data) if dice.random() < 0.8 else data
