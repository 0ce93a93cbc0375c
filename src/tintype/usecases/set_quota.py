"""The story of a quota that is set, or left to the settings again.

It holds for whatever begins after it. What is there already stays, even above the quota: then nothing can be added
until enough is purged.
"""

from tintype.db.pool import Database
from tintype.db.usage import delete_quota, set_quota
from tintype.domain.quota import Quota


class SetQuota:
    """Sets quotas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, *, tenant: int, account: int, quota: Quota | None) -> None:
        """Set the quota of an account, or of the tenant as a whole; None leaves it to the settings."""
        async with self._database.transaction(tenant) as connection:
            if quota is None:
                await delete_quota(connection, tenant=tenant, account=account)
            else:
                await set_quota(connection, tenant=tenant, account=account, quota=quota)
