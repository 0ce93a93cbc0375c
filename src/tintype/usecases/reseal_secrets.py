"""The story of a server key that was changed: what is sealed under an earlier one is sealed anew, tenant by tenant.

Once nothing is left, the earlier key may be forgotten. What does not open under any key that is known here is counted
and left alone: its key may still be found. May be cut off and run again at any time.
"""

from collections.abc import AsyncIterator, Mapping

from tintype.db.pool import Database
from tintype.db.sealed import SealedValue, replace_sealed, stale_apps, stale_signing_keys, stale_webhooks
from tintype.db.tenants import every_tenant
from tintype.domain.ids import bucket_of
from tintype.storage.sealing import SealBroken, Sealer


class ResealSecrets:
    """Seals anew what is sealed under an earlier key."""

    def __init__(self, *, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def __call__(self) -> Mapping[str, int]:
        """Return how many values were sealed anew, and how many do not open."""
        resealed = unreadable = 0
        async for tenant in every_tenant(self._database):
            async for page in self._pages(tenant):
                opened = [(value, new) for value in page if (new := self._anew(value)) is not None]
                async with self._database.transaction(tenant) as connection:
                    for value, new in opened:
                        await replace_sealed(connection, value, new)
                resealed += len(opened)
                unreadable += len(page) - len(opened)
        return {"resealed": resealed, "unreadable": unreadable}

    async def _pages(self, tenant: int) -> AsyncIterator[list[SealedValue]]:
        async with self._database.transaction(tenant) as connection:
            keys = await stale_signing_keys(connection, tenant=tenant, mark=self._sealer.mark)
            keys += await stale_webhooks(connection, tenant=tenant, mark=self._sealer.mark)
        if keys:
            yield keys
        after = (-1, -1)
        while True:
            async with self._database.transaction(tenant) as connection:
                apps = await stale_apps(connection, mark=self._sealer.mark, after=after)
            if not apps:
                return
            yield apps
            last = int(apps[-1].row[0])
            after = (bucket_of(last), last)

    def _anew(self, value: SealedValue) -> bytes | None:
        try:
            secret = self._sealer.open(value.secret, value.table, *value.row)
        except SealBroken:
            return None
        return self._sealer.seal(secret, value.table, *value.row)
