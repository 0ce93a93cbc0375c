"""The story of an upload that is said to be complete (CONFIRM).

Whether everything is there is asked under the upload's lock: every part, in the order and with the ETags that the
client names, and its bytes in the store. One transaction makes it `received` and enqueues the job that examines it.
From that commit on it is acknowledged, and never lost; saying it again changes nothing and is answered the same.

How it fails: before the commit the upload stays open, and what is missing can be sent.
"""

from collections.abc import Sequence

from tintype.db.clock import DatabaseClock
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.uploads import get_parts, get_upload, lock_upload, put_part
from tintype.domain.change import ChangeRequest
from tintype.domain.errors import Code, Problem
from tintype.domain.parts import missing, refuse_unless_named, refuse_unless_whole
from tintype.domain.upload import (
    OPEN,
    Method,
    Part,
    Upload,
    no_upload,
    permit,
    refuse_if_over,
    refuse_unless_open,
    size_mismatch,
)
from tintype.storage.intake import telling_of_storage
from tintype.storage.staged_uploads import DIRECT, StagedUploads, mark_received

Named = Sequence[tuple[int, str]]
"""Number and ETag of each part, as the client has them."""


class CompleteUpload:
    """Completes uploads."""

    def __init__(self, *, database: Database, clock: DatabaseClock, notifier: Notifier, staged: StagedUploads) -> None:
        self._database = database
        self._clock = clock
        self._notifier = notifier
        self._staged = staged

    async def __call__(self, request: ChangeRequest, named: Named | None = None) -> Upload:
        """Return the upload, which is complete; `named` None stands for every part that is there.

        `Problem` not_found for whoever may not; upload.bytes_missing, upload.parts_invalid, upload.expired,
        upload.aborted.
        """
        await self._clock.refresh()
        with telling_of_storage():
            whole = await self._put_together(request, named)
            async with self._database.transaction(request.tenant) as connection:
                upload = await lock_upload(connection, request.image_id)
                if upload is None:
                    raise no_upload()
                permit(request, upload)
                refuse_if_over(upload)
                if upload.state not in OPEN:
                    return upload
                refuse_unless_open(upload, self._clock.now())
                if whole is not None:
                    await put_part(connection, upload, whole)
                await self._refuse_unless_whole(connection, upload, named if whole is None else None)
                received = await mark_received(connection, upload)
        if received is None:
            raise no_upload()
        self._notifier.jobs_enqueued()
        self._notifier.image_changed(upload.id)  # there is such an image now
        return received

    async def _put_together(self, request: ChangeRequest, named: Named | None) -> Part | None:
        """Have a remote store make one blob of what the client wrote there; None where it came by us.

        It takes its time, so nothing is locked meanwhile; done twice, it is done once.
        """
        direct = self._staged.direct
        if direct is None:
            return None
        async with self._database.transaction(request.tenant) as connection:
            upload = await get_upload(connection, request.image_id)
        if upload is None or upload.state not in OPEN or upload.method not in DIRECT:
            return None
        permit(request, upload)
        refuse_unless_open(upload, self._clock.now())
        return await direct.finish(upload, named)

    async def _refuse_unless_whole(self, connection: Connection, upload: Upload, named: Named | None) -> None:
        parts = await get_parts(connection, upload.id)
        in_parts = upload.method is Method.MULTIPART and not any(part.sha256 is None for part in parts)
        if in_parts and upload.size is not None and upload.part_size is not None:
            if named is not None:
                refuse_unless_named(named, parts)
            refuse_unless_whole(upload.size, upload.part_size, parts)
        _refuse_unless_all(upload, parts)
        for part in parts:
            if not await self._staged.is_there(upload, part):
                raise missing([part.number])


def _refuse_unless_all(upload: Upload, parts: Sequence[Part]) -> None:
    """Raise `Problem` unless the parts are as many bytes as were declared."""
    there = sum(part.size for part in parts)
    if upload.size is None or there < upload.size:
        raise Problem(
            Code.UPLOAD_BYTES_MISSING,
            f"{there:,} of {upload.size or 0:,} bytes are there. Send the file, then complete the upload.",
        )
    if there > upload.size:
        raise size_mismatch(upload.size, f"{there:,} are there")
