"""Staged bytes that clients write to a remote store by themselves, without passing through us.

The whole of an upload becomes one staged object, put at once or in parts that the store puts together. The client's
word is not taken for it: how many bytes there are is asked of the store, and what they are is found by the job, which
is the first of ours to read them.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.keys import STAGING_PREFIX, parse_staging_key, staged_object_key
from tintype.domain.parts import length_of, refuse_unless_named, refuse_unless_whole
from tintype.domain.upload import Method, Part, Upload, size_mismatch
from tintype.ports.blobs import BlobMismatch, BlobMissing, BlobStore, BlobStoreFailed
from tintype.ports.direct_uploads import DirectUploads, StoredPart, UnfinishedUpload

WHOLE: Final = 1
"""The number of what is in one piece."""

UNKNOWN_TYPE: Final = "application/octet-stream"


class DirectStaging:
    """What a remote store keeps of uploads before they are staged bytes like any other."""

    def __init__(self, direct: DirectUploads, blobs: BlobStore) -> None:
        self._direct = direct
        self._blobs = blobs

    async def begin(self, upload: Upload) -> Upload:
        """Return the upload with the store's name for it, if it comes in parts."""
        if upload.method is not Method.MULTIPART:
            return upload
        content_type = upload.content_type or UNKNOWN_TYPE
        name = await self._direct.begin(staged_object_key(upload.tenant, upload.id), content_type=content_type)
        return replace(upload, store_upload=name)

    async def there(self, upload: Upload) -> tuple[Part, ...]:
        """Return what is there of an open upload: the whole as part 1, or parts that are not put together yet."""
        key = staged_object_key(upload.tenant, upload.id)
        if upload.store_upload is not None:
            with suppress(BlobMissing):  # it was put together meanwhile
                return tuple(map(_part, await self._direct.parts(key, upload.store_upload)))
        found = await self._blobs.head(key)
        return (Part(WHOLE, found.size, None),) if found is not None else ()

    async def finish(self, upload: Upload, named: Sequence[tuple[int, str]] | None) -> Part:
        """Have the store put the parts together, if there are any, and return the whole; may be repeated.

        `Problem` unless they are all there, as long as they must be, and those that the client names.
        """
        key, name = staged_object_key(upload.tenant, upload.id), upload.store_upload
        if name is not None:
            with suppress(BlobMissing):  # it was put together by an earlier attempt
                await self._put_together(upload, name, await self._direct.parts(key, name), named)
        found = await self._blobs.head(key)
        if found is None or upload.size is None:
            raise Problem(Code.UPLOAD_BYTES_MISSING, "The file is not there. Send it, then complete the upload.")
        if found.size != upload.size:
            raise size_mismatch(upload.size, f"{found.size:,} are there")
        return Part(WHOLE, found.size, None)

    async def _put_together(
        self, upload: Upload, name: str, stored: Sequence[StoredPart], named: Sequence[tuple[int, str]] | None
    ) -> None:
        size, part_size = upload.size or 0, upload.part_size or 1
        parts = [_part(each) for each in stored]
        if named is not None:
            refuse_unless_named(named, parts)
        refuse_unless_whole(size, part_size, parts)
        for part in parts:
            if part.size != length_of(part.number, size, part_size):
                raise Problem(Code.UPLOAD_PARTS_INVALID, f"Part {part.number} has another length. Send it again.")
        try:
            await self._direct.complete(staged_object_key(upload.tenant, upload.id), name, stored)
        except BlobMismatch as error:
            sentence = "The parts changed while they were put together. Complete the upload again."
            raise Problem(Code.UPLOAD_PARTS_INVALID, sentence) from error

    async def drop(self, upload: Upload) -> None:
        """Drop the parts of an upload that has ended. What cannot be had now is gc's."""
        if upload.store_upload is not None:
            with suppress(BlobStoreFailed):
                await self._direct.abort(staged_object_key(upload.tenant, upload.id), upload.store_upload)

    async def forgotten(self, *, older: timedelta) -> list[UnfinishedUpload]:
        """Return what the store keeps open under staged keys and was begun so long ago."""
        unfinished = self._direct.unfinished(STAGING_PREFIX, older_seconds=older.total_seconds())
        return [found async for found in unfinished if parse_staging_key(found.key) is not None]

    async def abort(self, found: UnfinishedUpload) -> None:
        """Drop the parts of something that nobody wants."""
        await self._direct.abort(found.key, found.upload)


def _part(stored: StoredPart) -> Part:
    return Part(stored.number, stored.size, None, stored.etag)
