"""The story of exports whose time is over: their rows, then every file that no row names. May be run at any time."""

from typing import Final

from tintype.db.account_exports import is_wanted, take_expired_exports
from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.db.tenants import every_tenant
from tintype.domain.keys import EXPORT_PREFIX, parse_export_key
from tintype.ports.blobs import BlobStore

UNDER_WAY_SECONDS: Final = 600.0
"""From the file's name to its row's word that it is there; a good disk and database need a fraction of a second."""


class SweepExports:
    """Removes exports."""

    def __init__(self, *, database: Database, blobs: BlobStore, clock: DatabaseClock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    async def __call__(self) -> dict[str, int]:
        """Return how many files were removed."""
        await self._clock.refresh()
        tenants, removed = set[int](), 0
        async for tenant in every_tenant(self._database):
            tenants.add(tenant)
            async with self._database.transaction(tenant) as connection:
                await take_expired_exports(connection)
        old = self._clock.now().timestamp() - UNDER_WAY_SECONDS
        async for found in self._blobs.list(EXPORT_PREFIX):
            named = parse_export_key(found.key)
            if named is None or named[0] not in tenants or found.modified > old:
                continue
            async with self._database.transaction(named[0]) as connection:
                wanted = await is_wanted(connection, account=named[1], export=named[2])
            removed += not wanted and await self._blobs.delete(found.key)
        return {"exports": removed}
