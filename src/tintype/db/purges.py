"""Purges: what was removed and whether it is gone; and what is due to be purged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.image import Image


class Cause(StrEnum):
    """Why an image was purged: somebody asked for it, its time in the trash was over, its own, or its account's."""

    REQUEST = "request"
    TRASH = "trash"
    EXPIRY = "expiry"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class PurgeRecord:
    """A purge. `statuses` is what each path answered (HTTP), None before they were asked."""

    cause: Cause
    write_token_hash: bytes | None
    owner: int | None
    paths: tuple[str, ...]
    cache_tags: tuple[str, ...]
    purged_at: datetime
    statuses: tuple[int, ...] | None
    probed_at: datetime | None


async def insert_purge(
    connection: Connection, image: Image, cause: Cause, *, paths: Sequence[str], cache_tags: Sequence[str]
) -> None:
    """Record the purge of the image, with what led to it; one that came back with a backup is purged again."""
    await connection.execute(
        """INSERT INTO purges (bucket, image, tenant, cause, write_token_hash, owner, paths, cache_tags)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (bucket, image) DO UPDATE SET cause = excluded.cause, paths = excluded.paths,
               cache_tags = excluded.cache_tags, purged_at = now(), statuses = NULL, probed_at = NULL""",
        [
            bucket_of(image.id),
            image.id,
            image.tenant,
            cause,
            image.write_token_hash,
            image.owner,
            list(paths),
            list(cache_tags),
        ],
    )


async def get_purge(connection: Connection, image_id: int) -> PurgeRecord | None:
    """Return the purge of the image (of this tenant), or None."""
    cursor = await connection.execute(
        """SELECT cause, write_token_hash, owner, paths, cache_tags, purged_at, statuses, probed_at FROM purges
           WHERE bucket = %s AND image = %s""",
        [bucket_of(image_id), image_id],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    cause, token_hash, owner, paths, tags, purged_at, statuses, probed_at = row
    known = tuple(statuses) if statuses is not None else None
    return PurgeRecord(Cause(cause), token_hash, owner, tuple(paths), tuple(tags), purged_at, known, probed_at)


async def record_probe(connection: Connection, image_id: int, statuses: Sequence[int]) -> None:
    """Record what each path of the purge answered just now."""
    await connection.execute(
        "UPDATE purges SET statuses = %s, probed_at = now() WHERE bucket = %s AND image = %s",
        [list(statuses), bucket_of(image_id), image_id],
    )


@dataclass(frozen=True, slots=True)
class Due:
    """An image that is due to be purged, since when."""

    tenant: int
    image_id: int
    since: datetime


async def due_for_purge(
    connection: Connection, cause: Cause, *, before: datetime, after: Due | None, limit: int
) -> tuple[Due, ...]:
    """Return images of any tenant and bucket that were trashed or expired `before` then, oldest first, none on hold.

    The sweep has no tenant: a narrow function says which images are due, and nothing else of them.
    """
    start = [after.since, after.image_id] if after is not None else ["-infinity", 0]
    cursor = await connection.execute(
        "SELECT tenant, id, since FROM trashed_before(%s, %s, %s, %s)"
        if cause is Cause.TRASH
        else "SELECT tenant, id, since FROM expired_before(%s, %s, %s, %s)",
        [before, *start, limit],
    )
    return tuple(Due(tenant, image_id, since) for tenant, image_id, since in await cursor.fetchall())
