"""The stories of the trash: an image is put there, and taken out again as it was.

In the trash nothing of an image is served, and only its owner sees that it is there. Its row, its bytes and its
variants stay, so a restore needs no work but one: an image that was still being processed lost its job's interest
meanwhile (a job changes only what is `processing`), and gets another. The sweep purges what lies there for too long.
"""

from tintype.db.audit import record
from tintype.db.image_life import take_out_of_trash, trash
from tintype.db.images import get_image, lock_image
from tintype.db.jobs import enqueue_process_image
from tintype.db.notify import Notifier, notify_at_once
from tintype.db.pool import Connection, Database
from tintype.domain.audit import Action
from tintype.domain.change import ChangeRequest
from tintype.domain.image import Image, State, move
from tintype.domain.kind import UploadKind
from tintype.storage.attaching import reclaim_place


class TrashImage:
    """Puts images into the trash and takes them out."""

    def __init__(self, *, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    async def __call__(self, request: ChangeRequest) -> Image:
        """Put the image into the trash and return it; one that is there already stays as it is.

        `Problem` as `ChangeRequest.permitted` says.
        """
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            if image.state is State.TRASHED:
                return image
            move(image.state, State.TRASHED)
            await trash(connection, image.id)
            await record(connection, request.entry(Action.IMAGE_TRASHED, image))
            return await _changed(connection, image)

    async def restore(self, request: ChangeRequest, kind: UploadKind | None) -> Image:
        """Give the image back the state it had and return it; one that is not in the trash stays as it is.

        `kind` is what its kind is now. `Problem` as `ChangeRequest.permitted` says, conflict when its kind has one per
        owner and another one is shown by now.
        """
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            if image.trashed_from is None:
                return image
            move(image.state, image.trashed_from)
            await reclaim_place(connection, image, kind)
            await take_out_of_trash(connection, image.id)
            await record(connection, request.entry(Action.IMAGE_RESTORED, image))
            if image.trashed_from is State.PROCESSING:
                await enqueue_process_image(connection, tenant=image.tenant, image=image.id, version=image.version)
            restored = await _changed(connection, image)
        self._notifier.jobs_enqueued()
        return restored


async def _changed(connection: Connection, image: Image) -> Image:
    """Tell every process, and return the image as it is now."""
    await notify_at_once(connection, image.id)
    return await get_image(connection, image.id) or image
