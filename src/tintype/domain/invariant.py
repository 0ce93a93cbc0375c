"""What must hold, whatever fails, as far as rows and files can tell: what `verify` counts the violations of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Invariant(StrEnum):
    """An invariant by its number, with what a violation of it is."""

    counts: str

    def __new__(cls, number: str, counts: str) -> Self:
        """Make a member that is its own number and says what it counts."""
        member = str.__new__(cls, number)
        member._value_ = number
        member.counts = counts
        return member

    DURABLE = "I1", "acknowledged images, in the trash or not, whose bytes are not in the store"
    ATOMIC = (
        "I2",
        (
            "files shorter or longer than their row says; files that no row knows and that are not what their name "
            "says; half-written ones older than the grace period"
        ),
    )
    REFERENCES = (
        "I3",
        (
            "images without a reference or without a blob of their size; ready images without an eager variant; "
            "references without an image; recorded variants without a file; blobs and files that nothing refers to, "
            "older than the grace period"
        ),
    )
    IDEMPOTENT = (
        "I4",
        (
            "references of one image to the same bytes in two versions; variants that were stored twice; tenants and "
            "accounts of whom other bytes or images are counted than they have"
        ),
    )
    DELETED = (
        "I6",
        (
            "purged images of which words, references or bytes are left, that the journal lacks, or that are alive "
            "again though the journal says that they were purged; likewise accounts that were deleted"
        ),
    )
    SOUND = "I13", "blobs, variants and journal entries whose bytes are not those that were stored, or cannot be read"
    POWER = "I14", "settings of PostgreSQL that would lose what was acknowledged, and pages it found damaged"


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation: of what, and a sentence that names the image or the key."""

    invariant: Invariant
    sentence: str
