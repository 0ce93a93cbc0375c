"""The story of an upload that somebody gives up: what was reserved is returned, and what was staged is gone.

It may be complete, as long as it is not examined: a job that is under way finds it ended, and drops what it made.
How it fails: before the commit nothing happened; bytes that a crash leaves afterwards are removed by gc.
"""

from tintype.db.notify import notify_at_once
from tintype.db.pool import Database
from tintype.db.uploads import lock_upload
from tintype.domain.change import ChangeRequest
from tintype.domain.upload import Upload, UploadState, no_upload, permit
from tintype.storage.staged_uploads import StagedUploads, end_for_nothing


class AbortUpload:
    """Aborts uploads."""

    def __init__(self, *, database: Database, staged: StagedUploads) -> None:
        self._database = database
        self._staged = staged

    async def __call__(self, request: ChangeRequest) -> bool:
        """Abort the upload and return True; False when it is an image by now. One that came to nothing stays so.

        `Problem` not_found for whoever may not.
        """
        async with self._database.transaction(request.tenant) as connection:
            upload = await lock_upload(connection, request.image_id)
            if upload is None:
                raise no_upload()
            permit(request, upload)
            if upload.state is UploadState.COMMITTED:
                return False
            await notify_at_once(connection, upload.id)
            await end_for_nothing(connection, upload, UploadState.ABORTED)
        await self._staged.clear(upload)
        return True

    async def of_deleted(self, tenant: int, upload_id: int) -> Upload | None:
        """Abort an upload whose account or image is deleted; return it, None when there is none or it has ended."""
        async with self._database.transaction(tenant) as connection:
            upload = await lock_upload(connection, upload_id)
            if upload is None:
                return None
            await notify_at_once(connection, upload.id)
            ended = await end_for_nothing(connection, upload, UploadState.ABORTED)
        await self._staged.clear(upload)
        return ended
