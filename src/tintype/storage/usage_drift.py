"""Where what is counted of a tenant is not what its images are (`db/usage_recount.py`), found while uploads go on."""

from collections.abc import AsyncIterator

from tintype.db.inventory import freeze
from tintype.db.pool import Database
from tintype.db.usage import Drift
from tintype.db.usage_recount import add_up_images, counted_for_tenant, drifts_of_accounts
from tintype.domain.ids import ACCOUNT_PREFIX, TENANT_PREFIX, public_id
from tintype.domain.quota import WHOLE_TENANT


async def usage_drifts(database: Database, tenant: int) -> AsyncIterator[Drift]:
    """Give what is wrong: the tenant as a whole first, then each account."""
    async with database.transaction(tenant) as connection:
        await freeze(connection)
        counted = await counted_for_tenant(connection, tenant)
        there = await add_up_images(connection, tenant)
    if counted != there:
        yield Drift(WHOLE_TENANT, there.bytes - counted.bytes, there.images - counted.images)
    after: int | None = WHOLE_TENANT
    while after is not None:
        async with database.transaction(tenant) as connection:
            drifts, after = await drifts_of_accounts(connection, tenant=tenant, after=after)
        for drift in drifts:
            yield drift


def drift_name(tenant: int, drift: Drift) -> str:
    """Return how a drift is named: whose, and by how much too little is counted."""
    whose = (
        public_id(TENANT_PREFIX, tenant) if drift.account == WHOLE_TENANT else public_id(ACCOUNT_PREFIX, drift.account)
    )
    return f"{whose} by {drift.images:+} images, {drift.bytes:+} bytes"
