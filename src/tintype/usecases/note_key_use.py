"""The story of a key that is used: when, to the hour, so that its owner sees which one nobody needs any more.

Noted behind the request's back, at most once an hour for each key and process. Losing one costs nothing: the next
request of the next hour is noted.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from tintype.db.api_keys import note_key_use
from tintype.db.pool import Database
from tintype.domain.errors import Problem

EVERY_SECONDS: Final = 3_600.0

REMEMBERED_KEYS: Final = 10_000
"""Past so many the memory begins anew; then some are noted twice, which changes nothing."""


class NoteKeyUse:
    """Notes which keys are used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, tenant: int, key: int) -> None:
        """Take note soon that the key was used."""
        now = time.monotonic()
        if now - self._noted.get(key, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        if len(self._noted) >= REMEMBERED_KEYS:
            self._noted.clear()
        self._noted[key] = now
        task = asyncio.create_task(self._note(tenant, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is on its way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _note(self, tenant: int, key: int) -> None:
        with suppress(Problem):  # the database is away, and the request will say so
            async with self._database.transaction(tenant) as connection:
                await note_key_use(connection, key, tenant=tenant)
