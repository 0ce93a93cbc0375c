"""What happens to an image after its upload. The caller holds the row's lock and has asked the life cycle."""

from psycopg.types.json import Jsonb

from tintype.db.image_events import tell_of_image
from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.image import Image, State
from tintype.domain.webhook import EventType


async def trash(connection: Connection, image_id: int) -> None:
    """Put the image into the trash, with the state that a restore gives back."""
    await connection.execute(
        """UPDATE images SET trashed_from = state, state = %s, trashed_at = now(), updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [State.TRASHED, bucket_of(image_id), image_id],
    )
    await tell_of_image(connection, EventType.IMAGE_TRASHED, image_id)


async def take_out_of_trash(connection: Connection, image_id: int) -> None:
    """Give the image back the state it had."""
    await connection.execute(
        """UPDATE images SET state = trashed_from, trashed_from = NULL, trashed_at = NULL, updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s AND state = %s""",
        [bucket_of(image_id), image_id, State.TRASHED],
    )
    await tell_of_image(connection, EventType.IMAGE_RESTORED, image_id)


async def set_hold(connection: Connection, image_id: int, *, hold: bool) -> None:
    """Put the image on legal hold, or lift that."""
    await connection.execute(
        """UPDATE images SET hold = %s, updated_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s AND hold <> %s""",
        [hold, bucket_of(image_id), image_id, hold],
    )


async def save_details(connection: Connection, image: Image) -> None:
    """Store what is said of the image: words, visibility, expiry, attachment; and its read token's hash."""
    await connection.execute(
        """UPDATE images SET title = %s, alt = %s, tags = %s, visibility = %s, expires_at = %s, attached_type = %s,
               attached_id = %s, attach_by = %s, expires_attached = %s, read_token_hash = %s,
               updated_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [
            image.title,
            image.alt,
            list(image.tags),
            image.visibility,
            image.expires_at,
            image.attached_to.type if image.attached_to else None,
            image.attached_to.id if image.attached_to else None,
            image.attach_by,
            image.expires_attached,
            image.read_token_hash,
            bucket_of(image.id),
            image.id,
        ],
    )
    await tell_of_image(connection, EventType.IMAGE_UPDATED, image.id)


async def save_content(connection: Connection, image: Image, *, sanitiser_version: int) -> None:
    """Store that the image has other bytes, which are the next version and have to be processed.

    The time of the change is later than the last one by a second at least: HTTP tells seconds apart, no less.
    """
    await connection.execute(
        """UPDATE images SET sha256 = %s, source_sha256 = %s, sanitiser_version = %s, format = %s, width = %s,
               height = %s, frames = %s, size = %s, recipe = %s, state = %s, state_reason = NULL, thumbhash = NULL,
               dominant_color = NULL, version = version + 1, revision = revision + 1, updated_at = now(),
               replaced_at = greatest(now(), coalesce(replaced_at, created_at) + interval '1 second')
           WHERE bucket = %s AND id = %s""",
        [
            image.sha256,
            image.source_sha256,
            sanitiser_version,
            image.format,
            image.width,
            image.height,
            image.frames,
            image.size,
            Jsonb(image.recipe.as_json()),
            State.PROCESSING,
            bucket_of(image.id),
            image.id,
        ],
    )
    await tell_of_image(connection, EventType.IMAGE_REPLACED, image.id)
