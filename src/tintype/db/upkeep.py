"""What upkeep does to one row, looking again under its lock at what it was told by a walk through them all."""

from tintype.db.inventory import Reference
from tintype.db.pool import Connection
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket


async def claim_absent_blob(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Hold the place of a blob that has no row until the transaction ends; return False when it has one.

    An upload of the same bytes waits for us, and then looks for its file. The caller takes the row away again.
    """
    cursor = await connection.execute(
        """INSERT INTO blobs (bucket, tenant, sha256, size, format) VALUES (%s, %s, %s, 0, %s)
           ON CONFLICT (bucket, tenant, sha256) DO NOTHING RETURNING 1""",
        [blob_bucket(sha256), tenant, sha256, Format.PNG],
    )
    return await cursor.fetchone() is not None


async def lock_blob(connection: Connection, *, tenant: int, sha256: bytes) -> bool:
    """Hold the blob's lock until the transaction ends; return whether there is such a row."""
    cursor = await connection.execute(
        "SELECT 1 FROM blobs WHERE bucket = %s AND tenant = %s AND sha256 = %s FOR UPDATE",
        [blob_bucket(sha256), tenant, sha256],
    )
    return await cursor.fetchone() is not None


async def delete_reference(connection: Connection, *, tenant: int, reference: Reference) -> bool:
    """Remove one reference and return whether it was there."""
    cursor = await connection.execute(
        """DELETE FROM blob_refs WHERE bucket = %s AND tenant = %s AND sha256 = %s AND image = %s AND version = %s
           RETURNING 1""",
        [blob_bucket(reference.sha256), tenant, reference.sha256, reference.image, reference.version],
    )
    return await cursor.fetchone() is not None
