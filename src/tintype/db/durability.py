"""What the server says of itself: whether it keeps what it acknowledges (I14), and whether its pages are sound."""

from typing import Final, LiteralString

from tintype.db.pool import Connection

DURABILITY_QUERY: Final[LiteralString] = """
    SELECT name, setting FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'data_checksums', 'synchronous_commit', 'data_sync_retry')
"""
"""Settings differ by role and database: ask through a connection like those that will write."""


async def durability_settings(connection: Connection) -> dict[str, str]:
    """Return the settings that decide what survives a power cut, as this connection has them."""
    cursor = await connection.execute(DURABILITY_QUERY)
    return dict(await cursor.fetchall())


async def damaged_pages(connection: Connection) -> int:
    """Return how many pages of this database the server has read and found damaged, since its statistics began."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database WHERE datname = current_database()"
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
