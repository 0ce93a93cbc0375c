"""The story of uploads that nobody finishes, told at its time.

Those that were reserved and are not complete at their end are given up: what they hold of quotas and of the disk is
others' again. Those that are complete and have no job, dead or alive (a restored backup, a fault of ours), get one:
they were acknowledged. Those that ended days ago are forgotten. Each is looked at again under its lock, so that bytes
which come in the last moment count; it may be cut off, and run beside itself.
"""

from typing import Final

import structlog

from tintype.db.clock import DatabaseClock
from tintype.db.jobs import enqueue_examine_upload
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.db.uploads import lock_upload, lost_uploads, overdue_uploads, sweep_ended
from tintype.domain.errors import Problem
from tintype.domain.ids import image_name
from tintype.domain.upload import OPEN, UploadState
from tintype.storage.staged_uploads import StagedUploads, end_for_nothing

BATCH: Final = 200
MOST_PER_SWEEP: Final = 5_000
"""Some seconds: then other jobs have their turn, and the next sweep goes on."""


class SweepUploads:
    """Gives up, takes up again, and forgets uploads."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        notifier: Notifier,
        staged: StagedUploads,
        lost_seconds: float,
    ) -> None:
        """An upload is lost that was complete for so many seconds, and has no job."""
        self._database = database
        self._clock = clock
        self._notifier = notifier
        self._staged = staged
        self._lost_seconds = lost_seconds
        self._log = structlog.get_logger("tintype.uploads")

    async def __call__(self) -> dict[str, object]:
        """Sweep once; return how many were given up, got a job, were forgotten, and could not be had."""
        await self._clock.refresh()
        found = {"expired": 0, "requeued": 0, "forgotten": 0, "failed": 0}
        for _ in range(MOST_PER_SWEEP // BATCH):
            async with self._database.lookup() as connection:
                overdue = await overdue_uploads(connection, limit=BATCH)
            ended = [await self._give_up(tenant, upload, found) for tenant, upload in overdue]
            found["expired"] += sum(ended)
            if len(overdue) < BATCH or not any(ended):
                break
        found["requeued"] = await self._requeue_lost()
        async with self._database.lookup() as connection:
            found["forgotten"] = await sweep_ended(connection, limit=MOST_PER_SWEEP)
        return dict(found)

    async def _give_up(self, tenant: int, upload_id: int, found: dict[str, int]) -> bool:
        try:
            async with self._database.transaction(tenant) as connection:
                upload = await lock_upload(connection, upload_id)
                if upload is None or upload.state not in OPEN or upload.expires_at > self._clock.now():
                    return False
                await end_for_nothing(connection, upload, UploadState.EXPIRED)
        except Problem as problem:
            found["failed"] += 1
            self._log.warning("expiry_failed", image=image_name(upload_id), error=repr(problem))
            return False
        await self._staged.clear(upload)
        return True

    async def _requeue_lost(self) -> int:
        async with self._database.lookup() as connection:
            lost = await lost_uploads(connection, seconds=self._lost_seconds, limit=BATCH)
        for tenant, upload_id in lost:
            self._log.warning("lost_upload", image=image_name(upload_id))
            async with self._database.transaction(tenant) as connection:
                await enqueue_examine_upload(connection, tenant=tenant, upload=upload_id)
        if lost:
            self._notifier.jobs_enqueued()
        return len(lost)
