"""How large the parts of a multipart upload are, and whether a list of them is the whole (S3's rules, for every store).

Each part but the last has at least 5 MiB, there are 10,000 at most, and all but the last have one size: so a client
knows what each part is from the two numbers that it is told.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.upload import Part

MIN_PART_BYTES: Final = 5 * 2**20
"""Of all but the last (S3: EntityTooSmall)."""
MAX_PARTS: Final = 10_000

USUAL_PART_BYTES: Final = 8 * 2**20
"""A line of 5 Mbit/s sends it in 13 s: that much is lost when it breaks. Smaller ones cost a request more often."""

_STEP_BYTES: Final = 2**20


def part_size_of(size: int) -> int:
    """Return how many bytes each part but the last has, of a file of `size` bytes."""
    fewest = -(-size // MAX_PARTS)
    return max(USUAL_PART_BYTES, -(-fewest // _STEP_BYTES) * _STEP_BYTES)


def count_of(size: int, part_size: int) -> int:
    """Return how many parts there are."""
    return max(1, -(-size // part_size))


def length_of(number: int, size: int, part_size: int) -> int:
    """Return how many bytes the part with this number (from 1) has."""
    return min(part_size, size - (number - 1) * part_size)


def check_number(number: int, size: int, part_size: int) -> None:
    """Raise `Problem` unless there is a part with this number."""
    count = count_of(size, part_size)
    if not 1 <= number <= count:
        raise Problem(Code.UPLOAD_PARTS_INVALID, f"This upload has the parts 1 to {count}, and no part {number}.")


def refuse_unless_named(named: Sequence[tuple[int, str]], there: Iterable[Part]) -> None:
    """Raise `Problem` unless `named` (number and etag of each) are the parts that are there, in their order."""
    numbers = [number for number, _ in named]
    if numbers != sorted(set(numbers)):
        raise Problem(Code.UPLOAD_PARTS_INVALID, "Name each part once, in the order of their numbers.")
    known = {part.number: part for part in there}
    for number, etag in named:
        if number not in known:
            raise missing([number])
        if etag.strip('"').lower() != known[number].etag:
            sentence = f"Part {number} is there with another ETag. Send it again, and name the ETag of that answer."
            raise Problem(Code.UPLOAD_PARTS_INVALID, sentence)
    left_out = sorted(set(known) - set(numbers))
    if left_out:
        raise Problem(Code.UPLOAD_PARTS_INVALID, f"{_listed(left_out)} there, and not named. Name each part.")


def refuse_unless_whole(size: int, part_size: int, there: Iterable[Part]) -> None:
    """Raise `Problem` upload.bytes_missing unless every part is there."""
    found = {part.number for part in there}
    absent = [number for number in range(1, count_of(size, part_size) + 1) if number not in found]
    if absent:
        raise missing(absent)


def missing(numbers: Sequence[int]) -> Problem:
    """Return the refusal to complete an upload without these parts."""
    sentence = f"{_listed(numbers)} missing. Send what is missing, then complete the upload."
    return Problem(Code.UPLOAD_BYTES_MISSING, sentence)


_SHOWN: Final = 5


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"Part {numbers[0]} is"
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    return f"Parts {shown}{' …' if len(numbers) > _SHOWN else ''} are"
