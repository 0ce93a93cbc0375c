"""The installation's tenants, for whoever manages them all: skeleton (ids of one page), hydrate (each in its own)."""

from dataclasses import dataclass

from tintype.db.pool import Database, enter_tenant
from tintype.db.tenant_rows import get_tenant, tenant_by_slug, tenants_before
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import TENANT_PREFIX, BadId, parse_public_id
from tintype.domain.tenant import Tenant, is_slug


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Tenants, newest first; `more` says whether there are others after them."""

    tenants: tuple[Tenant, ...]
    more: bool


class TenantList:
    """Reads tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, before: int, limit: int) -> TenantPage:
        """Return at most `limit` tenants below `before`."""
        async with self._database.lookup() as connection:
            ids = await tenants_before(connection, before=before, limit=limit + 1)
        found = []
        if ids:
            async with self._database.transaction(ids[0]) as connection:
                for tenant in ids[:limit]:
                    await enter_tenant(connection, tenant)  # no setting of one transaction shows two tenants' rows
                    found.append(await get_tenant(connection, tenant))
        return TenantPage(tuple(tenant for tenant in found if tenant is not None), len(ids) > limit)

    async def get(self, tenant: int) -> Tenant:
        """Return the tenant as it is now; `Problem` not_found."""
        async with self._database.transaction(tenant) as connection:
            found = await get_tenant(connection, tenant)
        if found is None:
            raise no_tenant()
        return found

    async def named(self, name: str) -> int:
        """Return the id of the tenant with this public id or slug; `Problem` not_found."""
        try:
            return parse_public_id(TENANT_PREFIX, name)
        except BadId:
            found = None
        if is_slug(name):
            async with self._database.lookup() as connection:
                found = await tenant_by_slug(connection, name)
        if found is None:
            raise no_tenant()
        return found


def no_tenant() -> Problem:
    """Return what is said of a tenant that is not there for who asks."""
    return Problem(Code.NOT_FOUND, "There is no such tenant.")
