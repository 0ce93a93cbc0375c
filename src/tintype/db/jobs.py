"""Jobs, enqueued in the transaction that needs them (procrastinate's own SQL function).

Deletions outrank what is due at its time; that outranks uploads, which outrank what somebody looks at, which outranks
the rest. The queue takes the highest priority first.
"""

from enum import IntEnum, StrEnum

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.domain.purge import Purge
from tintype.domain.transform import Variant

QUEUE = "tintype"


class Task(StrEnum):
    """The name of a job; `worker.py` maps it to its story."""

    PROCESS_IMAGE = "process_image"
    EXAMINE_UPLOAD = "examine_upload"
    MAKE_VARIANT = "make_variant"
    REMOVE_BLOB = "remove_blob"
    FINISH_PURGE = "finish_purge"
    PROVE_PURGE = "prove_purge"
    SEND_MAIL = "send_mail"
    ASK_PASSWORD_RESET = "ask_password_reset"  # noqa: S105 -- the name of a job
    DELETE_ACCOUNT = "delete_account"
    EXPORT_ACCOUNT = "export_account"


class Priority(IntEnum):
    """Higher runs first."""

    PURGE = 20
    PERIODIC = 15
    """Few, and mostly short: behind a day's uploads they would never run."""
    MAIL = 12
    """Somebody waits for it, and it takes a second of nobody's processor."""
    UPLOAD = 10
    ON_DEMAND = 5
    """Variants that somebody asked for while uploads had to wait."""
    BACKFILL = 0
    """What was there before and is made anew."""
    PROOF = 3
    """Nobody waits for it, and a mass deletion has as many of them as images."""


async def enqueue_process_image(
    connection: Connection, *, tenant: int, image: int, version: int, priority: Priority = Priority.UPLOAD
) -> None:
    """Have the variants of an image made."""
    await _enqueue(connection, Task.PROCESS_IMAGE, priority, {"tenant": tenant, "image": image, "version": version})


async def enqueue_examine_upload(connection: Connection, *, tenant: int, upload: int) -> None:
    """Have the staged bytes of an upload examined, and made an image."""
    await _enqueue(connection, Task.EXAMINE_UPLOAD, Priority.UPLOAD, {"tenant": tenant, "upload": upload})


async def enqueue_make_variant(
    connection: Connection, *, tenant: int, image: int, version: int, variant: Variant, sha256: bytes
) -> bool:
    """Have one variant made, and return whether that is new: a job that waits or runs will do for all who ask.

    Two who ask in the same moment may both enqueue one; the second finds the variant made.
    """
    output = variant.output
    name = f"{sha256.hex()}-{output.digest}"
    cursor = await connection.execute(
        """SELECT 1 FROM procrastinate_jobs
           WHERE task_name = %s AND args ->> 'variant' = %s AND args ->> 'tenant' = %s AND status IN ('todo', 'doing')
           LIMIT 1""",
        [Task.MAKE_VARIANT, name, str(tenant)],
    )
    if await cursor.fetchone() is not None:
        return False
    arguments: dict[str, object] = {
        "tenant": tenant,
        "image": image,
        "version": version,
        "variant": name,
        "preset": variant.preset,
        "transform": output.transform.canonical,
        "format": str(output.format),
    }
    await _enqueue(connection, Task.MAKE_VARIANT, Priority.ON_DEMAND, arguments)
    return True


async def enqueue_remove_blob(connection: Connection, *, tenant: int, sha256: bytes) -> None:
    """Have the bytes and variants of a blob removed, unless something refers to it by then."""
    await _enqueue(connection, Task.REMOVE_BLOB, Priority.PURGE, {"tenant": tenant, "sha256": sha256.hex()})


async def enqueue_finish_purge(connection: Connection, purge: Purge) -> None:
    """Have a purge written to the journal, and the bytes removed that nothing refers to by then."""
    arguments: dict[str, object] = {"tenant": purge.tenant, "purge": purge.as_line()}
    await _enqueue(connection, Task.FINISH_PURGE, Priority.PURGE, arguments)


async def enqueue_prove_purge(connection: Connection, *, tenant: int, image: int) -> None:
    """Have every address of a purged image asked whether it shows anything."""
    await _enqueue(connection, Task.PROVE_PURGE, Priority.PROOF, {"tenant": tenant, "image": image})


async def enqueue_send_mail(connection: Connection, *, tenant: int, mail: int) -> None:
    """Have a mail sent."""
    await _enqueue(connection, Task.SEND_MAIL, Priority.MAIL, {"tenant": tenant, "mail": mail})


async def enqueue_ask_password_reset(connection: Connection, *, tenant: int, email: str, noted: str | None) -> None:
    """Have the account with this address (in its normal form) written to, if there is one: whoever asks learns not.

    `noted` is from where it was asked, as far as that may be written down.
    """
    arguments: dict[str, object] = {"tenant": tenant, "email": email, "noted": noted}
    await _enqueue(connection, Task.ASK_PASSWORD_RESET, Priority.MAIL, arguments)


async def enqueue_delete_account(connection: Connection, *, tenant: int, account: int) -> None:
    """Have all that a closed account has removed."""
    await _enqueue(connection, Task.DELETE_ACCOUNT, Priority.PURGE, {"tenant": tenant, "account": account})


async def enqueue_export_account(connection: Connection, *, tenant: int, account: int, export: int) -> None:
    """Have an account's export made, if it is still the one that is wanted by then."""
    arguments: dict[str, object] = {"tenant": tenant, "account": account, "export": export}
    await _enqueue(connection, Task.EXPORT_ACCOUNT, Priority.ON_DEMAND, arguments)


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
    """Return how many jobs wait, and for how many seconds the oldest has that is no back-fill: those may wait for days.

    Nor does one count that is to be tried again later.
    """
    cursor = await connection.execute(
        """SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = %s),
                  coalesce((SELECT extract(epoch FROM now() - min(e.at)) FROM procrastinate_events e
                            WHERE e.type = 'deferred' AND e.job_id = (
                                SELECT min(id) FROM procrastinate_jobs
                                WHERE status = 'todo' AND queue_name = %s AND priority > %s
                                  AND scheduled_at IS NULL)), 0)""",
        [QUEUE, QUEUE, int(Priority.BACKFILL)],
    )
    row = await cursor.fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)


async def count_dead_jobs(connection: Connection) -> int:
    """Return how many jobs had every attempt and wait for a decision."""
    cursor = await connection.execute(
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed' AND queue_name = %s", [QUEUE]
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def backlog_of_uploads(connection: Connection, *, most: int) -> tuple[int, float]:
    """Return how many uploads (at most `most`) wait to be processed, and for how many seconds the oldest has.

    Those that are to be tried again later do not count: nothing here makes them wait.
    """
    cursor = await connection.execute(
        """WITH waiting AS MATERIALIZED (
               SELECT id FROM procrastinate_jobs
               WHERE status = 'todo' AND queue_name = %s AND priority = %s AND scheduled_at IS NULL
               ORDER BY priority DESC, id LIMIT %s)
           SELECT (SELECT count(*) FROM waiting),
                  coalesce((SELECT extract(epoch FROM now() - min(e.at)) FROM procrastinate_events e
                            WHERE e.job_id = (SELECT min(id) FROM waiting) AND e.type = 'deferred'), 0)""",
        [QUEUE, int(Priority.UPLOAD), most],
    )
    row = await cursor.fetchone()
    return (int(row[0]), float(row[1])) if row else (0, 0.0)
