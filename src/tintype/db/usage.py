"""What tenants and accounts keep: counted exactly, in the transaction that changes it, without one hot row.

Every upload, replacement and purge adds to a slot of its tenant, drawn at random among `SLOTS`, so that as many commits
as there are slots need not wait for each other. What is kept is the sum of the slots.

A quota on a sum of slots could be passed by uploads that each see the sum without the others. So the room that is left
is *shared out*: each slot has a share up to which it may grow, and the shares together are never more than the quota
(escrow; O'Neil, "The Escrow Transactional Method", TODS 1986). Far from the edge an upload updates one row, on the
condition that the slot stays within its share. Where it would not, the locks of all slots are taken, in their order;
then nobody is under way, the sum is exact, and the upload is refused, or added and the room shared out anew. Near the
edge every upload comes to that: they go one after the other, and the last byte and the last image are given once.

Why it holds: after sharing out, the sum of the shares is the quota, or the sum of what is there if that is more; a slot
grows within its share only, and what goes takes its share along (`take_from_slot`), so neither sum passes that again.
Each slot remembers of which quota its share is; with another one it is shared out anew before anything is added, under
locks and with the quota as it is then. Nobody waits in a circle: whoever needs all slots holds none, because the
attempt on one is undone first. An account is one person: it has one slot, and its quota is compared under that row's
lock.

A refusal is an error of the database, so the statement needs no answer before the commit: it travels in the
transaction's pipeline (`db/pool.py` makes a `Problem` of it). `tests/stories/test_usage.py` sends 50 uploads at once
to the edge, `test_quota_slots.py` compares with a model; `bench/quota.py` measures one busy tenant.

Days are counted in the same slots, beside it. A recount compares the sums with the images in one snapshot: both change
in the same transactions, so what differs there is drift, whatever is under way.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.quota import WHOLE_TENANT, DefaultQuotas, Quota, UsageChange

SLOTS: Final = 32
"""Of a tenant: more than there are connections that commit at once. Fewer in a later version would do no harm."""

BATCH_DAYS: Final = 30
"""How long a batch's name is kept: long after the process that might send it again is gone."""

_NO_LIMITS: Final = DefaultQuotas()


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is now."""

    bytes: int
    images: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is now, and how much there may be."""

    kept: Kept
    quota: Quota


@dataclass(frozen=True, slots=True)
class Day:
    """What was done on a day (UTC)."""

    requests: int = 0
    uploads: int = 0
    bytes_in: int = 0
    deletes: int = 0


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Requests of an account, or of the tenant as a whole, on one day (UTC)."""

    account: int
    day: date
    requests: int


@dataclass(frozen=True, slots=True)
class Drift:
    """By how much the images are more than what is counted for an account, or for the tenant as a whole."""

    account: int
    bytes: int
    images: int


async def count_usage(
    connection: Connection,
    *,
    tenant: int,
    owner: int | None,
    change: UsageChange,
    defaults: DefaultQuotas = _NO_LIMITS,
) -> None:
    """Count the change for the tenant, and for `owner` if it is anybody's; the last statement of its transaction.

    A `Problem` quota.exceeded, raised when the transaction ends, undoes it all. What shrinks is never refused, so it
    needs no `defaults`.
    """
    tenant_quota, account_quota = defaults.tenant, defaults.account
    await connection.execute(
        """SELECT count_usage(%s, %s, %s::int2, %s::int2, %s, %s, %s, %s, %s,
               %s::int8, %s::int8, %s::int8, %s::int8)""",
        [
            *(tenant, owner, random.randrange(SLOTS), SLOTS),
            *(change.bytes, change.images, change.uploads, change.bytes_in, change.deletes),
            *(tenant_quota.max_bytes, tenant_quota.max_images, account_quota.max_bytes, account_quota.max_images),
        ],
    )


async def standing(connection: Connection, *, tenant: int, account: int, default: Quota) -> Standing:
    """Return what the account (or the tenant as a whole) keeps and may keep."""
    cursor = await connection.execute(
        """SELECT q.max_bytes, q.max_images, u.bytes, u.images FROM quota_of(%s, %s, %s::int8, %s::int8) AS q,
               (SELECT coalesce(sum(bytes), 0)::int8 AS bytes, coalesce(sum(images), 0)::int8 AS images
                FROM usage WHERE tenant = %s AND account = %s) AS u""",
        [tenant, account, default.max_bytes, default.max_images, tenant, account],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 -- a sum is one row
    return Standing(Kept(row[2], row[3]), Quota(row[0], row[1]))


async def daily_usage(connection: Connection, *, tenant: int, account: int, first: date, last: date) -> dict[date, Day]:
    """Return what was done on each day from `first` to `last` on which anything was."""
    cursor = await connection.execute(
        """SELECT day, sum(requests)::int8, sum(uploads)::int8, sum(bytes_in)::int8, sum(deletes)::int8
           FROM usage_days WHERE tenant = %s AND account = %s AND day BETWEEN %s AND %s GROUP BY day""",
        [tenant, account, first, last],
    )
    return {row[0]: Day(*row[1:]) for row in await cursor.fetchall()}


async def add_requests(connection: Connection, *, batch: UUID, tenant: int, counts: Collection[RequestCount]) -> None:
    """Add a batch of the tenant's requests, unless it was added before. Accounts come before the tenant, as always."""
    slot = random.randrange(SLOTS)
    await connection.execute(
        """WITH once AS (INSERT INTO usage_batches (tenant, batch) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1)
           INSERT INTO usage_days AS d (tenant, account, day, slot, requests)
           SELECT %s, account, day, CASE WHEN account = %s THEN %s ELSE 0 END, requests
           FROM unnest(%s::int8[], %s::date[], %s::int8[]) AS c (account, day, requests)
           WHERE EXISTS (SELECT FROM once) ORDER BY account DESC, day
           ON CONFLICT (tenant, account, day, slot) DO UPDATE SET requests = d.requests + excluded.requests""",
        [
            *(tenant, batch, tenant, WHOLE_TENANT, slot),
            [count.account for count in counts],
            [count.day for count in counts],
            [count.requests for count in counts],
        ],
    )


async def forget_batches(connection: Connection) -> None:
    """Forget the names of the tenant's batches that nobody can send again."""
    await connection.execute(
        "DELETE FROM usage_batches WHERE added_at < now() - make_interval(days => %s)", [BATCH_DAYS]
    )


async def get_quota(connection: Connection, *, tenant: int, account: int) -> Quota | None:
    """Return the quota that was set for the account (or the tenant as a whole), None when none was."""
    cursor = await connection.execute(
        "SELECT max_bytes, max_images FROM quotas WHERE tenant = %s AND account = %s", [tenant, account]
    )
    row = await cursor.fetchone()
    return Quota(*row) if row else None


async def set_quota(connection: Connection, *, tenant: int, account: int, quota: Quota) -> None:
    """Set the quota; uploads under way may still be measured by the one before."""
    await connection.execute(
        """INSERT INTO quotas (tenant, account, max_bytes, max_images) VALUES (%s, %s, %s, %s)
           ON CONFLICT (tenant, account) DO UPDATE SET
               max_bytes = excluded.max_bytes, max_images = excluded.max_images, updated_at = now()""",
        [tenant, account, quota.max_bytes, quota.max_images],
    )


async def delete_quota(connection: Connection, *, tenant: int, account: int) -> None:
    """Let the settings decide again."""
    await connection.execute("DELETE FROM quotas WHERE tenant = %s AND account = %s", [tenant, account])


async def is_account(connection: Connection, account: int) -> bool:
    """Return whether there is such an account (of this tenant)."""
    cursor = await connection.execute(
        "SELECT 1 FROM accounts WHERE bucket = %s AND id = %s AND state <> 'deleted'", [bucket_of(account), account]
    )
    return await cursor.fetchone() is not None
