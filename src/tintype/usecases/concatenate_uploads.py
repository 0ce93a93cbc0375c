"""The story of an upload that is made of parts (tus concatenation).

The parts are copied in the store, segment by segment, to where the whole lies; nobody refers to the copies yet. Then
one transaction, under the locks of all: the parts are still complete, their segments are the whole's, the whole is
`received` with its job, and the parts have ended. What was reserved for them is reserved for the whole from then on,
so that it needs no room twice. Each part remembers the whole: a client whose answer was lost asks again, and gets the
same.

How it fails: before the commit the parts are as they were, and what was copied is `gc`'s when the whole expires.
"""

from collections.abc import Sequence

from tintype.db.clock import DatabaseClock
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.tus import get_tus_upload, note_whole
from tintype.db.uploads import advance, declare_size, delete_parts, get_parts, get_upload, lock_upload, set_state
from tintype.db.usage import count_usage
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, UsageChange
from tintype.domain.tus.concatenation import PARTIAL
from tintype.domain.upload import Part, Upload, UploadState, no_upload, refuse_unless_open
from tintype.ports.blobs import BlobMissing, BlobStore
from tintype.storage.intake import refuse_if_longer, telling_of_storage
from tintype.storage.staged_uploads import StagedUploads, key_of, mark_received


class ConcatenateUploads:
    """Makes an upload of others."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        blobs: BlobStore,
        staged: StagedUploads,
        notifier: Notifier,
        quotas: DefaultQuotas,
    ) -> None:
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._staged = staged
        self._notifier = notifier
        self._quotas = quotas

    async def made_of(self, tenant: int, parts: Sequence[int], kind: UploadKind) -> Upload | None:
        """Return what was made of exactly these parts before, None when they are there to be used.

        `Problem` when one of them is not there, not complete, or no part; or when they are too long together.
        """
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            wholes = {(await get_tus_upload(connection, part)).whole for part in parts}
            whole = wholes.pop() if len(wholes) == 1 else None
            if whole is not None and (made := await get_upload(connection, whole)) is not None:
                return made
            found = [await self._usable(connection, await get_upload(connection, part)) for part in parts]
        refuse_if_longer(sum(part.received for part in found), (kind,))
        return None

    async def __call__(self, whole: Upload, parts: Sequence[int]) -> None:
        """Make `whole`, which has no bytes, of the parts; `Problem` as `made_of`."""
        async with self._database.transaction(whole.tenant) as connection:
            found = [await self._usable(connection, await get_upload(connection, part)) for part in parts]
            pieces = [(upload, await get_parts(connection, upload.id)) for upload in found]
        segments = await self._copied(whole, pieces)
        async with self._database.transaction(whole.tenant) as connection:
            await self._commit(connection, whole, found, segments)
        self._notifier.jobs_enqueued()
        self._notifier.image_changed(whole.id)
        for part in found:
            await self._staged.clear(part)

    async def _copied(self, whole: Upload, pieces: Sequence[tuple[Upload, Sequence[Part]]]) -> list[Part]:
        segments, offset = [], 0
        with telling_of_storage():
            for upload, parts in pieces:
                for part in parts:
                    copy = Part(offset, part.size, part.sha256)
                    try:
                        await self._blobs.copy(key_of(upload, part), key_of(whole, copy))
                    except BlobMissing as error:  # somebody was quicker, or gave the part up
                        raise _not_there() from error
                    segments.append(copy)
                    offset += part.size
        return segments

    async def _commit(
        self, connection: Connection, whole: Upload, parts: Sequence[Upload], segments: Sequence[Part]
    ) -> None:
        size = sum(part.received for part in parts)
        for part in sorted((*parts, whole), key=lambda upload: upload.id):  # in one order: nobody waits in a circle
            now = await lock_upload(connection, part.id)
            if part.id != whole.id:
                await self._usable(connection, now)
        if not await declare_size(connection, whole.id, size=size, reserved=size):
            raise no_upload()
        for segment in segments:
            await advance(connection, whole, offset=segment.number, segment=segment)
        await mark_received(connection, whole)
        for part in parts:
            await note_whole(connection, part.id, whole.id)
            await set_state(connection, part.id, UploadState.ABORTED)
            await delete_parts(connection, part.id)
        await self._count(connection, whole, parts, size)

    async def _count(self, connection: Connection, whole: Upload, parts: Sequence[Upload], size: int) -> None:
        """Count the whole in the place of its parts; each of them was counted as an image, too."""
        for owner in {part.owner for part in parts} | {whole.owner}:
            theirs = [part for part in parts if part.owner == owner]
            mine = size if owner == whole.owner else 0
            change = UsageChange(bytes=mine - sum(part.reserved for part in theirs), images=-len(theirs))
            await count_usage(connection, tenant=whole.tenant, owner=owner, change=change, defaults=self._quotas)

    async def _usable(self, connection: Connection, upload: Upload | None) -> Upload:
        if upload is None:
            raise no_upload()
        refuse_unless_open(upload, self._clock.now())
        if (await get_tus_upload(connection, upload.id)).concat != PARTIAL:
            raise Problem(Code.CONFLICT, "An upload can be made of those alone that were begun as partial.")
        if upload.received != upload.size:
            raise Problem(Code.UPLOAD_BYTES_MISSING, "A part is not complete. Send the rest of it first.")
        return upload


def _not_there() -> Problem:
    return Problem(Code.CONFLICT, "A part was used or given up meanwhile. Send the parts again.")
