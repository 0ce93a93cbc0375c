"""The story of an image that is processed again: because it failed, or because its kind's recipe has changed since.

A failed one keeps its version: its URLs were never answered with anything else than they will be. One that was ready
(or rejected, by an older decoder) becomes the next version by the current recipe, if that has changed, and is in work
again meanwhile: served as it can be. State, reference and job change in one transaction. How it fails: a state from
which there is no way back is a conflict, and nothing is changed; dead jobs of the image are superseded.
"""

from collections.abc import Awaitable, Callable, Mapping

from tintype.db.dead_letters import delete_dead_jobs_of_image
from tintype.db.images import get_image, lock_image
from tintype.db.jobs import Priority, enqueue_process_image
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.reprocessing import renew_image, retry_image
from tintype.domain.change import ChangeRequest
from tintype.domain.errors import Code, Problem
from tintype.domain.image import IllegalMove, Image, State
from tintype.domain.kind import UploadKind


class ReprocessImage:
    """Puts images back to work."""

    def __init__(
        self,
        *,
        database: Database,
        notifier: Notifier,
        kinds_of: Callable[[int], Awaitable[Mapping[str, UploadKind]]],
    ) -> None:
        """`kinds_of` gives the kinds of a tenant."""
        self._database = database
        self._notifier = notifier
        self._kinds_of = kinds_of

    async def retry(self, request: ChangeRequest) -> Image:
        """Have a failed image processed again, with the priority of an upload.

        `Problem` as `ChangeRequest.permitted` says, and conflict for an image that did not fail.
        """
        kinds = await self._kinds_of(request.tenant)
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            if image.state is not State.FAILED:
                raise Problem(Code.CONFLICT, f"The image is {image.state}. Only a failed one can be processed again.")
            again = await self._again(connection, image, kinds, Priority.UPLOAD)
        return self._told(again)

    async def backfill(self, *, tenant: int, image_id: int) -> Image:
        """Have an image processed again by its kind's current recipe, behind everything that somebody waits for.

        `Problem` conflict when its state does not allow it.
        """
        kinds = await self._kinds_of(tenant)
        async with self._database.transaction(tenant) as connection:
            again = await self._again(connection, await _locked(connection, image_id), kinds, Priority.BACKFILL)
        return self._told(again)

    async def _again(
        self, connection: Connection, image: Image, kinds: Mapping[str, UploadKind], priority: Priority
    ) -> Image:
        try:
            await _put_to_work(connection, image, kinds.get(image.kind))
        except IllegalMove as error:
            raise Problem(Code.CONFLICT, f"An image that is {image.state} cannot be processed again.") from error
        found = await get_image(connection, image.id)
        if found is None:
            raise LookupError(f"image {image.id} is locked by us and cannot be gone")
        await delete_dead_jobs_of_image(connection, tenant=image.tenant, image=image.id)
        await enqueue_process_image(
            connection, tenant=image.tenant, image=image.id, version=found.version, priority=priority
        )
        return found

    def _told(self, image: Image) -> Image:
        self._notifier.jobs_enqueued()
        self._notifier.image_changed(image.id)
        return image


async def _put_to_work(connection: Connection, image: Image, kind: UploadKind | None) -> None:
    if image.state is State.FAILED or kind is None or kind.recipe == image.recipe:
        await retry_image(connection, image)
    else:
        await renew_image(connection, image, kind.recipe)


async def _locked(connection: Connection, image_id: int) -> Image:
    image = await lock_image(connection, image_id)
    if image is None:
        raise Problem(Code.NOT_FOUND, "There is no such image.")
    if image.state is State.PURGED:
        raise Problem(Code.IMAGE_GONE, "This image was deleted. Nothing of it is left.")
    return image
