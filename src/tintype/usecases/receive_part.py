"""The story of bytes that come for an upload by a signed address of ours (UPLOAD): the whole of it, or a part.

They stream into a file without a name, hashed and counted on the way, and become a staged blob when all are there and
are what was announced; then, under the upload's lock, they become the upload's. Sent again, the last that came whole
counts. A part is acknowledged when it is durable and recorded.

How it fails: a connection that breaks, bytes that are too many, too few or others leave nothing. An upload that was
completed, aborted or given up meanwhile refuses the part, and what was stored of it is removed.
"""

from collections.abc import AsyncIterator

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.uploads import lock_upload
from tintype.domain.digest import refuse_other_bytes
from tintype.domain.errors import Problem
from tintype.domain.upload import Part, Upload, no_upload, refuse_unless_open, size_mismatch
from tintype.ports.staging import Staging
from tintype.storage.intake import telling_of_storage
from tintype.storage.staged_uploads import StagedUploads


class ReceivePart:
    """Takes in the bytes of uploads."""

    def __init__(self, *, database: Database, clock: DatabaseClock, staging: Staging, staged: StagedUploads) -> None:
        self._database = database
        self._clock = clock
        self._staging = staging
        self._staged = staged

    async def __call__(
        self, upload: Upload, number: int, chunks: AsyncIterator[bytes], *, length: int, sha256: bytes | None
    ) -> Part:
        """Return the part that was stored, `length` bytes of this SHA-256, if that is known.

        `Problem`: upload.size_mismatch, upload.checksum_mismatch, and what `refuse_unless_open` says.
        """
        await self._clock.refresh()
        refuse_unless_open(upload, self._clock.now())
        with telling_of_storage():
            async with self._staging.open() as incoming:
                async for chunk in chunks:
                    if incoming.size + len(chunk) > length:
                        raise size_mismatch(length, "more came")
                    await incoming.write(chunk)
                if incoming.size < length:
                    raise size_mismatch(length, f"{incoming.size:,} came")
                file, digest = await incoming.finish()
                refuse_other_bytes(sha256, digest)
                part = await self._staged.store(upload, number, file, size=length, sha256=digest)
                try:
                    async with self._database.transaction(upload.tenant) as connection:
                        now = await lock_upload(connection, upload.id)
                        if now is None:
                            raise no_upload()
                        refuse_unless_open(now, self._clock.now())
                        before = await self._staged.record(connection, now, part, file)
                except Problem:
                    await self._staged.discard(upload, part)
                    raise
        if before is not None:
            await self._staged.discard(upload, before)
        return part
