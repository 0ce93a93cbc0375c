"""The story of a view: counted where it is served, added up in the database a moment later, each exactly once.

Delivery counts into a journal, which costs it one addition and waits for nothing. Every few seconds, and when the
process ends, what was counted goes to the database as a batch: one statement for each tenant, which also records the
batch's name. How it fails: a process that is killed leaves its journal, and another one adds it up; a commit that was
not heard of is sent again, and the recorded name makes that change nothing; a database that is away is waited for while
counting goes on. So the sum is what was served, but for a power cut, which may take the last seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import structlog

from tintype.db.background import end
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.views import ViewCount, add_views, forget_batches
from tintype.domain.view import ViewedImage
from tintype.ports.view_journal import ViewBatch, ViewJournal

ADD_SECONDS: Final = 2.0
"""Between two batches: how far a count may be behind."""

_FIRST_DAY: Final = date(1970, 1, 1)


class CountViews:
    """Counts views, and adds them up in the background."""

    def __init__(
        self, *, database: Database, journal: ViewJournal, clock: DatabaseClock, lost: Callable[[], None]
    ) -> None:
        """`lost` is told of a view that there was no room to count."""
        self._database = database
        self._journal = journal
        self._clock = clock
        self._lost = lost
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("tintype.views")

    def __call__(self, viewed: ViewedImage) -> None:
        """Count a view. Waits for nothing and never fails."""
        if not self._journal.count(viewed.tenant, viewed.image, self._clock.today()):
            self._lost()

    def start(self) -> None:
        """Begin to add up, and go on until `close`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Add up what is left; what cannot be added now is left for the next process."""
        if self._task is not None:
            await end(self._task)
        await self._try_to_add_up()
        await self._journal.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ADD_SECONDS)
            await self._try_to_add_up()

    async def _try_to_add_up(self) -> None:
        try:
            await self.add_up()
        except Exception as error:  # noqa: BLE001 -- whatever it was: what was counted is kept, and sent again
            self._log.warning("views_not_added", error=repr(error), cause=repr(error.__cause__))

    async def add_up(self) -> None:
        """Add every batch to the database; `Problem` when that is away."""
        for batch in await self._journal.batches():
            await self._clock.refresh()
            await self._add(batch)
            await self._journal.discard(batch)

    async def _add(self, batch: ViewBatch) -> None:
        by_tenant: dict[int, list[ViewCount]] = defaultdict(list)
        for count in batch.counts:
            day = _FIRST_DAY + timedelta(days=count.day)
            by_tenant[count.tenant].append(ViewCount(count.image, day, count.views))
        for tenant, counts in by_tenant.items():
            async with self._database.transaction(tenant) as connection:
                await add_views(connection, batch=batch.id, tenant=tenant, counts=counts)
                await forget_batches(connection)
