"""The story of a quota that is set, or left to the settings again.

It holds for whatever begins after it. What is there already stays, even above the quota: then nothing can be added
until enough is purged. Quota and entries of the audit log are one transaction: where somebody of one tenant decides for
another, both logs have it.
"""

from tintype.db.audit import record
from tintype.db.pool import Database, enter_tenant
from tintype.db.usage import delete_quota, set_quota
from tintype.domain.audit import Action, Entry, Requester, account_object
from tintype.domain.ids import TENANT_PREFIX, public_id
from tintype.domain.quota import WHOLE_TENANT, Quota


class SetQuota:
    """Sets quotas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, *, tenant: int, account: int, quota: Quota | None, by: Requester) -> None:
        """Set the quota of an account, or of the tenant as a whole; None leaves it to the settings."""
        entry = _entry(tenant, account, quota, by)
        async with self._database.transaction(tenant) as connection:
            if quota is None:
                await delete_quota(connection, tenant=tenant, account=account)
            else:
                await set_quota(connection, tenant=tenant, account=account, quota=quota)
            await record(connection, entry)
            if by.actor is not None and by.actor.tenant != tenant:
                await enter_tenant(connection, by.actor.tenant)
                await record(connection, entry)


def _entry(tenant: int, account: int, quota: Quota | None, by: Requester) -> Entry:
    concerned = None if account == WHOLE_TENANT else account
    return Entry(
        action=Action.QUOTA_CHANGED,
        by=by,
        account=concerned,
        object=public_id(TENANT_PREFIX, tenant) if concerned is None else account_object(concerned),
        detail={"max_bytes": quota.max_bytes, "max_images": quota.max_images} if quota else {"set": False},
    )
