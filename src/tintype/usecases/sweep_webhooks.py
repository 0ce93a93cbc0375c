"""The story of what is kept of webhooks for a time: deliveries that were looked at or never will be, old secrets."""

from collections.abc import Mapping
from datetime import timedelta

from tintype.db.pool import Database
from tintype.db.tenants import every_tenant
from tintype.db.webhook_deliveries import SWEPT_AT_ONCE, sweep_deliveries
from tintype.db.webhooks import forget_old_secrets


class SweepWebhooks:
    """Forgets what is older than it is kept. May be cut off and run again."""

    def __init__(self, *, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    async def __call__(self) -> Mapping[str, int]:
        """Return how many deliveries were forgotten."""
        swept = 0
        async for tenant in every_tenant(self._database):
            count = SWEPT_AT_ONCE
            while count == SWEPT_AT_ONCE:
                async with self._database.transaction(tenant) as connection:
                    await forget_old_secrets(connection, tenant=tenant)
                    count = await sweep_deliveries(connection, tenant=tenant, keep=self._keep)
                swept += count
        return {"deliveries": swept}
