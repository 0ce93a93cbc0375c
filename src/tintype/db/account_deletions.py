"""Deletions of accounts: closing the row, hiding and finding the images, and the receipt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, LiteralString

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.db.purges import Cause, PurgeRecord
from tintype.domain.ids import ImageRef, bucket_of


class DeletionCause(StrEnum):
    """Who wanted it: the person, the operator, or the journal after a backup came back."""

    REQUEST = "request"
    OPERATOR = "operator"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion. `removed` are rows by table; `finished_at` is None while its job is under way."""

    account: int
    tenant: int
    cause: DeletionCause
    token_hash: bytes | None
    removed: Mapping[str, int]
    requested_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PurgedWith:
    """An image that went with its account, and its receipt."""

    ref: ImageRef
    purge: PurgeRecord


async def tenant_of_deletion(connection: Connection, account: int) -> int | None:
    """Return the tenant of a deleted account, or None when it was not deleted."""
    cursor = await connection.execute("SELECT tenant_of_deletion(%s, %s)", [bucket_of(account), account])
    row = await cursor.fetchone()
    return row[0] if row else None


async def lock_state(connection: Connection, account: int) -> str | None:
    """Return the account's state, None when there is no such account, and hold its lock until the transaction ends."""
    cursor = await connection.execute(
        "SELECT state FROM accounts WHERE bucket = %s AND id = %s FOR UPDATE", [bucket_of(account), account]
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else None


async def hold_active(connection: Connection, account: int) -> bool:
    """Return whether the account is active, and keep it from being closed until the transaction ends."""
    cursor = await connection.execute(
        "SELECT 1 FROM accounts WHERE bucket = %s AND id = %s AND state = 'active' FOR SHARE",
        [bucket_of(account), account],
    )
    return await cursor.fetchone() is not None


async def close_account(connection: Connection, account: int) -> datetime:
    """Leave of the account a stub that says that it was deleted; return when. The caller has its lock."""
    cursor = await connection.execute(
        """UPDATE accounts SET state = 'deleted', state_reason = NULL, handle = '', email = '',
               email_verified_at = NULL, password_hash = NULL, role = 'member', name = NULL, bio = NULL, links = '{}',
               avatar = NULL, banner = NULL, updated_at = now(), deleted_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s RETURNING deleted_at""",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(account)
    deleted_at: datetime = row[0]
    return deleted_at


async def insert_deletion(
    connection: Connection, *, account: int, tenant: int, cause: DeletionCause, token_hash: bytes | None
) -> None:
    """Record that the account is being deleted; of one that came back, anew."""
    await connection.execute(
        """INSERT INTO account_deletions (bucket, account, tenant, cause, state, token_hash)
           VALUES (%s, %s, %s, %s, 'under_way', %s)
           ON CONFLICT (bucket, account) DO UPDATE SET state = 'under_way', cause = excluded.cause,
               token_hash = coalesce(account_deletions.token_hash, excluded.token_hash), finished_at = NULL""",
        [bucket_of(account), account, tenant, cause, token_hash],
    )


async def add_removed(connection: Connection, account: int, removed: Mapping[str, int]) -> None:
    """Add rows that were removed to the receipt, in the transaction that removed them."""
    if removed:
        await connection.execute(
            """UPDATE account_deletions d SET removed = d.removed || (
                   SELECT jsonb_object_agg(key, value::int8 + coalesce((d.removed ->> key)::int8, 0))
                   FROM jsonb_each_text(%s))
               WHERE bucket = %s AND account = %s""",
            [Jsonb(dict(removed)), bucket_of(account), account],
        )


async def finish_deletion(connection: Connection, account: int) -> bool:
    """Record that nothing is left to do; return whether that was not known yet."""
    cursor = await connection.execute(
        """UPDATE account_deletions SET state = 'done', finished_at = now()
           WHERE bucket = %s AND account = %s AND state = 'under_way' RETURNING 1""",
        [bucket_of(account), account],
    )
    return await cursor.fetchone() is not None


async def get_deletion(connection: Connection, account: int) -> Deletion | None:
    """Return the deletion of the account (of this tenant), or None."""
    cursor = await connection.execute(
        """SELECT account, tenant, cause, token_hash, removed, requested_at, finished_at FROM account_deletions
           WHERE bucket = %s AND account = %s""",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    number, tenant, cause, token_hash, removed, requested_at, finished_at = row
    return Deletion(number, tenant, DeletionCause(cause), token_hash, removed, requested_at, finished_at)


# The images of an account lie in whatever buckets they were drawn in: these ask every shard, by the index of owners.


async def hide_images(connection: Connection, *, tenant: int, owner: int, limit: int) -> tuple[int, ...]:
    """Put at most `limit` images of the account out of sight, as the trash does, and return their ids."""
    cursor = await connection.execute(
        """WITH seen AS (
               SELECT bucket, id FROM images
               WHERE tenant = %s AND owner = %s AND state <> 'purged' AND state <> 'trashed'
               ORDER BY id LIMIT %s FOR UPDATE)
           UPDATE images i SET trashed_from = i.state, state = 'trashed', trashed_at = now(), updated_at = now(),
               revision = i.revision + 1
           FROM seen WHERE i.bucket = seen.bucket AND i.id = seen.id RETURNING i.id""",
        [tenant, owner, limit],
    )
    return tuple(row[0] for row in await cursor.fetchall())


async def images_to_purge(
    connection: Connection, *, tenant: int, owner: int, after: int, limit: int
) -> tuple[int, ...]:
    """Return ids of images of the account above `after` that no hold keeps."""
    cursor = await connection.execute(
        """SELECT id FROM images WHERE tenant = %s AND owner = %s AND state <> 'purged' AND NOT hold AND id > %s
           ORDER BY id LIMIT %s""",
        [tenant, owner, after, limit],
    )
    return tuple(row[0] for row in await cursor.fetchall())


async def count_purged(connection: Connection, *, tenant: int, owner: int, since: datetime) -> int:
    """Return how many images of the account were purged since then."""
    cursor = await connection.execute(
        "SELECT count(*) FROM purges WHERE tenant = %s AND owner = %s AND purged_at >= %s", [tenant, owner, since]
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def kept_images(connection: Connection, *, tenant: int, owner: int, limit: int) -> tuple[ImageRef, ...]:
    """Return images of the account that are not purged: a hold keeps them, or their turn has not come."""
    cursor = await connection.execute(
        """SELECT id, secret FROM images WHERE tenant = %s AND owner = %s AND state <> 'purged' AND hold
           ORDER BY id LIMIT %s""",
        [tenant, owner, limit],
    )
    return tuple(ImageRef(number, int.from_bytes(secret, "big")) for number, secret in await cursor.fetchall())


_PURGED_WITH: Final[LiteralString] = """SELECT i.id, i.secret, p.cause, p.paths, p.cache_tags, p.purged_at, p.statuses,
        p.probed_at
    FROM purges p JOIN images i ON i.bucket = p.bucket AND i.id = p.image
    WHERE p.tenant = %s AND p.owner = %s AND p.purged_at >= %s AND p.image > %s ORDER BY p.image LIMIT %s"""


async def purged_with(
    connection: Connection, *, tenant: int, owner: int, since: datetime, after: int, limit: int
) -> tuple[PurgedWith, ...]:
    """Return the receipts of images of the account that were purged since then, by the image's id above `after`."""
    cursor = await connection.execute(_PURGED_WITH, [tenant, owner, since, after, limit])
    return tuple(_purged(row, owner) for row in await cursor.fetchall())


async def free_handles(connection: Connection, *, keep: timedelta) -> int:
    """Let others have the names of accounts that were deleted so long ago; return how many."""
    cursor = await connection.execute(
        """WITH gone AS (
               DELETE FROM handles h USING account_deletions d
               WHERE h.tenant = current_tenant() AND d.tenant = h.tenant AND d.account = h.account
                 AND d.requested_at < now() - %s RETURNING 1)
           SELECT count(*) FROM gone""",
        [keep],
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def forget_deletions(connection: Connection, *, before: datetime) -> int:
    """Forget the receipts of accounts that were deleted before then; return how many. Handles must be free by then."""
    cursor = await connection.execute(
        """WITH gone AS (
               DELETE FROM account_deletions d
               WHERE d.tenant = current_tenant() AND d.state = 'done' AND d.finished_at < %s
                 AND NOT EXISTS (SELECT 1 FROM handles h WHERE h.tenant = d.tenant AND h.account = d.account)
               RETURNING 1)
           SELECT count(*) FROM gone""",
        [before],
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def deletions_since(connection: Connection, since: datetime) -> tuple[int, ...]:
    """Return the accounts whose deletion was done since then."""
    cursor = await connection.execute(
        """SELECT account FROM account_deletions
           WHERE tenant = current_tenant() AND state = 'done' AND finished_at >= %s""",
        [since],
    )
    return tuple(row[0] for row in await cursor.fetchall())


async def deleted_with_traces(connection: Connection, *, tenant: int) -> Sequence[tuple[int, int]]:
    """Return accounts whose deletion is done, each with how many of its images are neither purged nor on hold."""
    cursor = await connection.execute(
        """SELECT d.account, (SELECT count(*) FROM images i WHERE i.tenant = d.tenant AND i.owner = d.account
                                AND i.state <> 'purged' AND NOT i.hold)
           FROM account_deletions d WHERE d.tenant = %s AND d.state = 'done'""",
        [tenant],
    )
    return [(account, images) for account, images in await cursor.fetchall()]


async def states_of(connection: Connection, accounts: Sequence[int]) -> Mapping[int, str]:
    """Return the state of each of these accounts (of this tenant) that there is."""
    cursor = await connection.execute(
        "SELECT id, state FROM accounts JOIN unnest(%s::int2[], %s::int8[]) AS wanted (bucket, id) USING (bucket, id)",
        [[bucket_of(account) for account in accounts], list(accounts)],
    )
    return dict(await cursor.fetchall())


def _purged(row: tuple[Any, ...], owner: int) -> PurgedWith:
    number, secret, cause, paths, tags, purged_at, statuses, probed_at = row
    known = tuple(statuses) if statuses is not None else None
    purge = PurgeRecord(Cause(cause), None, owner, tuple(paths), tuple(tags), purged_at, known, probed_at)
    return PurgedWith(ImageRef(number, int.from_bytes(secret, "big")), purge)
