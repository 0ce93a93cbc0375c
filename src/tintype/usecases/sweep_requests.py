"""The story of what is remembered about requests: answers for a day, buckets until they are full, open questions."""

from collections.abc import Mapping

from tintype.db.challenges import sweep_challenges
from tintype.db.idempotency import sweep_answers
from tintype.db.pool import Database
from tintype.db.rate_buckets import sweep_buckets


async def sweep_requests(database: Database) -> Mapping[str, int]:
    """Forget what is over, and return how much of each. May be cut off and run again at any time."""
    async with database.lookup() as connection:
        return {
            "answers": await sweep_answers(connection),
            "buckets": await sweep_buckets(connection),
            "challenges": await sweep_challenges(connection),
        }
