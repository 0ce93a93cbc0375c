"""Token buckets in an unlogged table, reached by two functions alone: one statement, one round trip, no disk."""

import hashlib
from collections.abc import Sequence

from tintype.db.pool import Connection
from tintype.domain.ids import hash_bucket
from tintype.domain.rate_limit import Charge


async def take_tokens(
    connection: Connection, *, tenant: int, charges: Sequence[Charge], spent: bool = False
) -> list[float]:
    """Take from every bucket, or from none when one has too little, and return what would be left in each.

    Below zero means too little. What is `spent` already is taken in any case.
    """
    cursor = await connection.execute(
        "SELECT take_tokens(%s, %s::int2[], %s::text[], %s::float8[], %s::float8[], %s::float8[], %s)",
        [
            tenant,
            [hash_bucket(hashlib.sha256(charge.subject.encode()).digest()) for charge in charges],
            [charge.subject for charge in charges],
            [float(charge.limit.burst) for charge in charges],
            [float(charge.limit.rate) for charge in charges],
            [float(charge.cost) for charge in charges],
            spent,
        ],
    )
    row = await cursor.fetchone()
    return list(row[0]) if row else []


async def sweep_buckets(connection: Connection) -> int:
    """Forget every bucket that is full again, in every shard; return how many. A row is over by its own clock alone."""
    cursor = await connection.execute("SELECT sweep_rate_buckets()")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
