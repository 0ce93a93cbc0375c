"""The story of what crashes left behind: rows without files, files without rows, blobs that nothing refers to.

Rows are mended first, for references protect bytes; then one walk through all keys beside all rows; then what is
half-written. What is younger than the grace period stays. Age is not what makes it safe, though. Whatever is removed is
looked at again under the blob's row lock, or under the claim to a row that is not there, and an upload of the same
bytes either comes first, and they stay, or waits, finds them gone and stores them again. The lock is proved anew before
a file goes, because a lost connection has lost it.

How it fails: what cannot be had now (a row that is locked for long, a store that does not answer) is counted and left
for the next run. It may be cut off at any moment and run beside itself.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

from tintype.db.blobs import delete_blob, prove_lock
from tintype.db.clock import DatabaseClock
from tintype.db.inventory import VariantRecord
from tintype.db.pool import Database
from tintype.db.tenants import every_tenant
from tintype.db.upkeep import claim_absent_blob, lock_blob
from tintype.db.variants import delete_variant, list_variants
from tintype.domain.errors import Problem
from tintype.domain.garbage import LEFT_ALONE, Find, Garbage
from tintype.domain.ids import image_name
from tintype.domain.keys import (
    ACCOUNT_JOURNAL_PREFIX,
    EXPORT_PREFIX,
    JOURNAL_PREFIX,
    PROBE_PREFIX,
    parse_key,
    parse_staging_key,
)
from tintype.domain.purge import Purge
from tintype.ports.blobs import BlobInfo, BlobStoreFailed, BlobStoreFull
from tintype.ports.stores import Stores
from tintype.storage.account_journal import AccountJournal
from tintype.storage.inventory import Inventory, Place, Recorded
from tintype.storage.purge_journal import BUNDLED_AFTER, PurgeJournal
from tintype.storage.removal import remove_unknown
from tintype.storage.staged_uploads import StagedUploads

UNDER_WAY_SECONDS: Final = 3600.0
"""What is half-written has no row whose lock would tell that somebody still writes it; no upload takes an hour."""

Notice = Callable[[Find], None]
RemoveBlob = Callable[[int, bytes], Awaitable[bool]]
"""Removes bytes and variants of a tenant's blob under its lock, unless something refers to it; says whether it did."""


class Mend(Protocol):
    """Mends rows of a tenant: references that do not fit, counts that drifted."""

    async def __call__(self, tenant: int, *, dry_run: bool, notice: Notice) -> None:
        """Tell `notice` of each that was mended, or, in a dry run, would be."""
        ...


@dataclass(frozen=True, slots=True)
class GarbageConfig:
    """How old what is removed must be, and how long the journal is kept."""

    grace: timedelta
    keep_journal: timedelta
    """Longer than the oldest backup that anybody would restore: an image purged before that would come back."""


@dataclass(slots=True)
class Run:
    """One run: what it may do, whom it tells, what it counted."""

    dry_run: bool
    grace: timedelta
    notice: Notice
    looked: Callable[[], None]
    found: Counter[str]
    failed: int = 0

    def tell(self, find: Find) -> None:
        """Count a find and tell of it."""
        self.found[find.sort] += 1
        self.notice(find)


class CollectGarbage:
    """Finds what should not be in the store or in the rows, and removes it."""

    def __init__(
        self,
        *,
        database: Database,
        stores: Stores,
        clock: DatabaseClock,
        config: GarbageConfig,
        mends: Sequence[Mend],
        remove_blob: RemoveBlob,
    ) -> None:
        self._database = database
        blobs = stores.blobs
        self._blobs = blobs
        self._staging = stores.staging
        self._clock = clock
        self._config = config
        self._mends = mends
        self._remove_blob = remove_blob
        self._staged = StagedUploads(database, blobs, stores.direct)
        self._inventory = Inventory(database, blobs)
        self._journal = PurgeJournal(blobs)
        self._accounts = AccountJournal(blobs)

    async def __call__(
        self,
        *,
        dry_run: bool = False,
        grace: timedelta | None = None,
        notice: Notice = lambda _: None,
        looked: Callable[[], None] = lambda: None,
    ) -> dict[str, object]:
        """Return how many of each sort were found, removed, and could not be had.

        With `dry_run` nothing is changed. `looked` is called for each key. `Problem` and `BlobStoreFailed` when rows or
        store cannot be read at all.
        """
        run = Run(dry_run, self._config.grace if grace is None else grace, notice, looked, Counter())
        await self._clock.refresh()
        tenants = [tenant async for tenant in every_tenant(self._database)]
        for tenant in tenants:
            for mend in self._mends:
                await mend(tenant, dry_run=dry_run, notice=run.tell)
        places, known = 0, frozenset(tenants)
        async for place in self._inventory.places(tenants):
            places += 1
            looked()
            try:
                await self._visit(place, known, run)
            except (Problem, BlobStoreFailed, BlobStoreFull):
                run.failed += 1
        await self._sweep_leftovers(run)
        await self._abort_forgotten(known, run)
        journal = await self._tend_journal(tenants, run)
        return self._report(run, places, journal)

    def _report(self, run: Run, places: int, journal: dict[str, int]) -> dict[str, object]:
        removed = {str(sort): run.found[sort] for sort in Garbage if sort not in LEFT_ALONE and not run.dry_run}
        return {
            "dry_run": run.dry_run,
            "keys": places,
            "found": {str(sort): run.found[sort] for sort in Garbage},
            "removed": sum(removed.values()),
            "failed": run.failed,
            **journal,
        }

    # Keys

    async def _visit(self, place: Place, tenants: frozenset[int], run: Run) -> None:
        recorded, file = place.recorded, place.file
        if recorded is None:
            if file is not None:
                await self._visit_unknown(file, tenants, run)
        elif isinstance(recorded.record, VariantRecord):
            if file is None or not recorded.record.has_blob:
                find = Find(Garbage.VARIANT_ROW, place.key)
                await self._do(partial(self._forget_variant, recorded, recorded.record), find, run)
        elif not recorded.record.referenced:
            if file is None or recorded.record.age_seconds >= run.grace.total_seconds():
                find = Find(Garbage.BLOB, place.key)
                await self._do(partial(self._remove_blob, recorded.tenant, recorded.record.sha256), find, run)
        elif file is None and await self._blobs.head(place.key) is None:
            run.tell(Find(Garbage.LOST_ORIGINAL, place.key))

    async def _visit_unknown(self, file: BlobInfo, tenants: frozenset[int], run: Run) -> None:
        if file.key.startswith((JOURNAL_PREFIX, ACCOUNT_JOURNAL_PREFIX, EXPORT_PREFIX)):
            return  # exports have a sweep of their own
        old = self._clock.now().timestamp() - file.modified >= run.grace.total_seconds()
        stored, staged = parse_key(file.key), parse_staging_key(file.key)
        if staged is not None and staged[0] in tenants:
            if old and not await self._staged.is_wanted(*staged, file.key):
                remove = partial(self._staged.remove_unwanted, *staged, file.key)
                await self._do(remove, Find(Garbage.STAGED, file.key), run)
            return
        if file.key.startswith(PROBE_PREFIX):
            if old:
                await self._do(partial(self._blobs.delete, file.key), Find(Garbage.LEFTOVER, file.key), run)
        elif stored is None or stored.tenant not in tenants:
            run.tell(Find(Garbage.FOREIGN, file.key))
        elif old:
            sort = Garbage.FILE if stored.digest is None else Garbage.VARIANT_FILE
            remove = partial(remove_unknown, self._database, self._blobs, file.key, stored)
            await self._do(remove, Find(sort, file.key), run)

    async def _do(self, work: Callable[[], Awaitable[bool]], find: Find, run: Run) -> None:
        """Do it, unless this is a dry run, and tell of it if it turned out to be as suspected."""
        if run.dry_run or await work():
            run.tell(find)

    async def _forget_variant(self, recorded: Recorded, variant: VariantRecord) -> bool:
        """Remove the row of a variant whose file is gone; with its file, when the blob is gone."""
        tenant, sha256 = recorded.tenant, variant.sha256
        async with self._database.transaction(tenant) as connection:
            if await claim_absent_blob(connection, tenant=tenant, sha256=sha256):
                await prove_lock(connection)
                await self._blobs.delete(recorded.key)
                await delete_blob(connection, tenant=tenant, sha256=sha256)
                return True
            await lock_blob(connection, tenant=tenant, sha256=sha256)
            rows = await list_variants(connection, tenant=tenant, sha256=sha256)
            if variant.row not in rows or await self._blobs.head(recorded.key) is not None:
                return False
            await delete_variant(connection, tenant=tenant, sha256=sha256, row=variant.row)
        return True

    # What is half-written, and the journal

    async def _sweep_leftovers(self, run: Run) -> None:
        seconds = max(run.grace.total_seconds(), UNDER_WAY_SECONDS)
        for place in (self._blobs, self._staging):
            for name in await place.leftovers(older_seconds=seconds, remove=not run.dry_run):
                run.tell(Find(Garbage.LEFTOVER, name))

    async def _abort_forgotten(self, tenants: frozenset[int], run: Run) -> None:
        """Abort uploads in parts that a remote store keeps open, invisibly, for uploads that are over."""
        async for found in self._staged.forgotten(tenants, older=run.grace):
            if not run.dry_run and self._staged.direct is not None:
                await self._staged.direct.abort(found)
            run.tell(Find(Garbage.UNFINISHED, found.key))

    async def _tend_journal(self, tenants: list[int], run: Run) -> dict[str, int]:
        now = self._clock.now()
        async for purge in self._unjournalled(tenants):
            await self._do(
                partial(self._journal.append, purge), Find(Garbage.UNJOURNALLED, image_name(purge.image)), run
            )
        if run.dry_run:
            return {}
        bundled = await self._journal.bundle(now)
        dropped = await self._journal.drop(now, after=self._config.keep_journal)
        dropped += await self._accounts.drop(now, after=self._config.keep_journal)
        return {"journal_bundled": bundled, "journal_dropped": dropped}

    async def _unjournalled(self, tenants: list[int]) -> AsyncIterator[Purge]:
        """Give what was purged lately and is not in the journal: its job failed for good before it wrote there."""
        for tenant in tenants:
            async for stubs in self._inventory.stubs(tenant, since=self._clock.now() - BUNDLED_AFTER):
                for stub in stubs:
                    if not await self._journal.has(stub.id, stub.purged_at):
                        yield Purge(tenant, stub.id, (), stub.purged_at)
