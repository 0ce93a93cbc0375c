"""Who follows whom: the truth, in the follower's bucket. Read for each decision, and never remembered."""

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of


async def is_following(connection: Connection, *, follower: int, followee: int) -> bool:
    """Return whether the one account follows the other, and was accepted where that is asked for."""
    cursor = await connection.execute(
        "SELECT 1 FROM follows_out WHERE bucket = %s AND follower = %s AND followee = %s",
        [bucket_of(follower), follower, followee],
    )
    return await cursor.fetchone() is not None
