"""Pages of rows in the order in which a blob store lists keys, for whoever compares the two.

A tenant's rows are spread over all buckets, and an index begins with the bucket. Each statement is given the buckets it
may look into, and `storage/inventory.py` chooses as many as make a page: a large tenant's rows come bucket by bucket, a
small one's from many at once, and neither reads the rows of others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tintype.db.pool import Connection
from tintype.db.variants import VariantRow
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket, bucket_of
from tintype.domain.image import State
from tintype.domain.transform import Recipe, recipe_from_json


@dataclass(frozen=True, slots=True)
class BlobRecord:
    """A blob's row: `size` in bytes, how old it is in seconds, whether an image refers to it."""

    sha256: bytes
    size: int
    age_seconds: float
    referenced: bool


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """A variant's row, the blob it was made of, and whether that has a row."""

    sha256: bytes
    row: VariantRow
    has_blob: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A row that says that a version of an image uses a blob."""

    sha256: bytes
    image: int
    version: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image's row says of its bytes. `eager` are the digests of what must be there when it is ready."""

    id: int
    state: State
    version: int
    sha256: bytes
    size: int
    format: Format
    eager: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stub:
    """What is left of a purged image, and whether it is as empty as it must be."""

    id: int
    purged_at: datetime
    empty: bool


async def freeze(connection: Connection) -> None:
    """Have this transaction, which has asked nothing yet, see the rows as they are at its first statement."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def blob_page(
    connection: Connection, *, tenant: int, buckets: Sequence[int], after: bytes, limit: int
) -> list[BlobRecord]:
    """Return the blobs that come after the one with that SHA-256."""
    cursor = await connection.execute(
        """SELECT b.sha256, b.size, extract(epoch FROM clock_timestamp() - b.created_at)::float8, EXISTS (
               SELECT 1 FROM blob_refs r WHERE r.bucket = b.bucket AND r.tenant = b.tenant AND r.sha256 = b.sha256)
           FROM blobs b WHERE b.bucket = ANY (%s) AND b.tenant = %s AND b.sha256 > %s
           ORDER BY b.bucket, b.sha256 LIMIT %s""",
        [list(buckets), tenant, after, limit],
    )
    return [BlobRecord(*row) for row in await cursor.fetchall()]


async def variant_page(
    connection: Connection, *, tenant: int, preset: str, buckets: Sequence[int], after: tuple[bytes, str], limit: int
) -> list[VariantRecord]:
    """Return the variants made for a preset that come after the one of that blob and digest."""
    cursor = await connection.execute(
        """SELECT v.sha256, v.digest, v.preset, v.format, v.width, v.height, v.size, v.file_sha256, EXISTS (
               SELECT 1 FROM blobs b WHERE b.bucket = v.bucket AND b.tenant = v.tenant AND b.sha256 = v.sha256)
           FROM variants v WHERE v.bucket = ANY (%s) AND v.tenant = %s AND v.preset = %s
           AND (v.sha256, v.digest COLLATE "C") > (%s, %s)
           ORDER BY v.bucket, v.sha256, v.digest COLLATE "C" LIMIT %s""",
        [list(buckets), tenant, preset, *after, limit],
    )
    return [
        VariantRecord(sha256, VariantRow(digest, name, Format(fmt), width, height, size, file), has_blob)
        for sha256, digest, name, fmt, width, height, size, file, has_blob in await cursor.fetchall()
    ]


async def presets_in(connection: Connection, *, tenant: int, buckets: Sequence[int]) -> set[str]:
    """Return the presets that variants of the tenant were made for, whether or not they still exist."""
    cursor = await connection.execute(
        "SELECT DISTINCT preset FROM variants WHERE bucket = ANY (%s) AND tenant = %s", [list(buckets), tenant]
    )
    return {preset for (preset,) in await cursor.fetchall()}


async def reference_page(
    connection: Connection, *, tenant: int, buckets: Sequence[int], after: Reference, limit: int
) -> list[Reference]:
    """Return the references that come after that one."""
    cursor = await connection.execute(
        """SELECT sha256, image, version FROM blob_refs WHERE bucket = ANY (%s) AND tenant = %s
           AND (sha256, image, version) > (%s, %s, %s) ORDER BY bucket, sha256, image, version LIMIT %s""",
        [list(buckets), tenant, after.sha256, after.image, after.version, limit],
    )
    return [Reference(*row) for row in await cursor.fetchall()]


async def image_page(connection: Connection, *, tenant: int, before: int, limit: int) -> list[ImageFacts]:
    """Return the images that are not purged and older than the one with that id, newest first; of every bucket."""
    cursor = await connection.execute(
        """SELECT id, state, version, sha256, size, format, recipe FROM images
           WHERE tenant = %s AND state <> 'purged' AND id < %s ORDER BY id DESC LIMIT %s""",
        [tenant, before, limit],
    )
    return [_facts(*row) for row in await cursor.fetchall()]


async def image_facts(connection: Connection, ids: Iterable[int]) -> dict[int, ImageFacts]:
    """Return what is known of these images, purged or not, by id."""
    wanted = sorted(set(ids))
    cursor = await connection.execute(
        """SELECT id, state, version, sha256, size, format, recipe FROM images
           WHERE (bucket, id) IN (SELECT * FROM unnest(%s::int2[], %s::int8[]))""",
        [[bucket_of(image) for image in wanted], wanted],
    )
    return {row[0]: _facts(*row) for row in await cursor.fetchall()}


def _facts(
    image: int, state: str, version: int, sha256: bytes, size: int, fmt: str, recipe: dict[str, object]
) -> ImageFacts:
    made: Recipe = recipe_from_json(recipe)
    eager = frozenset(variant.output.digest for variant in made.eager)
    return ImageFacts(image, State(state), version, sha256, size, Format(fmt), eager)


async def sizes_of(connection: Connection, *, tenant: int, sha256s: Iterable[bytes]) -> dict[bytes, int]:
    """Return the sizes of those of these blobs that have a row."""
    buckets, wanted = _by_bucket(sha256s)
    cursor = await connection.execute(
        """SELECT sha256, size FROM blobs WHERE tenant = %s
           AND (bucket, sha256) IN (SELECT * FROM unnest(%s::int2[], %s::bytea[]))""",
        [tenant, buckets, wanted],
    )
    return dict(await cursor.fetchall())


async def references_of(
    connection: Connection, *, tenant: int, sha256s: Iterable[bytes]
) -> dict[bytes, set[tuple[int, int]]]:
    """Return for each of these blobs that is referred to who does: images and versions."""
    buckets, wanted = _by_bucket(sha256s)
    cursor = await connection.execute(
        """SELECT sha256, image, version FROM blob_refs WHERE tenant = %s
           AND (bucket, sha256) IN (SELECT * FROM unnest(%s::int2[], %s::bytea[]))""",
        [tenant, buckets, wanted],
    )
    found: dict[bytes, set[tuple[int, int]]] = {}
    for sha256, image, version in await cursor.fetchall():
        found.setdefault(sha256, set()).add((image, version))
    return found


async def digests_of(connection: Connection, *, tenant: int, sha256s: Iterable[bytes]) -> dict[bytes, set[str]]:
    """Return the digests of the variants that are recorded of each of these blobs."""
    buckets, wanted = _by_bucket(sha256s)
    cursor = await connection.execute(
        """SELECT sha256, digest FROM variants WHERE tenant = %s
           AND (bucket, sha256) IN (SELECT * FROM unnest(%s::int2[], %s::bytea[]))""",
        [tenant, buckets, wanted],
    )
    found: dict[bytes, set[str]] = {}
    for sha256, digest in await cursor.fetchall():
        found.setdefault(sha256, set()).add(digest)
    return found


def _by_bucket(sha256s: Iterable[bytes]) -> tuple[list[int], list[bytes]]:
    wanted = sorted(set(sha256s))
    return [blob_bucket(sha256) for sha256 in wanted], wanted


async def stub_page(connection: Connection, *, tenant: int, after: tuple[datetime, int], limit: int) -> list[Stub]:
    """Return the stubs of images purged after that one, the oldest first; of every bucket."""
    cursor = await connection.execute(
        """SELECT id, purged_at, sha256 = '' AND source_sha256 = '' AND title IS NULL AND alt IS NULL AND tags = '{}'
               AND write_token_hash IS NULL AND read_token_hash IS NULL AND thumbhash IS NULL
           FROM images WHERE tenant = %s AND state = 'purged' AND (purged_at, id) > (%s, %s)
           ORDER BY purged_at, id LIMIT %s""",
        [tenant, *after, limit],
    )
    return [Stub(*row) for row in await cursor.fetchall()]
