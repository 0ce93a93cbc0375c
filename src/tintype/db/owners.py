"""What the account that has an image is to those who look at it."""

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of


async def is_active(connection: Connection, account: int) -> bool:
    """Return whether the account is there, and neither suspended nor deleted."""
    cursor = await connection.execute(
        "SELECT 1 FROM accounts WHERE bucket = %s AND id = %s AND state = 'active'", [bucket_of(account), account]
    )
    return await cursor.fetchone() is not None
