"""What happens to an image after its upload. The caller holds the row's lock and has asked the life cycle."""

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.image import State


async def trash(connection: Connection, image_id: int) -> None:
    """Put the image into the trash, with the state that a restore gives back."""
    await connection.execute(
        """UPDATE images SET trashed_from = state, state = %s, trashed_at = now(), updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [State.TRASHED, bucket_of(image_id), image_id],
    )


async def take_out_of_trash(connection: Connection, image_id: int) -> None:
    """Give the image back the state it had."""
    await connection.execute(
        """UPDATE images SET state = trashed_from, trashed_from = NULL, trashed_at = NULL, updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s AND state = %s""",
        [bucket_of(image_id), image_id, State.TRASHED],
    )
