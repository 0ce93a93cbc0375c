"""The one avatar and the one banner of an account: ids of images in its row, which say what is shown of it.

A row may go on naming an image that is in the trash or purged; whoever shows an account looks whether there is
something to show. So a restored avatar is the avatar again, unless there is another one by then.
"""

from typing import Final, LiteralString

from tintype.db.pool import Connection
from tintype.domain.attachment import Place
from tintype.domain.ids import bucket_of

_LOCK: Final[dict[Place, LiteralString]] = {
    Place.AVATAR: "SELECT state, avatar FROM accounts WHERE bucket = %s AND id = %s FOR UPDATE",
    Place.BANNER: "SELECT state, banner FROM accounts WHERE bucket = %s AND id = %s FOR UPDATE",
}
_SET: Final[dict[Place, LiteralString]] = {
    Place.AVATAR: """UPDATE accounts SET avatar = %s, revision = revision + 1, updated_at = now()
        WHERE bucket = %s AND id = %s AND avatar IS NOT DISTINCT FROM %s""",
    Place.BANNER: """UPDATE accounts SET banner = %s, revision = revision + 1, updated_at = now()
        WHERE bucket = %s AND id = %s AND banner IS NOT DISTINCT FROM %s""",
}


async def lock_place(connection: Connection, *, account: int, place: Place) -> tuple[bool, int | None]:
    """Return whether the account is active, and its image of this place; hold its lock until the transaction ends."""
    cursor = await connection.execute(_LOCK[place], [bucket_of(account), account])
    row = await cursor.fetchone()
    if row is None:
        return False, None
    before: int | None = row[1]
    return row[0] == "active", before


async def take_place(connection: Connection, *, account: int, place: Place, image: int, before: int | None) -> None:
    """Make the image the account's one of this place, in the place of the one before."""
    await connection.execute(_SET[place], [image, bucket_of(account), account, before])
