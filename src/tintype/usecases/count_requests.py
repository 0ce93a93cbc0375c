"""The story of a request: counted in memory where it is answered, added up in the database a moment later, once.

A request must not cost a write, so a process counts in memory and sends what it counted every few seconds, as a batch
with a name. How it fails: a commit that was not heard of is sent again under the same name, which changes nothing; a
database that is away is waited for while counting goes on, in one number for each account and day; a process that is
told to stop sends what it has left. A process that is killed loses what it counted since the last batch, a few seconds.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from tintype.db.background import end
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.usage import RequestCount, add_requests, forget_batches
from tintype.domain.quota import WHOLE_TENANT

ADD_SECONDS: Final = 5.0
"""Between two batches: how far a count may be behind, and how much a kill may cost."""

_FIRST_DAY: Final = date(1970, 1, 1)

Place = tuple[int, int, int]
"""Tenant, account (or the tenant as a whole), day since 1970."""


@dataclass(frozen=True, slots=True)
class _Batch:
    id: UUID
    counts: Counter[Place]


class CountRequests:
    """Counts requests, and adds them up in the background."""

    def __init__(self, *, database: Database, clock: DatabaseClock) -> None:
        self._database = database
        self._clock = clock
        self._counts: Counter[Place] = Counter()
        self._batch: _Batch | None = None
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("tintype.usage")

    def __call__(self, tenant: int, account: int | None) -> None:
        """Count a request of the tenant, and of the account if it was one's. Waits for nothing and never fails."""
        day = self._clock.today()
        self._counts[tenant, WHOLE_TENANT, day] += 1
        if account is not None:
            self._counts[tenant, account, day] += 1

    def start(self) -> None:
        """Begin to add up, and go on until `close`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Add up what is left."""
        if self._task is not None:
            await end(self._task)
        await self._try_to_add_up()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ADD_SECONDS)
            await self._try_to_add_up()

    async def _try_to_add_up(self) -> None:
        try:
            await self.add_up()
        except Exception as error:  # noqa: BLE001 -- whatever it was: what was counted is kept, and sent again
            self._log.warning("requests_not_added", error=repr(error), cause=repr(error.__cause__))

    async def add_up(self) -> None:
        """Add what was counted to the database; `Problem` when that is away, and then it is kept."""
        while self._batch is not None or self._counts:
            if self._batch is None:
                self._batch, self._counts = _Batch(uuid4(), self._counts), Counter()
            await self._clock.refresh()
            await self._add(self._batch)
            self._batch = None

    async def _add(self, batch: _Batch) -> None:
        by_tenant: dict[int, list[RequestCount]] = defaultdict(list)
        for (tenant, account, day), requests in batch.counts.items():
            by_tenant[tenant].append(RequestCount(account, _FIRST_DAY + timedelta(days=day), requests))
        for tenant, counts in by_tenant.items():
            async with self._database.transaction(tenant) as connection:
                await add_requests(connection, batch=batch.id, tenant=tenant, counts=counts)
                await forget_batches(connection)
