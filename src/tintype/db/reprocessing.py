"""Images that are processed anew: statements that move them back to `processing`, along `domain/image.py`."""

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.domain.ids import blob_bucket, bucket_of
from tintype.domain.image import IllegalMove, Image, State, move
from tintype.domain.transform import Recipe


async def retry_image(connection: Connection, image: Image) -> None:
    """Have the image in work again in its version. `IllegalMove` from a state that does not lead there.

    The caller holds its lock.
    """
    await connection.execute(
        """UPDATE images SET state = %s, state_reason = NULL, updated_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s AND version = %s AND state = %s""",
        [_back_to_work(image), bucket_of(image.id), image.id, image.version, image.state],
    )


async def renew_image(connection: Connection, image: Image, recipe: Recipe) -> None:
    """Have the same bytes in work by another recipe, as the next version: what was made by the old one is cached.

    `IllegalMove` from a state that does not lead there. The caller holds the image's lock.
    """
    state, version = _back_to_work(image), image.version + 1
    await connection.execute(
        """UPDATE images SET state = %s, state_reason = NULL, version = %s, recipe = %s, updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s AND version = %s AND state = %s""",
        [state, version, Jsonb(recipe.as_json()), bucket_of(image.id), image.id, image.version, image.state],
    )
    await connection.execute(
        """UPDATE blob_refs SET version = %s
           WHERE bucket = %s AND tenant = %s AND sha256 = %s AND image = %s AND version = %s""",
        [version, blob_bucket(image.sha256), image.tenant, image.sha256, image.id, image.version],
    )


def _back_to_work(image: Image) -> State:
    """Return `processing`; `IllegalMove` from a state that does not lead there but by a restore."""
    if image.state is State.TRASHED:
        raise IllegalMove("an image in the trash is restored first")
    return move(image.state, State.PROCESSING)


async def lost_images(connection: Connection, *, seconds: float, most: int) -> tuple[tuple[int, int, int], ...]:
    """Return tenant, id and version of images in work for longer than `seconds` whose job neither waits nor runs.

    Asks every shard and tenant: whose they are is what is looked for.
    """
    cursor = await connection.execute("SELECT tenant, id, version FROM lost_images(%s, %s)", [seconds, most])
    return tuple((tenant, image, version) for tenant, image, version in await cursor.fetchall())


async def images_in_state(
    connection: Connection, *, tenant: int, state: State, before: int | None, limit: int
) -> tuple[int, ...]:
    """Return ids of the tenant's images in this state, newest first, of those older than `before`."""
    cursor = await connection.execute(
        """SELECT id FROM images
           WHERE tenant = %s AND state = %s AND state <> 'purged' AND (%s::int8 IS NULL OR id < %s)
           ORDER BY id DESC LIMIT %s""",
        [tenant, state, before, before, limit],
    )
    return tuple(image for (image,) in await cursor.fetchall())
