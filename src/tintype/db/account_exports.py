"""Exports of accounts: what was asked for last and how far it is, in the account's bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tintype.db.jobs import Task
from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of


class ExportState(StrEnum):
    """waiting → running → ready | failed; a new request begins anew."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


UNDER_WAY = frozenset({ExportState.WAITING, ExportState.RUNNING})


@dataclass(frozen=True, slots=True)
class Export:
    """An export. `size` is in bytes, None until it is ready."""

    id: int
    account: int
    tenant: int
    state: ExportState
    images_total: int
    images_done: int
    size: int | None
    requested_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


async def get_export(connection: Connection, account: int) -> Export | None:
    """Return what the account asked for last, or None."""
    cursor = await connection.execute(
        """SELECT id, account, tenant, state, images_total, images_done, size, requested_at, finished_at, expires_at
           FROM account_exports WHERE bucket = %s AND account = %s""",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return Export(row[0], row[1], row[2], ExportState(row[3]), *row[4:]) if row else None


async def has_export_job(connection: Connection, export: int) -> bool:
    """Return whether a job waits or works on the export: one that had its last attempt leaves it half done."""
    cursor = await connection.execute(
        """SELECT 1 FROM procrastinate_jobs
           WHERE task_name = %s AND status IN ('todo', 'doing') AND args ->> 'export' = %s LIMIT 1""",
        [Task.EXPORT_ACCOUNT, str(export)],
    )
    return await cursor.fetchone() is not None


async def begin_export(connection: Connection, *, tenant: int, account: int, export: int) -> None:
    """Put the new export in the place of the one before; the caller has the account's lock."""
    await connection.execute(
        """INSERT INTO account_exports AS e (bucket, account, tenant, id, state, images_total)
           SELECT %s, %s, %s, %s, 'waiting', count(*) FROM images
           WHERE tenant = %s AND owner = %s AND state <> 'purged'
           ON CONFLICT (bucket, account) DO UPDATE SET id = excluded.id, state = excluded.state, images_done = 0,
               images_total = excluded.images_total, size = NULL, requested_at = now(), finished_at = NULL,
               expires_at = NULL""",
        [bucket_of(account), account, tenant, export, tenant, account],
    )


async def note_progress(connection: Connection, *, account: int, export: int, done: int) -> bool:
    """Record how many images are in the file; return whether the export is still the one that is wanted."""
    cursor = await connection.execute(
        """UPDATE account_exports SET state = 'running', images_done = %s, images_total = greatest(images_total, %s)
           WHERE bucket = %s AND account = %s AND id = %s AND state <> 'ready' RETURNING 1""",
        [done, done, bucket_of(account), account, export],
    )
    return await cursor.fetchone() is not None


async def finish_export(connection: Connection, *, account: int, export: int, size: int, keep: timedelta) -> bool:
    """Record that the file is there, and until when; return whether it is still the one that is wanted."""
    cursor = await connection.execute(
        """UPDATE account_exports SET state = 'ready', size = %s, finished_at = now(), expires_at = now() + %s
           WHERE bucket = %s AND account = %s AND id = %s RETURNING 1""",
        [size, keep, bucket_of(account), account, export],
    )
    return await cursor.fetchone() is not None


async def fail_export(connection: Connection, *, account: int, export: int) -> None:
    """Record that an attempt failed; the next one, if there is one, runs anew."""
    await connection.execute(
        """UPDATE account_exports SET state = 'failed', finished_at = now()
           WHERE bucket = %s AND account = %s AND id = %s AND state <> 'ready'""",
        [bucket_of(account), account, export],
    )


async def images_of(connection: Connection, *, tenant: int, owner: int, after: int, limit: int) -> Sequence[int]:
    """Return ids of the account's images above `after`; they lie in every bucket, by the index of owners."""
    cursor = await connection.execute(
        """SELECT id FROM images WHERE tenant = %s AND owner = %s AND state <> 'purged' AND id > %s
           ORDER BY id LIMIT %s""",
        [tenant, owner, after, limit],
    )
    return [row[0] for row in await cursor.fetchall()]


async def take_expired_exports(connection: Connection) -> int:
    """Forget the tenant's exports whose time is over, whatever their bucket; return how many."""
    cursor = await connection.execute(
        """WITH gone AS (
               DELETE FROM account_exports WHERE tenant = current_tenant() AND expires_at < now() RETURNING 1)
           SELECT count(*) FROM gone"""
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def is_wanted(connection: Connection, *, account: int, export: int) -> bool:
    """Return whether it is still the account's export."""
    cursor = await connection.execute(
        "SELECT 1 FROM account_exports WHERE bucket = %s AND account = %s AND id = %s",
        [bucket_of(account), account, export],
    )
    return await cursor.fetchone() is not None
