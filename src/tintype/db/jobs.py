"""Jobs, enqueued in the transaction that needs them (procrastinate's own SQL function).

Deletions outrank what is due at its time, and that outranks uploads; the queue takes the highest priority first.
"""

from enum import IntEnum, StrEnum

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection

QUEUE = "tintype"


class Task(StrEnum):
    """The name of a job; `worker.py` maps it to its story."""

    PROCESS_IMAGE = "process_image"
    REMOVE_BLOB = "remove_blob"


class Priority(IntEnum):
    """Higher runs first."""

    PURGE = 20
    PERIODIC = 15
    """Few, and mostly short: behind a day's uploads they would never run."""
    UPLOAD = 10


async def enqueue_process_image(connection: Connection, *, tenant: int, image: int, version: int) -> None:
    """Have the variants of an image made."""
    await _enqueue(
        connection, Task.PROCESS_IMAGE, Priority.UPLOAD, {"tenant": tenant, "image": image, "version": version}
    )


async def enqueue_remove_blob(connection: Connection, *, tenant: int, sha256: bytes) -> None:
    """Have the bytes and variants of a blob removed, unless something refers to it by then."""
    await _enqueue(connection, Task.REMOVE_BLOB, Priority.PURGE, {"tenant": tenant, "sha256": sha256.hex()})


async def enqueue_periodic(connection: Connection, name: str, priority: Priority) -> int:
    """Have a periodic task run, and return the job's id; the worker knows the task by its name."""
    cursor = await connection.execute(
        """SELECT (procrastinate_defer_jobs_v1(ARRAY[
               ROW(%s, %s, %s, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1]))[1]""",
        [QUEUE, name, int(priority)],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(name)
    return int(row[0])


async def _enqueue(connection: Connection, task: Task, priority: Priority, arguments: dict[str, object]) -> None:
    await connection.execute(
        """SELECT procrastinate_defer_jobs_v1(ARRAY[
               ROW(%s, %s, %s, NULL, NULL, %s, NULL)::procrastinate_job_to_defer_v1])""",
        [QUEUE, task, int(priority), Jsonb(arguments)],
    )


async def queue_depth_and_age(connection: Connection) -> tuple[int, float]:
    """Return how many jobs wait, and for how many seconds the oldest has."""
    cursor = await connection.execute(
        """SELECT count(*), coalesce(extract(epoch FROM now() - min(e.at)), 0)
           FROM procrastinate_jobs j
           LEFT JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
           WHERE j.status = 'todo' AND j.queue_name = %s""",
        [QUEUE],
    )
    row = await cursor.fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)
