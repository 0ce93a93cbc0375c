"""The story of counts that are not what the images are: code that did not count yet, a restored backup, or a fault.

What is kept is counted in the transactions that change it, so this should find nothing. How it fails: what cannot be
had now is left for the next run. A correction is a difference, found in one snapshot, so uploads and purges go on
meanwhile and are not lost. Run beside itself it may correct twice; the next run takes that back.
"""

from collections.abc import Callable
from contextlib import suppress

from tintype.db.pool import Database
from tintype.db.usage_recount import correct
from tintype.domain.errors import Problem
from tintype.domain.garbage import Find, Garbage
from tintype.storage.usage_drift import drift_name, usage_drifts


class RecountUsage:
    """Corrects what is counted of tenants and accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, tenant: int, *, dry_run: bool, notice: Callable[[Find], None]) -> None:
        """Go through the tenant and its accounts; `notice` is told of each that was (or would be) corrected."""
        async for drift in usage_drifts(self._database, tenant):
            with suppress(Problem):
                if not dry_run:
                    async with self._database.transaction(tenant) as connection:
                        await correct(connection, tenant, drift)
                notice(Find(Garbage.USAGE, drift_name(tenant, drift)))
