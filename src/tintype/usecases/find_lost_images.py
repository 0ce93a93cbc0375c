"""The story of a lost image: it is in work, and nobody works on it (I5).

A job and its image are written in one transaction, so this should not be. It is, when a restored backup, a person at
the database or a fault of ours took the job away. A sweep finds such images, by the database's clock, and gives each a
job; one whose job had all its attempts is `failed`, so that a picture that kills its workers does not come back for
ever. Two sweeps at once meet at the image's row lock, and the second finds nothing to do.
"""

from collections.abc import Callable
from typing import Final

import structlog

from tintype.db.dead_letters import has_dead_job, has_live_job
from tintype.db.images import lock_image, mark_unusable
from tintype.db.jobs import enqueue_process_image
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.reprocessing import lost_images
from tintype.domain.image import State

BATCH: Final = 500
"""Images of one look. More are found by the next: a sweep never holds up the worker that runs it."""

FAILED_REASON: Final = "processing.failed"


class FindLostImages:
    """Gives images in work that nobody works on a job."""

    def __init__(self, *, database: Database, notifier: Notifier, seconds: float, count: Callable[[str], None]) -> None:
        """An image is not looked for before it was in work for so many `seconds`; `count` is told each outcome."""
        self._database = database
        self._notifier = notifier
        self._seconds = seconds
        self._count = count
        self._log = structlog.get_logger("tintype.lost_images")

    async def __call__(self) -> dict[str, object]:
        """Look once, and return how many images got a job, and how many are failed now."""
        found = {"requeued": 0, "failed": 0}
        async with self._database.lookup() as connection:
            lost = await lost_images(connection, seconds=self._seconds, most=BATCH)
        for tenant, image_id, version in lost:
            async with self._database.transaction(tenant) as connection:
                outcome = await _settle(connection, tenant=tenant, image_id=image_id, version=version)
            if outcome is not None:
                self._log.warning("lost_image", image=image_id, outcome=outcome)
                self._count(outcome)
                found[outcome] += 1
                self._notifier.image_changed(image_id)
        if found["requeued"]:
            self._notifier.jobs_enqueued()
        return dict(found)


async def _settle(connection: Connection, *, tenant: int, image_id: int, version: int) -> str | None:
    """Give the image what it lacks, and return what that was; None when it is not lost (any more)."""
    image = await lock_image(connection, image_id)
    if image is None or image.state is not State.PROCESSING or image.version != version:
        return None
    if await has_live_job(connection, tenant=tenant, image=image_id, version=version):
        return None
    if await has_dead_job(connection, tenant=tenant, image=image_id, version=version):
        await mark_unusable(connection, image_id, version=version, state=State.FAILED, reason=FAILED_REASON)
        return "failed"
    await enqueue_process_image(connection, tenant=tenant, image=image_id, version=version)
    return "requeued"
