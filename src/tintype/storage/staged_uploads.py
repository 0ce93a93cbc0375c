"""Where the bytes of uploads wait until they are examined: blobs of the same store, under `staging/`.

Each piece is named by its bytes as well as by its number, so that a piece that is sent again with other bytes never
overwrites the one that a row names. A piece becomes the upload's by its row, under the lock of the upload's row; what
was stored and did not become anything is removed under that lock, too, so that nobody removes what somebody else has
just recorded. What a crash leaves is gc's: a staged key whose upload has ended, or that is not in its rows.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import BinaryIO, Final

from tintype.db.blobs import prove_lock
from tintype.db.jobs import enqueue_examine_upload
from tintype.db.pool import Connection, Database
from tintype.db.uploads import (
    delete_parts,
    get_part,
    get_parts,
    get_upload,
    lock_upload,
    put_part,
    set_state,
)
from tintype.db.usage import count_usage
from tintype.domain.errors import Problem
from tintype.domain.keys import parse_staging_key, staged_object_key, staged_part_key, staging_prefix
from tintype.domain.quota import returned
from tintype.domain.upload import ENDED, OPEN, Method, Part, Upload, UploadState
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.ports.direct_uploads import DirectUploads, UnfinishedUpload
from tintype.storage.direct_staging import DirectStaging

DIRECT: Final = frozenset({Method.PUT, Method.MULTIPART})
"""How clients write to a remote store by themselves; what comes otherwise comes by us."""

READ_BYTES: Final = 256 * 1024
"""A piece at a time of what is moved: large enough for the disk, small enough for memory."""


class StagedUploads:
    """The staged bytes of uploads."""

    def __init__(self, database: Database, blobs: BlobStore, direct: DirectUploads | None = None) -> None:
        """`direct` is how clients write to the store by themselves, None where everything comes by us."""
        self._database = database
        self._blobs = blobs
        self.direct = DirectStaging(direct, blobs) if direct is not None else None

    async def store(self, upload: Upload, number: int, file: BinaryIO, *, size: int, sha256: bytes) -> Part:
        """Store a piece durably, read from `file`, which nobody writes to any more; it is nobody's until recorded."""
        part = Part(number, size, sha256)
        await self._blobs.put(key_of(upload, part), lambda: _blocks(file), size=size, sha256=sha256.hex(), file=file)
        return part

    async def record(self, connection: Connection, upload: Upload, part: Part, file: BinaryIO) -> Part | None:
        """Make a stored piece the upload's; return what it takes the place of, for `discard`.

        The caller has the lock of an open upload. The piece is stored again where it was discarded meanwhile.
        """
        before = await get_part(connection, upload.id, part.number)
        if part.sha256 is not None and await self._blobs.head(key_of(upload, part)) is None:
            await self.store(upload, part.number, file, size=part.size, sha256=part.sha256)
        await put_part(connection, upload, part)
        return before if before is not None and before != part else None

    async def discard(self, upload: Upload, part: Part) -> None:
        """Remove a piece, unless it is the upload's (by now). What cannot be had now is gc's."""
        with suppress(Problem, BlobStoreFailed):
            async with self._database.transaction(upload.tenant) as connection:
                now = await lock_upload(connection, upload.id)
                recorded = await get_part(connection, upload.id, part.number)
                if recorded == part and now is not None and now.state not in ENDED:
                    return
                await prove_lock(connection)
                await self._blobs.delete(key_of(upload, part))

    async def is_there(self, upload: Upload, part: Part) -> bool:
        """Return whether the bytes of a recorded piece are in the store."""
        found = await self._blobs.head(key_of(upload, part))
        return found is not None and found.size == part.size

    async def read(self, upload: Upload, parts: Sequence[Part]) -> AsyncIterator[bytes]:
        """Give the bytes of the pieces, one after the other, in bounded chunks. Raises `BlobMissing`."""
        for part in parts:
            async for chunk in await self._blobs.read(key_of(upload, part)):
                yield chunk

    async def is_wanted(self, tenant: int, upload_id: int, key: str) -> bool:
        """Return whether a staged key belongs to an upload that has not ended."""
        async with self._database.transaction(tenant) as connection:
            return await _is_wanted(connection, await get_upload(connection, upload_id), key)

    async def remove_unwanted(self, tenant: int, upload_id: int, key: str) -> bool:
        """Remove a staged key unless it is wanted by now, and return whether it was there and is gone."""
        async with self._database.transaction(tenant) as connection:
            if await _is_wanted(connection, await lock_upload(connection, upload_id), key):
                return False
            await prove_lock(connection)
            return await self._blobs.delete(key)

    async def there(self, upload: Upload, recorded: Sequence[Part]) -> Sequence[Part]:
        """Return what is there of an upload: what is recorded, or, as long as a client writes it, what the store says.

        A store that does not answer is no reason to say nothing else of an upload.
        """
        if self.direct is None or upload.state not in OPEN or upload.method not in DIRECT:
            return recorded
        try:
            return await self.direct.there(upload)
        except BlobStoreFailed:
            return recorded

    async def forgotten(self, tenants: Collection[int], *, older: timedelta) -> AsyncIterator[UnfinishedUpload]:
        """Give the uploads in parts of these tenants that a remote store keeps open for nobody."""
        for found in await self.direct.forgotten(older=older) if self.direct is not None else ():
            tenant, upload_id = parse_staging_key(found.key) or (0, 0)
            if tenant not in tenants:
                continue
            async with self._database.transaction(tenant) as connection:
                upload = await get_upload(connection, upload_id)
            if upload is None or upload.state in ENDED or upload.store_upload != found.upload:
                yield found

    async def clear(self, upload: Upload) -> None:
        """Remove everything staged of an upload that has ended. What cannot be had now is gc's."""
        if self.direct is not None:
            await self.direct.drop(upload)
        with suppress(BlobStoreFailed, BlobStoreFull):
            staged = [found.key async for found in self._blobs.list(staging_prefix(upload.tenant, upload.id))]
            for key in staged:
                await self._blobs.delete(key)


async def _is_wanted(connection: Connection, upload: Upload | None, key: str) -> bool:
    if upload is None or upload.state in ENDED:
        return False
    if key == staged_object_key(upload.tenant, upload.id):  # the client may have just written it
        return True
    return key in {key_of(upload, part) for part in await get_parts(connection, upload.id)}


def key_of(upload: Upload, part: Part) -> str:
    """Return where a piece of an upload lies."""
    if part.sha256 is None:
        return staged_object_key(upload.tenant, upload.id)
    return staged_part_key(upload.tenant, upload.id, part.number, part.sha256)


async def mark_received(connection: Connection, upload: Upload) -> Upload | None:
    """Have an upload, all of whose bytes are durable, be `received`, and enqueue its job; None when it has ended.

    From the caller's commit on it is never lost.
    """
    received = await set_state(connection, upload.id, UploadState.RECEIVED)
    if received is not None:
        await enqueue_examine_upload(connection, tenant=upload.tenant, upload=upload.id)
    return received


async def end_for_nothing(
    connection: Connection, upload: Upload, to: UploadState, *, reason: str | None = None
) -> Upload | None:
    """End an upload of which nothing comes, and return what was reserved for it; None when it has ended already.

    The last of its transaction; the caller has its lock, and clears its staged bytes after the commit.
    """
    ended = await set_state(connection, upload.id, to, reason=reason)
    if ended is None:
        return None
    await delete_parts(connection, upload.id)
    await count_usage(connection, tenant=upload.tenant, owner=upload.owner, change=returned(upload.reserved))
    return ended


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(READ_BYTES):
        yield block
