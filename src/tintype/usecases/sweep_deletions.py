"""The story of what deleted accounts leave for a time: late counts, names that nobody else may have yet, receipts.

A tenant at a time; it may be cut off and run again at any moment.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from tintype.db.account_deletions import deletions_since, forget_deletions, free_handles
from tintype.db.clock import DatabaseClock
from tintype.db.personal_data import delete_rows
from tintype.db.pool import Database
from tintype.db.tenants import every_tenant

TRAILING: Final = timedelta(days=2)
"""What processes had counted and not written down yet when an account was deleted is there within seconds."""


class SweepDeletions:
    """Frees names and forgets receipts whose time is over."""

    def __init__(
        self, *, database: Database, clock: DatabaseClock, keep_handles: timedelta, keep_receipts: timedelta
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep_handles = keep_handles
        self._keep_receipts = keep_receipts

    async def __call__(self) -> Mapping[str, int]:
        """Return how many of each."""
        await self._clock.refresh()
        before, handles, receipts = self._clock.now() - self._keep_receipts, 0, 0
        async for tenant in every_tenant(self._database):
            async with self._database.transaction(tenant) as connection:
                for account in await deletions_since(connection, self._clock.now() - TRAILING):
                    await delete_rows(connection, account, last=True)
                handles += await free_handles(connection, keep=self._keep_handles)
                receipts += await forget_deletions(connection, before=before)
        return {"handles": handles, "deletion_receipts": receipts}
