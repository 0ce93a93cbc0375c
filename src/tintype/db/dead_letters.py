"""Jobs for people: listed, retried and discarded. The queue's own rows (procrastinate's), and why they failed.

procrastinate's tables know no tenant; a job names its tenant in its arguments, and every statement here asks for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

from tintype.db.jobs import QUEUE, Priority, Task
from tintype.db.pool import Connection
from tintype.domain.ids import ImageRef, bucket_of
from tintype.domain.image import State
from tintype.domain.job import ImageOfJob, Job, JobState

_STATUS: Final = {JobState.WAITING: "todo", JobState.RUNNING: "doing", JobState.DEAD: "failed"}
_STATES: Final = {status: state for state, status in _STATUS.items()}

_SELECT: Final[LiteralString] = """SELECT j.id, (j.args ->> 'tenant')::int8, j.task_name, j.status::text, j.attempts,
        j.priority, (j.args ->> 'image')::int8, (j.args ->> 'version')::int4,
        (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'deferred'),
        f.reason, f.failed_at
    FROM procrastinate_jobs j LEFT JOIN job_failures f ON f.job = j.id"""


_MINE: Final[LiteralString] = " WHERE coalesce(j.args ->> 'tenant', '') = %s AND j.queue_name = %s"
"""Takes the tenant as text; '' are the jobs that are no tenant's."""


async def list_jobs(
    connection: Connection, *, tenant: int | None, states: Iterable[JobState], before: int | None, limit: int
) -> tuple[Job, ...]:
    """Return jobs of the tenant (or of none) in these states, newest first; only those older than the job `before`."""
    cursor = await connection.execute(
        _SELECT
        + _MINE
        + """ AND j.status::text = ANY (%s) AND (%s::int8 IS NULL OR j.id < %s) ORDER BY j.id DESC LIMIT %s""",
        [_text(tenant), QUEUE, [_STATUS[state] for state in states], before, before, limit],
    )
    return tuple(_job(row) for row in await cursor.fetchall())


async def lock_job(connection: Connection, job_id: int, *, tenant: int | None) -> Job | None:
    """Return the tenant's job and hold its lock until the transaction ends; None when there is no such job."""
    cursor = await connection.execute(
        _SELECT + _MINE + " AND j.id = %s FOR UPDATE OF j", [_text(tenant), QUEUE, job_id]
    )
    row = await cursor.fetchone()
    return _job(row) if row and row[3] in _STATES else None


async def revive_job(connection: Connection, job_id: int, *, priority: Priority) -> None:
    """Have a dead job wait again, with all its attempts before it. The caller holds its lock."""
    await connection.execute(
        """UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL,
               priority = %s
           WHERE id = %s AND status = 'failed'""",
        [int(priority), job_id],
    )


async def delete_dead_job(connection: Connection, job_id: int) -> None:
    """Forget a dead job, and why it died."""
    await connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s AND status = 'failed'", [job_id])


async def delete_dead_jobs_of_image(connection: Connection, *, tenant: int, image: int) -> None:
    """Forget the dead jobs that were to make something of the image: it is processed anew, or gone."""
    await connection.execute(
        """DELETE FROM procrastinate_jobs
           WHERE coalesce(args ->> 'tenant', '') = %s AND status = 'failed' AND args ->> 'image' = %s
             AND task_name = ANY (%s)""",
        [_text(tenant), str(image), [Task.PROCESS_IMAGE, Task.MAKE_VARIANT]],
    )


async def has_dead_job(connection: Connection, *, tenant: int, image: int, version: int) -> bool:
    """Return whether a job to process this version of the image had its last attempt."""
    return await _has_job(connection, tenant=tenant, image=image, version=version, statuses=["failed"])


async def has_live_job(connection: Connection, *, tenant: int, image: int, version: int) -> bool:
    """Return whether a job to process this version of the image waits or runs."""
    return await _has_job(connection, tenant=tenant, image=image, version=version, statuses=["todo", "doing"])


async def _has_job(connection: Connection, *, tenant: int, image: int, version: int, statuses: list[str]) -> bool:
    cursor = await connection.execute(
        """SELECT 1 FROM procrastinate_jobs
           WHERE task_name = %s AND args ->> 'image' = %s AND args ->> 'tenant' = %s AND args ->> 'version' = %s
             AND status::text = ANY (%s) LIMIT 1""",
        [Task.PROCESS_IMAGE, str(image), str(tenant), str(version), statuses],
    )
    return await cursor.fetchone() is not None


@dataclass(frozen=True, slots=True)
class DeadExamination:
    """A job that had its last attempt at an upload that is complete."""

    job: int
    tenant: int
    upload: int


async def dead_examinations(connection: Connection, *, pause: timedelta, limit: int) -> tuple[DeadExamination, ...]:
    """Return jobs that examine uploads and died at least `pause` ago, and at least as long ago as they had lived.

    Of every tenant and bucket: the queue knows neither.
    """
    cursor = await connection.execute(
        """SELECT j.id, (j.args ->> 'tenant')::int8, (j.args ->> 'upload')::int8
           FROM procrastinate_jobs j, LATERAL (
               SELECT min(e.at) AS began, max(e.at) AS died FROM procrastinate_events e WHERE e.job_id = j.id) AS life
           WHERE j.task_name = 'examine_upload' AND j.status = 'failed'
             AND now() - life.died >= greatest(%s, life.died - life.began)
           ORDER BY j.id LIMIT %s""",
        [pause, limit],
    )
    return tuple(DeadExamination(*row) for row in await cursor.fetchall())


async def note_failure(connection: Connection, *, job: int, tenant: int, reason: str) -> None:
    """Keep why the job's latest attempt failed; nothing when the job is gone."""
    await connection.execute(
        """INSERT INTO job_failures (job, tenant, reason) SELECT id, %s, %s FROM procrastinate_jobs WHERE id = %s
           ON CONFLICT (job) DO UPDATE SET reason = excluded.reason, failed_at = now()""",
        [tenant, reason, job],
    )


async def images_of_jobs(connection: Connection, ids: Iterable[int]) -> dict[int, ImageOfJob]:
    """Return the images with these ids, those that there are."""
    wanted = sorted(set(ids))
    cursor = await connection.execute(
        """SELECT id, secret, state FROM images
           WHERE (bucket, id) IN (SELECT * FROM unnest(%s::int2[], %s::int8[]))""",
        [[bucket_of(image) for image in wanted], wanted],
    )
    return {
        image: ImageOfJob(ImageRef(image, int.from_bytes(secret, "big")), State(state))
        for image, secret, state in await cursor.fetchall()
    }


async def tenants_with_jobs(connection: Connection, states: Iterable[JobState]) -> tuple[int | None, ...]:
    """Return the tenants that have jobs in these states, and None for nobody's: the operator's list is of all."""
    cursor = await connection.execute(
        """SELECT DISTINCT (args ->> 'tenant')::int8 FROM procrastinate_jobs
           WHERE status::text = ANY (%s) AND queue_name = %s ORDER BY 1""",
        [[_STATUS[state] for state in states], QUEUE],
    )
    return tuple(tenant for (tenant,) in await cursor.fetchall())


async def tenant_of_job(connection: Connection, job_id: int) -> int | None:
    """Return whose job it is; None when it is nobody's, or not there."""
    cursor = await connection.execute(
        "SELECT (args ->> 'tenant')::int8 FROM procrastinate_jobs WHERE id = %s AND queue_name = %s", [job_id, QUEUE]
    )
    row = await cursor.fetchone()
    return row[0] if row else None


def _text(tenant: int | None) -> str:
    return "" if tenant is None else str(tenant)


def _job(row: tuple[Any, ...]) -> Job:
    job_id, tenant, task, status, attempts, priority, image, version, created_at, reason, failed_at = row
    return Job(job_id, tenant, task, _STATES[status], attempts, priority, image, version, created_at, reason, failed_at)
