"""The story of the sweep: what lay in the trash for too long, and what has expired, is purged.

Nobody sees such an image before it is swept: this is about its bytes. The sweep asks for a few at a time, oldest first,
and goes past what it could not purge, so that one bad image never holds up the others. Whether an image is still due is
asked again under its lock, so that a restore, a new expiry or a hold in the last moment counts. It may be cut off and
run again at any time, and beside itself.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.purges import Cause, Due, due_for_purge
from tintype.domain.errors import Problem

BATCH: Final = 100
MOST_PER_SWEEP: Final = 2_000
"""About a minute of purges at 30 ms each: then other jobs have their turn, and the next sweep goes on."""


class PurgeDue(Protocol):
    """Purges an image that is due, if it still is."""

    def __call__(self, *, tenant: int, image_id: int, cause: Cause, before: datetime) -> Awaitable[bool]:
        """Return whether it was purged."""
        ...


@dataclass
class _Counts:
    trash: int = 0
    expiry: int = 0
    failed: int = 0


class SweepImages:
    """Purges what is due."""

    def __init__(self, *, database: Database, clock: DatabaseClock, purge_due: PurgeDue, trash_keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._purge_due = purge_due
        self._trash_keep = trash_keep
        self._log = structlog.get_logger("tintype.sweep")

    async def __call__(self) -> dict[str, object]:
        """Purge what is due and return how many were purged from the trash, by expiry, and how many failed."""
        await self._clock.refresh()
        now, counts = self._clock.now(), _Counts()
        counts.expiry = await self._sweep(Cause.EXPIRY, now, counts)
        counts.trash = await self._sweep(Cause.TRASH, now - self._trash_keep, counts)
        return {"expired": counts.expiry, "trashed": counts.trash, "failed": counts.failed}

    async def _sweep(self, cause: Cause, before: datetime, counts: _Counts) -> int:
        purged, last = 0, None
        for _ in range(MOST_PER_SWEEP // BATCH):
            async with self._database.lookup() as connection:
                found = await due_for_purge(connection, cause, before=before, after=last, limit=BATCH)
            for due in found:
                purged += await self._purge_one(due, cause, before, counts)
            if len(found) < BATCH:
                break
            last = found[-1]
        return purged

    async def _purge_one(self, due: Due, cause: Cause, before: datetime, counts: _Counts) -> bool:
        try:
            return await self._purge_due(tenant=due.tenant, image_id=due.image_id, cause=cause, before=before)
        except Problem as problem:
            counts.failed += 1
            self._log.warning("purge_failed", image=due.image_id, cause=cause, error=repr(problem))
            return False
