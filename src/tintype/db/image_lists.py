"""Lists of images: the ids alone, newest first; whoever shows them reads the rows by their keys.

A tenant's images are spread over all buckets, so these statements ask every shard; each answers from an index whose
order is the list's, so that a page costs the same whatever the number of images (bench/listing.py).
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from tintype.db.pool import Connection
from tintype.domain.image import Attachment, State

_LIST_IDS: Final[LiteralString] = """SELECT id FROM images
    WHERE tenant = %s AND id < %s AND state <> 'purged' AND (expires_at IS NULL OR expires_at > now())"""


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images are wanted, and of which account; None is any.

    Those in the trash only by state, purged and expired ones never.
    """

    kind: str | None = None
    state: State | None = None
    source_sha256: bytes | None = None
    attached_to: Attachment | None = None
    words: str | None = None
    owner: int | None = None


async def list_image_ids(
    connection: Connection, *, tenant: int, wanted: ImageFilter, before: int, limit: int
) -> tuple[int, ...]:
    """Return at most `limit` ids below `before`, newest first."""
    if wanted.words is not None:
        return await _search(connection, wanted.words, wanted=wanted, before=before, limit=limit)
    where, parameters = _where(wanted)
    statement: LiteralString = _LIST_IDS + where + " ORDER BY id DESC LIMIT %s"
    cursor = await connection.execute(statement, [tenant, before, *parameters, limit])
    return tuple(row[0] for row in await cursor.fetchall())


def _where(wanted: ImageFilter) -> tuple[LiteralString, list[Any]]:
    """Return conditions as literally as the partial indexes have them: a planner that sees parameters knows nothing."""
    where: LiteralString = " AND state <> 'trashed'"
    parameters: list[Any] = []
    if wanted.state is not None:
        where = " AND state = %s"
        parameters.append(wanted.state)
    if wanted.kind is not None:
        where += " AND kind = %s"
        parameters.append(wanted.kind)
    if wanted.owner is not None:
        where += " AND owner = %s"
        parameters.append(wanted.owner)
    if wanted.source_sha256 is not None:
        where += " AND source_sha256 = %s"
        parameters.append(wanted.source_sha256)
    if wanted.attached_to is not None:
        where += " AND attached_type = %s AND attached_id = %s"
        parameters += [wanted.attached_to.type, wanted.attached_to.id]
    return where, parameters


async def _search(
    connection: Connection, words: str, *, wanted: ImageFilter, before: int, limit: int
) -> tuple[int, ...]:
    attached = wanted.attached_to
    cursor = await connection.execute(
        "SELECT search_images(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            words,
            wanted.kind,
            wanted.state,
            wanted.source_sha256,
            attached.type if attached else None,
            attached.id if attached else None,
            before,
            limit,
            wanted.owner,
        ],
    )
    return tuple(row[0] for row in await cursor.fetchall())
