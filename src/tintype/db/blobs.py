"""Blobs and what refers to them. The blob's row lock orders an upload against a purge of the same bytes."""

from tintype.db.pool import Connection, Cursor
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket


async def lock_blob_for_upload(
    connection: Connection, *, tenant: int, sha256: bytes, size: int, fmt: Format, owner: int | None = None
) -> bool:
    """Make the blob's row if it is not there, and hold its lock until the transaction ends.

    Returns whether `owner` already has an image with these bytes, asked in the same round trip.

    A purge of the same bytes waits for it or was finished before; whoever holds the lock may look whether the bytes are
    still in the store and believe what it sees.
    """
    cursor = await connection.execute(
        """INSERT INTO blobs (bucket, tenant, sha256, size, format) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (bucket, tenant, sha256) DO UPDATE SET size = excluded.size RETURNING 1""",
        [blob_bucket(sha256), tenant, sha256, size, fmt],
    )
    owned = await _ask_owner(connection, tenant, sha256, owner) if owner is not None else None
    await cursor.fetchone()  # in a pipeline nothing has happened, and nothing is locked, before an answer is read
    return owned is not None and await owned.fetchone() is not None


async def lock_blob_for_purge(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Hold the blob's lock until the transaction ends; return whether there is such a row and nothing refers to it."""
    bucket = blob_bucket(sha256)
    cursor = await connection.execute(
        "SELECT 1 FROM blobs WHERE bucket = %s AND tenant = %s AND sha256 = %s FOR UPDATE", [bucket, tenant, sha256]
    )
    if await cursor.fetchone() is None:
        return False
    return not await is_referenced(connection, tenant=tenant, sha256=sha256)


async def prove_lock(connection: Connection) -> None:
    """Return when the server has answered on this connection: its locks are held. `Problem` when it is lost."""
    cursor = await connection.execute("SELECT 1")
    await cursor.fetchone()


async def share_blob(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Keep the blob from being purged or uploaded until the transaction ends; return whether it is there."""
    cursor = await connection.execute(
        "SELECT 1 FROM blobs WHERE bucket = %s AND tenant = %s AND sha256 = %s FOR SHARE",
        [blob_bucket(sha256), tenant, sha256],
    )
    return await cursor.fetchone() is not None


async def keep_blob(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Keep the blob from being purged until the transaction ends; return whether it is there. Uploads do not wait."""
    cursor = await connection.execute(
        "SELECT 1 FROM blobs WHERE bucket = %s AND tenant = %s AND sha256 = %s FOR KEY SHARE",
        [blob_bucket(sha256), tenant, sha256],
    )
    return await cursor.fetchone() is not None


async def delete_blob(connection: Connection, *, tenant: int, sha256: bytes) -> None:
    """Forget the blob and its variants; the caller holds the lock and has removed the bytes."""
    bucket = blob_bucket(sha256)
    await connection.execute(
        "DELETE FROM variants WHERE bucket = %s AND tenant = %s AND sha256 = %s", [bucket, tenant, sha256]
    )
    await connection.execute(
        "DELETE FROM render_claims WHERE bucket = %s AND tenant = %s AND sha256 = %s", [bucket, tenant, sha256]
    )
    await connection.execute(
        "DELETE FROM blobs WHERE bucket = %s AND tenant = %s AND sha256 = %s", [bucket, tenant, sha256]
    )


async def insert_ref(
    connection: Connection, *, tenant: int, sha256: bytes, image: int, version: int, owner: int | None
) -> None:
    """Record that a version of an image uses the blob."""
    await connection.execute(
        "INSERT INTO blob_refs (bucket, tenant, sha256, image, version, owner) VALUES (%s, %s, %s, %s, %s, %s)",
        [blob_bucket(sha256), tenant, sha256, image, version, owner],
    )


async def delete_refs(connection: Connection, *, tenant: int, sha256: bytes, image: int) -> None:
    """Record that the image uses the blob no more, in any version."""
    await connection.execute(
        "DELETE FROM blob_refs WHERE bucket = %s AND tenant = %s AND sha256 = %s AND image = %s",
        [blob_bucket(sha256), tenant, sha256, image],
    )


async def is_referenced(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Return whether any image of the tenant uses the blob."""
    cursor = await connection.execute(
        "SELECT 1 FROM blob_refs WHERE bucket = %s AND tenant = %s AND sha256 = %s LIMIT 1",
        [blob_bucket(sha256), tenant, sha256],
    )
    return await cursor.fetchone() is not None


async def owner_has(connection: Connection, *, tenant: int, sha256: bytes, owner: int) -> bool:
    """Return whether `owner` already has an image with these bytes."""
    return await (await _ask_owner(connection, tenant, sha256, owner)).fetchone() is not None


async def _ask_owner(connection: Connection, tenant: int, sha256: bytes, owner: int) -> Cursor:
    return await connection.execute(
        "SELECT 1 FROM blob_refs WHERE bucket = %s AND tenant = %s AND sha256 = %s AND owner = %s LIMIT 1",
        [blob_bucket(sha256), tenant, sha256, owner],
    )
