"""How much may be kept, and what an upload, a replacement or a purge changes of what is kept.

What counts are the bytes of each image as they are stored, in the trash or not: two images of the same bytes count
twice, for whether somebody else has them is nobody's business, and what is in the trash is still on the disk.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tintype.domain.errors import Code, Problem

WHOLE_TENANT: Final = 0
"""Stands where an account's id stands: the tenant as a whole. No account has it."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The most that may be kept: bytes and images, each None for no limit."""

    max_bytes: int | None = None
    max_images: int | None = None

    def full(self, *, has_bytes: int, has_images: int) -> "Unit | None":
        """Return of which there can be no more, None when there is room for at least something."""
        if self.max_images is not None and has_images >= self.max_images:
            return Unit.IMAGES
        if self.max_bytes is not None and has_bytes >= self.max_bytes:
            return Unit.BYTES
        return None


class Unit(StrEnum):
    """What a quota counts."""

    BYTES = "bytes"
    IMAGES = "images"


class Holder(StrEnum):
    """Whose quota it is."""

    TENANT = "tenant"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class DefaultQuotas:
    """What holds for a tenant, and for each of its accounts, of which nothing else is said."""

    tenant: Quota = field(default_factory=Quota)
    account: Quota = field(default_factory=Quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageChange:
    """What becomes of what is kept (`bytes`, `images`), and what is told of the day."""

    bytes: int
    images: int
    uploads: int = 0
    bytes_in: int = 0
    deletes: int = 0


def uploaded(size: int) -> UsageChange:
    """Return the change that a new image of `size` bytes is."""
    return UsageChange(bytes=size, images=1, uploads=1, bytes_in=size)


def reserved(size: int) -> UsageChange:
    """Return the change that a promised image of at most `size` bytes is: it counts before it is there."""
    return UsageChange(bytes=size, images=1)


def reserved_more(size: int) -> UsageChange:
    """Return the change that more bytes of a promised image are."""
    return UsageChange(bytes=size, images=0)


def settled(promised: int, size: int) -> UsageChange:
    """Return the change when a promised image is there, with `size` bytes instead of those that were reserved."""
    return UsageChange(bytes=size - promised, images=0, uploads=1, bytes_in=size)


def returned(promised: int) -> UsageChange:
    """Return the change when nothing comes of a promised image."""
    return UsageChange(bytes=-promised, images=-1)


def replaced(old_size: int, new_size: int) -> UsageChange:
    """Return the change that other bytes for an image are; they came in like any upload."""
    return UsageChange(bytes=new_size - old_size, images=0, uploads=1, bytes_in=new_size)


def purged(size: int) -> UsageChange:
    """Return the change that the end of an image is."""
    return UsageChange(bytes=-size, images=-1, deletes=1)


_WHOSE: Final = {Holder.TENANT: "this site", Holder.ACCOUNT: "your account"}


def exceeded(holder: Holder, unit: Unit) -> Problem:
    """Return the refusal of what would pass a quota."""
    what = "no more images" if unit is Unit.IMAGES else "not so many bytes"
    return Problem(
        Code.QUOTA_EXCEEDED,
        f"The quota of {_WHOSE[holder]} allows {what}. Purge what is not needed (the trash counts, too), or have the "
        "quota raised.",
    )
