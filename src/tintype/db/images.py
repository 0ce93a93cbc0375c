"""Images: one row each, in the bucket of its id; state changes are compare-and-set along `domain/image.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.types.json import Jsonb

from tintype.db.image_events import tell_of_image
from tintype.db.pool import Connection
from tintype.domain.format import Format
from tintype.domain.ids import ImageRef, bucket_of
from tintype.domain.image import Attachment, Image, State, sources_of
from tintype.domain.transform import recipe_from_json
from tintype.domain.visibility import Visibility
from tintype.domain.webhook import EventType

COLUMNS: Final[LiteralString] = """id, tenant, secret, owner, created_by, kind, recipe, sha256, source_sha256, format,
    width, height, frames, size, title, alt, tags, visibility, state, state_reason, version, thumbhash, dominant_color,
    write_token_hash, read_token_hash, created_at, updated_at, purged_at, revision, hold, trashed_at, trashed_from,
    expires_at, attached_type, attached_id, replaced_at, attach_by, expires_attached"""
"""Of an image's row, in the order that `image_of_row` takes them in."""

_SELECT: Final[LiteralString] = "SELECT " + COLUMNS + " FROM images"  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Outcome:
    """What processing found out about an image."""

    thumbhash: str
    dominant_color: str


async def tenant_of_image(connection: Connection, ref: ImageRef) -> int | None:
    """Return the tenant of the image, or None when there is no image with this id and secret."""
    cursor = await connection.execute(
        "SELECT tenant_of_image(%s, %s, %s)", [ref.bucket, ref.id, ref.secret.to_bytes(8, "big")]
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def find_image_tenant(connection: Connection, ref: ImageRef) -> tuple[int, bool] | None:
    """Return the tenant of the image and whether it is suspended; None when there is no such image."""
    cursor = await connection.execute(
        "SELECT tenant, suspended FROM find_image_tenant(%s, %s, %s)",
        [ref.bucket, ref.id, ref.secret.to_bytes(8, "big")],
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row and row[0] is not None else None


async def insert_image(connection: Connection, image: Image, *, sanitiser_version: int) -> None:
    """Store a new image; a clash of ids is psycopg's UniqueViolation."""
    await connection.execute(
        """INSERT INTO images (bucket, id, tenant, secret, owner, created_by, kind, recipe, sha256, source_sha256,
               sanitiser_version, format, width, height, frames, size, title, alt, tags, visibility, state, version,
               write_token_hash, read_token_hash, created_at, updated_at, expires_at, attached_type, attached_id,
               attach_by, expires_attached)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
               %s, %s, %s, %s, %s, %s)""",
        [
            bucket_of(image.id),
            image.id,
            image.tenant,
            image.secret.to_bytes(8, "big"),
            image.owner,
            image.created_by,
            image.kind,
            Jsonb(image.recipe.as_json()),
            image.sha256,
            image.source_sha256,
            sanitiser_version,
            image.format,
            image.width,
            image.height,
            image.frames,
            image.size,
            image.title,
            image.alt,
            list(image.tags),
            image.visibility,
            image.state,
            image.version,
            image.write_token_hash,
            image.read_token_hash,
            image.created_at,
            image.updated_at,
            image.expires_at,
            image.attached_to.type if image.attached_to else None,
            image.attached_to.id if image.attached_to else None,
            image.attach_by,
            image.expires_attached,
        ],
    )


async def get_image(connection: Connection, image_id: int) -> Image | None:
    """Return the image with this id (of this tenant), or None."""
    cursor = await connection.execute(_SELECT + " WHERE bucket = %s AND id = %s", [bucket_of(image_id), image_id])
    row = await cursor.fetchone()
    return image_of_row(row) if row else None


async def get_images(connection: Connection, image_ids: Sequence[int]) -> tuple[Image, ...]:
    """Return the images with these ids (of this tenant), in their order; one that is not there is left out."""
    cursor = await connection.execute(
        _SELECT + " JOIN unnest(%s::int2[], %s::int8[]) AS wanted (bucket, id) USING (bucket, id)",
        [[bucket_of(image_id) for image_id in image_ids], list(image_ids)],
    )
    found = {row[0]: image_of_row(row) for row in await cursor.fetchall()}
    return tuple(found[image_id] for image_id in image_ids if image_id in found)


async def lock_image(connection: Connection, image_id: int) -> Image | None:
    """Return the image and hold its lock until the transaction ends."""
    cursor = await connection.execute(
        _SELECT + " WHERE bucket = %s AND id = %s FOR UPDATE", [bucket_of(image_id), image_id]
    )
    row = await cursor.fetchone()
    return image_of_row(row) if row else None


async def mark_ready(connection: Connection, image_id: int, *, version: int, outcome: Outcome) -> None:
    """Make the image ready, if it is still processing in this version; else change nothing.

    The life cycle knows other ways to become ready (a review, a restore), but they are not a job's to take.
    """
    cursor = await connection.execute(
        """UPDATE images SET state = %s, state_reason = NULL, thumbhash = %s, dominant_color = %s, updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s AND version = %s AND state = %s RETURNING 1""",
        [
            State.READY,
            outcome.thumbhash,
            outcome.dominant_color,
            bucket_of(image_id),
            image_id,
            version,
            State.PROCESSING,
        ],
    )
    if await cursor.fetchone() is not None:
        await tell_of_image(connection, EventType.IMAGE_READY, image_id)


async def mark_unusable(connection: Connection, image_id: int, *, version: int, state: State, reason: str) -> None:
    """Make the image rejected or failed for `reason` (a stable code), if it is still processing in this version."""
    cursor = await connection.execute(
        """UPDATE images SET state = %s, state_reason = %s, updated_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s AND version = %s AND state = %s RETURNING 1""",
        [state, reason, bucket_of(image_id), image_id, version, State.PROCESSING],
    )
    if await cursor.fetchone() is not None:
        event = EventType.IMAGE_REJECTED if state is State.REJECTED else EventType.IMAGE_FAILED
        await tell_of_image(connection, event, image_id)


async def empty_image(connection: Connection, image_id: int) -> datetime:
    """Leave of the image only the stub that goes on answering 410: every word, hash and token is gone.

    Return when that was. The caller has the lock of an image that is not purged.
    """
    cursor = await connection.execute(
        """UPDATE images SET state = %s, state_reason = NULL, version = version + 1, title = NULL, alt = NULL,
               tags = '{}', sha256 = '', source_sha256 = '', width = 0, height = 0, frames = 0, size = 0,
               thumbhash = NULL, dominant_color = NULL, write_token_hash = NULL, read_token_hash = NULL,
               trashed_at = NULL, trashed_from = NULL, expires_at = NULL, attached_type = NULL, attached_id = NULL,
               attach_by = NULL, expires_attached = NULL, updated_at = now(), purged_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s AND state = ANY (%s) RETURNING purged_at""",
        [State.PURGED, bucket_of(image_id), image_id, list(sources_of(State.PURGED))],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(image_id)
    await tell_of_image(connection, EventType.IMAGE_PURGED, image_id)
    purged_at: datetime = row[0]
    return purged_at


def image_of_row(row: tuple[Any, ...]) -> Image:
    """Return the image whose `COLUMNS` these are."""
    (
        image_id, tenant, secret, owner, created_by, kind, recipe, sha256, source_sha256, fmt,
        width, height, frames, size, title, alt, tags, visibility, state,
        state_reason, version, thumbhash, dominant_color, write_token_hash, read_token_hash,
        created_at, updated_at, purged_at, revision, hold, trashed_at, trashed_from, expires_at,
        attached_type, attached_id, replaced_at, attach_by, expires_attached,
    ) = row  # fmt: skip
    return Image(
        image_id,
        tenant,
        int.from_bytes(secret, "big"),
        owner,
        created_by,
        kind,
        recipe_from_json(recipe),
        sha256,
        source_sha256,
        Format(fmt),
        width,
        height,
        frames,
        size,
        title,
        alt,
        tuple(tags),
        Visibility(visibility),
        State(state),
        state_reason,
        version,
        thumbhash,
        dominant_color,
        write_token_hash,
        read_token_hash,
        created_at,
        updated_at,
        purged_at,
        revision,
        hold,
        trashed_at,
        State(trashed_from) if trashed_from is not None else None,
        expires_at,
        Attachment(attached_type, attached_id) if attached_type is not None else None,
        replaced_at,
        attach_by,
        expires_attached,
    )
