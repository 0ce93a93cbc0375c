"""The story of what the audit log need not know any more: entries that are older than they are kept are forgotten.

A tenant at a time, in batches; it may be cut off and run again at any moment.
"""

from datetime import timedelta
from typing import Final

from tintype.db.audit import forget_entries
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.tenants import every_tenant

BATCH: Final = 5_000
"""Entries of one statement: some 50 ms, and no long transaction."""


class ForgetAudit:
    """Forgets what is older than it is kept."""

    def __init__(self, *, database: Database, clock: DatabaseClock, keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep

    async def __call__(self) -> int:
        """Return how many entries were forgotten."""
        await self._clock.refresh()
        before, forgotten = self._clock.now() - self._keep, 0
        async for tenant in every_tenant(self._database):
            while True:
                async with self._database.transaction(tenant) as connection:
                    batch = await forget_entries(connection, before=before, limit=BATCH)
                forgotten += batch
                if batch < BATCH:
                    break
        return forgotten
