"""Removing what no row knows or wants, though an upload or a render of the same bytes may be on its way to one."""

from tintype.db.blobs import delete_blob, is_referenced, lock_blob_for_upload, prove_lock
from tintype.db.jobs import enqueue_remove_blob
from tintype.db.pool import Database
from tintype.db.upkeep import claim_absent_blob, lock_blob
from tintype.db.variants import list_variants
from tintype.domain.keys import StoredKey
from tintype.ports.blobs import BlobStore
from tintype.storage.intake import CleanBytes


async def remove_unknown(database: Database, blobs: BlobStore, key: str, stored: StoredKey) -> bool:
    """Remove the file if no row knows it once its blob is ours; return whether it was there and is gone.

    Where the blob has no row its place is claimed, and given back with the file's removal, so that an upload of the
    same bytes waits for us, finds them gone and stores them again. `Problem` and `BlobStoreFailed` when nothing was
    done.
    """
    tenant, sha256 = stored.tenant, stored.sha256
    async with database.transaction(tenant) as connection:
        claimed = await claim_absent_blob(connection, tenant=tenant, sha256=sha256)
        if not claimed and (stored.digest is None or not await lock_blob(connection, tenant=tenant, sha256=sha256)):
            return False
        rows = await list_variants(connection, tenant=tenant, sha256=sha256)
        if not claimed and key in {row.key(tenant=tenant, sha256=sha256) for row in rows}:
            return False
        await prove_lock(connection)
        removed = await blobs.delete(key)
        if claimed:
            await delete_blob(connection, tenant=tenant, sha256=sha256)
    return removed


async def discard(database: Database, tenant: int, clean: CleanBytes) -> None:
    """Have stored bytes removed that became nobody's, unless somebody has the same; a job will do it."""
    fmt = clean.examined.format
    async with database.transaction(tenant) as connection:
        await lock_blob_for_upload(connection, tenant=tenant, sha256=clean.sha256, size=clean.size, fmt=fmt)
        if not await is_referenced(connection, tenant=tenant, sha256=clean.sha256):
            await enqueue_remove_blob(connection, tenant=tenant, sha256=clean.sha256)
