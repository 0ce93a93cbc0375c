"""A tenant's jobs as a list: the queue's rows, and the images that they are about."""

from dataclasses import dataclass

from tintype.db.dead_letters import images_of_jobs, list_jobs, tenants_with_jobs
from tintype.db.pool import Database
from tintype.domain.job import ImageOfJob, Job, JobState


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job and its image, if it is about one that there is."""

    job: Job
    image: ImageOfJob | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first; `more` when there are older ones."""

    jobs: tuple[ListedJob, ...]
    more: bool


class JobList:
    """Lists jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, tenant: int | None, states: tuple[JobState, ...], before: int | None, limit: int
    ) -> JobPage:
        """Return at most `limit` jobs of the tenant in these states that are older than the job `before`."""
        async with self._database.transaction(tenant or 0) as connection:
            found = await list_jobs(connection, tenant=tenant, states=states, before=before, limit=limit + 1)
            images = await images_of_jobs(connection, [job.image for job in found if job.image is not None])
        listed = tuple(ListedJob(job, images.get(job.image or 0)) for job in found[:limit])
        return JobPage(listed, more=len(found) > limit)

    async def tenants(self, states: tuple[JobState, ...]) -> tuple[int | None, ...]:
        """Return who has jobs in these states; None stands for the jobs that are nobody's."""
        async with self._database.lookup() as connection:
            return await tenants_with_jobs(connection, states)
