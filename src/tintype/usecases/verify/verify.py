"""The order of a verification, and its report."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.tenants import every_tenant
from tintype.domain.invariant import Invariant, Violation
from tintype.ports.blobs import BlobStore
from tintype.ports.staging import Staging
from tintype.storage.inventory import Inventory
from tintype.usecases.verify.accounts import verify_accounts
from tintype.usecases.verify.files import verify_files
from tintype.usecases.verify.purges import verify_purges
from tintype.usecases.verify.rows import verify_rows
from tintype.usecases.verify.run import Run
from tintype.usecases.verify.staged import verify_staged_rows
from tintype.usecases.verify.usage import verify_usage


class Verify:
    """Counts the violations of each invariant."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        staging: Staging,
        clock: DatabaseClock,
        grace: timedelta,
        durability: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        """`durability` returns a sentence for each way in which the database would lose what it acknowledged."""
        self._database = database
        self._blobs = blobs
        self._staging = staging
        self._clock = clock
        self._grace = grace
        self._durability = durability

    async def __call__(
        self,
        *,
        quick: bool = False,
        grace: timedelta | None = None,
        notice: Callable[[Violation], None] = lambda _: None,
        looked: Callable[[], None] = lambda: None,
    ) -> dict[str, object]:
        """Return how many violations there are of each invariant, and what was looked at.

        `quick` reads no file. `Problem` and `BlobStoreFailed` when rows or store cannot be read at all.
        """
        started = time.monotonic()
        await self._clock.refresh()
        run = Run(
            self._database,
            self._blobs,
            Inventory(self._database, self._blobs),
            quick,
            self._grace if grace is None else grace,
            self._clock.now(),
            notice,
            looked,
        )
        tenants = [tenant async for tenant in every_tenant(self._database)]
        for tenant in tenants:
            await verify_rows(run, tenant)
            await verify_usage(run, tenant)
            await verify_staged_rows(run, tenant)
        await verify_files(run, tenants)
        await self._verify_leftovers(run)
        await verify_purges(run, tenants)
        await verify_accounts(run, tenants)
        for sentence in await self._durability():
            run.accuse(Invariant.POWER, sentence)
        return _report(run, time.monotonic() - started)

    async def _verify_leftovers(self, run: Run) -> None:
        for place in (self._blobs, self._staging):
            for name in await place.leftovers(older_seconds=run.grace.total_seconds(), remove=False):
                run.accuse(Invariant.ATOMIC, f"{name} was left half-written")


def _report(run: Run, seconds: float) -> dict[str, object]:
    return {
        "violations": {str(invariant): run.violations[invariant] for invariant in Invariant},
        "total": run.violations.total(),
        "quick": run.quick,
        "keys": run.keys,
        "hashed_bytes": run.hashed_bytes,
        "foreign_keys": run.foreign,
        "seconds": round(seconds, 1),
    }
