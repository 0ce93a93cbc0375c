"""The one image of a kind that an owner shows of something of the tenant's, in the owner's bucket.

A row may go on naming an image that is in the trash: whoever is sent next takes its place.
"""

from tintype.db.pool import Connection
from tintype.domain.attachment import Slot


async def take_slot(connection: Connection, slot: Slot, *, tenant: int, image: int) -> int | None:
    """Put the image into the slot, hold it until the transaction ends, and return the image that was there."""
    key = _key(slot, tenant)
    cursor = await connection.execute(
        """INSERT INTO attachments (bucket, tenant, owner, type, id, kind, image)
           VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1""",
        [*key, image],
    )
    if await cursor.fetchone() is not None:
        return None
    cursor = await connection.execute(
        """WITH before AS (
               SELECT image FROM attachments
               WHERE bucket = %s AND tenant = %s AND owner = %s AND type = %s AND id = %s AND kind = %s FOR UPDATE)
           UPDATE attachments a SET image = %s FROM before
           WHERE a.bucket = %s AND a.tenant = %s AND a.owner = %s AND a.type = %s AND a.id = %s AND a.kind = %s
           RETURNING before.image""",
        [*key, image, *key],
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else None


async def image_in(connection: Connection, slot: Slot, *, tenant: int) -> int | None:
    """Return the image in the slot, None when there never was one."""
    cursor = await connection.execute(
        """SELECT image FROM attachments
           WHERE bucket = %s AND tenant = %s AND owner = %s AND type = %s AND id = %s AND kind = %s""",
        _key(slot, tenant),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else None


async def take_over(connection: Connection, slot: Slot, *, tenant: int, image: int, before: int) -> bool:
    """Put the image into the slot in the place of `before`; return False when another one is there by now."""
    cursor = await connection.execute(
        """UPDATE attachments SET image = %s
           WHERE bucket = %s AND tenant = %s AND owner = %s AND type = %s AND id = %s AND kind = %s AND image = %s
           RETURNING 1""",
        [image, *_key(slot, tenant), before],
    )
    return await cursor.fetchone() is not None


async def forget_image(connection: Connection, slot: Slot, *, tenant: int, image: int) -> None:
    """Empty the slot if it names this image, which is about to be purged.

    Whoever holds the slot replaces the image anyway, and waits for its lock, which the caller has: nobody waits here.
    """
    key = _key(slot, tenant)
    await connection.execute(
        """WITH free AS (
               SELECT image FROM attachments
               WHERE bucket = %s AND tenant = %s AND owner = %s AND type = %s AND id = %s AND kind = %s AND image = %s
               FOR UPDATE SKIP LOCKED)
           DELETE FROM attachments a USING free
           WHERE a.bucket = %s AND a.tenant = %s AND a.owner = %s AND a.type = %s AND a.id = %s AND a.kind = %s""",
        [*key, image, *key],
    )


def _key(slot: Slot, tenant: int) -> list[object]:
    return [slot.bucket, tenant, slot.owner, slot.type, slot.id, slot.kind]
