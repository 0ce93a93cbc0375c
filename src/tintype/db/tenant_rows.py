"""A tenant's own row and its host names. Both are reference tables: they have no bucket, and are on every node.

All but the look-ups run within the tenant that they are about: another's row is neither seen nor changed.
"""

from collections.abc import Collection
from typing import Final

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.domain.tenant import Tenant, TenantState

_COLUMNS: Final = """id, slug, coalesce(name, slug), state,
    ARRAY(SELECT host FROM hostnames WHERE tenant = tenants.id ORDER BY host),
    origins, anonymous_uploads, configuration, revision, created_at, updated_at"""


async def get_tenant(connection: Connection, tenant: int, *, lock: bool = False) -> Tenant | None:
    """Return the tenant, None when there is none; locked, until the transaction ends, for whoever changes it."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM tenants WHERE id = %s{' FOR UPDATE' if lock else ''}".encode(),  # noqa: S608 -- constants
        [tenant],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    tenant_id, slug, name, state, hosts, origins, *others = row
    return Tenant(tenant_id, slug, name, TenantState(state), tuple(hosts), tuple(origins), *others)


async def insert_tenant(connection: Connection, tenant: Tenant) -> None:
    """Write a new tenant; `Clash` when its id or its slug is taken."""
    await connection.execute(
        """INSERT INTO tenants (id, slug, name, state, origins, anonymous_uploads, configuration, revision,
               created_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            tenant.id,
            tenant.slug,
            tenant.name,
            tenant.state,
            list(tenant.origins),
            tenant.anonymous_uploads,
            Jsonb(tenant.configuration),
            tenant.revision,
            tenant.created_at,
            tenant.updated_at,
        ],
    )


async def update_tenant(connection: Connection, tenant: Tenant) -> None:
    """Write what a tenant is now; `Clash` when its slug is taken."""
    await connection.execute(
        """UPDATE tenants SET slug = %s, name = %s, state = %s, origins = %s, anonymous_uploads = %s,
               configuration = %s, revision = %s, updated_at = %s WHERE id = %s""",
        [
            tenant.slug,
            tenant.name,
            tenant.state,
            list(tenant.origins),
            tenant.anonymous_uploads,
            Jsonb(tenant.configuration),
            tenant.revision,
            tenant.updated_at,
            tenant.id,
        ],
    )


async def take_hostnames(connection: Connection, *, tenant: int, hosts: Collection[str]) -> frozenset[str]:
    """Make these the tenant's host names, and no others; return those that it did not get: they are another's.

    Whoever takes one of them at this moment is waited for.
    """
    await connection.execute("DELETE FROM hostnames WHERE tenant = %s AND host <> ALL (%s)", [tenant, list(hosts)])
    # in one order for everybody, so that two tenants that want the same two names do not wait for each other
    await connection.execute(
        """INSERT INTO hostnames (host, tenant) SELECT host, %s FROM unnest(%s::text[]) AS host
           ON CONFLICT (host) DO NOTHING""",
        [tenant, sorted(hosts)],
    )
    cursor = await connection.execute("SELECT host FROM hostnames WHERE tenant = %s", [tenant])
    return frozenset(hosts) - {row[0] for row in await cursor.fetchall()}


async def tenant_by_slug(connection: Connection, slug: str) -> int | None:
    """Return the id of the tenant that is called so, or None."""
    cursor = await connection.execute("SELECT tenant_by_slug(%s)", [slug])
    row = await cursor.fetchone()
    return row[0] if row else None


async def tenants_before(connection: Connection, *, before: int, limit: int) -> tuple[int, ...]:
    """Return the ids of tenants below `before`, newest first."""
    cursor = await connection.execute("SELECT tenants_before(%s, %s)", [before, limit])
    return tuple(row[0] for row in await cursor.fetchall())
