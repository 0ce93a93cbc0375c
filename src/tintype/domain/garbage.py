"""What upkeep may find amiss in the store, and the rule by which a reference is stale."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Garbage(StrEnum):
    """The sorts of things that `gc` finds; the comment says what it does with one."""

    STALE_REFERENCE = "stale_reference"
    """A reference without an image, of a purged one, or to bytes it has no more: removed."""
    MISSING_REFERENCE = "missing_reference"
    """An image whose bytes nothing protects: the reference is written again."""
    FILE = "file_without_row"
    """Stored bytes that no row knows, older than the grace period: removed."""
    BLOB = "unreferenced_blob"
    """A blob that no image refers to, older than the grace period: removed with its variants."""
    LOST_ORIGINAL = "lost_original"
    """An image's bytes are not in the store: left for `verify` and a backup."""
    VARIANT_ROW = "variant_without_file"
    """A variant that is recorded and not there: forgotten, so that it is made again."""
    VARIANT_FILE = "variant_without_row"
    """A variant's file that no row knows, of whatever preset, older than the grace period: removed."""
    STAGED = "staged_bytes"
    """Staged bytes of an upload that is over, or that it does not know, older than the grace period: removed."""
    UNFINISHED = "unfinished_multipart"
    """An upload in parts that a remote store keeps open for an upload that is over: aborted."""
    LEFTOVER = "leftover"
    """A temporary file of somebody who died: removed."""
    UNJOURNALLED = "unjournalled_purge"
    """A purge that the journal lacks: written there."""
    USAGE = "usage_drift"
    """What is counted of a tenant or an account is not what its images are: corrected."""
    FOREIGN = "foreign_key"
    """A key that is not ours, or of a tenant that this database does not know: left alone."""


LEFT_ALONE = frozenset({Garbage.LOST_ORIGINAL, Garbage.FOREIGN})


@dataclass(frozen=True, slots=True)
class Find:
    """Something amiss: its sort and its name (a key, an image's id)."""

    sort: Garbage
    name: str


def is_stale(
    reference: tuple[bytes, int], *, image_sha256: bytes | None, image_version: int, others: Collection[int]
) -> bool:
    """Return whether a reference to a blob, in a version, protects nothing that its image still shows.

    `image_sha256` is what the image shows now, None when it is gone or purged; `others` are the versions in which the
    image refers to the same blob. A reference to the bytes that the image shows is never the last to go, whatever its
    version says.
    """
    sha256, version = reference
    if sha256 != image_sha256:
        return True
    return version != image_version and image_version in others
