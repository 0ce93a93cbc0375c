"""The story of a dead letter: a job that had its last attempt is kept, with the reason, until somebody decides.

Retried, it waits again with all its attempts before it; what it works on goes back to the state in which it can be
worked on, in the same transaction. Discarded, it is gone, and what that means is said: nobody comes back to it. How it
fails: a job that is not dead (any more) is a conflict, and nothing is changed; two who retry at once meet at the job's
row lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tintype.db.dead_letters import delete_dead_job, images_of_jobs, lock_job, note_failure, revive_job
from tintype.db.images import lock_image
from tintype.db.jobs import Priority, Task
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.reprocessing import retry_image
from tintype.domain.errors import Code, Problem
from tintype.domain.image import State
from tintype.domain.job import ImageOfJob, Job, JobState

NOBODYS: Final = 0
"""Stands for the tenant of a job that is no tenant's; no tenant has this id."""

_PRIORITIES: Final[Mapping[str, Priority]] = {
    Task.PROCESS_IMAGE: Priority.UPLOAD,
    Task.EXAMINE_UPLOAD: Priority.UPLOAD,
    Task.MAKE_VARIANT: Priority.ON_DEMAND,
    Task.REMOVE_BLOB: Priority.PURGE,
    Task.FINISH_PURGE: Priority.PURGE,
    Task.PROVE_PURGE: Priority.PROOF,
    Task.SEND_MAIL: Priority.MAIL,
    Task.ASK_PASSWORD_RESET: Priority.MAIL,
    Task.DELETE_ACCOUNT: Priority.PURGE,
    Task.EXPORT_ACCOUNT: Priority.ON_DEMAND,
}


@dataclass(frozen=True, slots=True)
class Settled:
    """A dead letter that was retried or discarded, and what that means, in sentences for people."""

    job: Job
    image: ImageOfJob | None
    meaning: str


class DeadLetters:
    """Retries and discards jobs that failed for good."""

    def __init__(self, *, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    async def retry(self, job_id: int, *, tenant: int | None) -> Settled:
        """Have the tenant's dead job run again. `Problem`: not_found, conflict, or image.gone when there is no use."""
        async with self._database.transaction(tenant or NOBODYS) as connection:
            job = await self._dead(connection, job_id, tenant)
            if job.image is not None and job.task in {Task.PROCESS_IMAGE, Task.MAKE_VARIANT}:
                await _ready_for(connection, job, job.image)
            await revive_job(connection, job.id, priority=_PRIORITIES.get(job.task, Priority.BACKFILL))
            settled = await self._settled(connection, job_id, tenant, _RETRIED)
        self._notifier.jobs_enqueued()
        if job.image is not None:
            self._notifier.image_changed(job.image)
        return settled

    async def discard(self, job_id: int, *, tenant: int | None) -> Settled:
        """Forget the tenant's dead job, and say what that means. `Problem`: not_found or conflict."""
        async with self._database.transaction(tenant or NOBODYS) as connection:
            job = await self._dead(connection, job_id, tenant)
            image = await _image_of(connection, job)
            await delete_dead_job(connection, job_id)
        return Settled(job, image, _meaning_of_discarding(job, image))

    async def note_failure(self, job_id: int, *, tenant: int | None, reason: str) -> None:
        """Keep the reason (a stable code) of the job's latest failure."""
        async with self._database.transaction(tenant or NOBODYS) as connection:
            await note_failure(connection, job=job_id, tenant=tenant or NOBODYS, reason=reason)

    async def _dead(self, connection: Connection, job_id: int, tenant: int | None) -> Job:
        job = await lock_job(connection, job_id, tenant=tenant)
        if job is None:
            raise Problem(Code.NOT_FOUND, "There is no such job. One that was done is gone from the queue.")
        if job.state is not JobState.DEAD:
            raise Problem(
                Code.CONFLICT, f"This job is {job.state}: it goes on by itself. Only a dead one needs a decision."
            )
        return job

    async def _settled(self, connection: Connection, job_id: int, tenant: int | None, meaning: str) -> Settled:
        job = await lock_job(connection, job_id, tenant=tenant)
        if job is None:
            raise LookupError(f"job {job_id} is locked by us and cannot be gone")
        return Settled(job, await _image_of(connection, job), meaning)


async def _ready_for(connection: Connection, job: Job, image_id: int) -> None:
    """Put the image in the state that the job expects; `Problem` when the job could do nothing for it any more."""
    if job.task == Task.PROVE_PURGE:
        return  # its image is meant to be gone
    image = await lock_image(connection, image_id)
    if image is None or image.state is State.PURGED:
        raise Problem(Code.IMAGE_GONE, "The image of this job was deleted. Discard the job.")
    if job.task != Task.PROCESS_IMAGE:
        return
    if image.state is State.TRASHED:
        raise Problem(Code.CONFLICT, "The image is in the trash. Restore it first, or discard the job.")
    if image.version != job.version:
        raise Problem(Code.CONFLICT, "The image was replaced since: this job has nothing to do. Discard it.")
    if image.state is State.FAILED:
        await retry_image(connection, image)
    elif image.state is not State.PROCESSING:
        raise Problem(Code.CONFLICT, f"The image is {image.state}: this job has nothing to do. Discard it.")


async def _image_of(connection: Connection, job: Job) -> ImageOfJob | None:
    return (await images_of_jobs(connection, [job.image])).get(job.image) if job.image is not None else None


_RETRIED: Final = "The job waits to run again, with all its attempts."

_DISCARDED: Final = {
    State.FAILED: "The image stays failed: its original is served, and sizes are made when somebody asks for them. "
    "Reprocess it to try again.",
    State.PURGED: "The image was deleted before: nothing is lost.",
    State.TRASHED: "The image stays in the trash; restored, it is as it was.",
}


def _meaning_of_discarding(job: Job, image: ImageOfJob | None) -> str:
    if job.task == Task.PROCESS_IMAGE and image is not None:
        return _DISCARDED.get(
            image.state, f"The image is {image.state} and stays so: the job had nothing to do any more."
        )
    if job.task == Task.MAKE_VARIANT:
        return "The size is not made now; whoever asks for it has it made."
    if job.task in {Task.REMOVE_BLOB, Task.FINISH_PURGE}:
        return "The image stays deleted and is not served. Its bytes lie in the store until `tintype gc` finds them."
    if job.task == Task.PROVE_PURGE:
        return "The image stays deleted. Its receipt says what its addresses answered last."
    return "Nobody comes back to it."
