"""The story of uploads that nobody finishes, told at its time.

Those that were reserved and are not complete at their end are given up: what they hold of quotas and of the disk is
others' again. Those that are complete and have no job, dead or alive (a restored backup, a fault of ours), get one:
they were acknowledged. One whose job is dead has it again, after an hour and then ever more rarely: the store that was
away may be back, and nobody else would look. Those that ended days ago are forgotten. Each is looked at again under its
lock, so that bytes which come in the last moment count; it may be cut off, and run beside itself.
"""

from datetime import timedelta
from typing import Final

import structlog

from tintype.db.clock import DatabaseClock
from tintype.db.dead_letters import DeadExamination, dead_examinations, delete_dead_job, lock_job, revive_job
from tintype.db.jobs import Priority, enqueue_examine_upload
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.db.uploads import lock_upload, lost_uploads, overdue_uploads, sweep_ended
from tintype.domain.errors import Problem
from tintype.domain.ids import image_name
from tintype.domain.job import JobState
from tintype.domain.upload import OPEN, UploadState
from tintype.storage.staged_uploads import StagedUploads, end_for_nothing

BATCH: Final = 200
MOST_PER_SWEEP: Final = 5_000
"""Some seconds: then other jobs have their turn, and the next sweep goes on."""

DEAD_FOR: Final = timedelta(hours=1)
"""Before a job that had all its attempts has them again. Each further pause is as long as all before it together."""


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
        """Sweep once; return how many were given up, got a job, got it again, were forgotten, and could not be had."""
        await self._clock.refresh()
        found = {"expired": 0, "requeued": 0, "revived": 0, "forgotten": 0, "failed": 0}
        for _ in range(MOST_PER_SWEEP // BATCH):
            async with self._database.lookup() as connection:
                overdue = await overdue_uploads(connection, limit=BATCH)
            ended = [await self._give_up(tenant, upload, found) for tenant, upload in overdue]
            found["expired"] += sum(ended)
            if len(overdue) < BATCH or not any(ended):
                break
        found["requeued"] = await self._requeue_lost()
        found["revived"] = await self._revive_dead()
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

    async def _revive_dead(self) -> int:
        async with self._database.lookup() as connection:
            dead = await dead_examinations(connection, pause=DEAD_FOR, limit=BATCH)
        revived = sum([await self._revive(each) for each in dead])
        if revived:
            self._notifier.jobs_enqueued()
        return revived

    async def _revive(self, dead: DeadExamination) -> bool:
        """Have the job run again, behind all that is new; forget it, and return False, when its upload has ended."""
        async with self._database.transaction(dead.tenant) as connection:
            upload = await lock_upload(connection, dead.upload)
            job = await lock_job(connection, dead.job, tenant=dead.tenant)
            if job is None or job.state is not JobState.DEAD:
                return False
            if upload is None or upload.state is not UploadState.RECEIVED:
                await delete_dead_job(connection, dead.job)
                return False
            await revive_job(connection, dead.job, priority=Priority.BACKFILL)
        self._log.warning("dead_upload_revived", image=image_name(dead.upload))
        return True
