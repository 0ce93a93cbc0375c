"""What finds a tenant: a host name, an API key; and what goes through them all."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from tintype.db.api_keys import known_scopes
from tintype.db.pool import Connection, Database
from tintype.domain.actor import Role, Scope

PAGE_TENANTS: Final = 1000


@dataclass(frozen=True, slots=True)
class FoundKey:
    """An API key that is neither revoked nor expired. `account` made it for itself; None: it is the tenant's."""

    tenant: int
    secret_hash: bytes
    scopes: frozenset[Scope]
    account: int | None
    role: Role
    suspended: bool


async def tenant_of_host(connection: Connection, host: str) -> int | None:
    """Return the tenant that serves `host`, else the default one; None before there is any."""
    cursor = await connection.execute("SELECT tenant_of_host(%s)", [host])
    row = await cursor.fetchone()
    return row[0] if row else None


async def find_key(connection: Connection, key_id: int) -> FoundKey | None:
    """Return the usable key with this id, or None."""
    cursor = await connection.execute(
        "SELECT tenant, secret_hash, scopes, account, role, suspended FROM find_key(%s)", [key_id]
    )
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    tenant, secret_hash, scopes, account, role, suspended = row
    return FoundKey(tenant, secret_hash, known_scopes(scopes), account, Role(role), suspended)


async def every_tenant(database: Database) -> AsyncIterator[int]:
    """Give the id of each tenant, for what goes through them all in turn; a page is asked for at a time."""
    last = -(2**63)
    while True:
        async with database.lookup() as connection:
            cursor = await connection.execute("SELECT tenants_after(%s, %s)", [last, PAGE_TENANTS])
            page = [row[0] for row in await cursor.fetchall()]
        for tenant in page:
            yield tenant
        if len(page) < PAGE_TENANTS:
            return
        last = page[-1]


async def slug_of(connection: Connection) -> str:
    """Return what the tenant of the transaction is called."""
    cursor = await connection.execute("SELECT slug FROM tenants WHERE id = current_tenant()")
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("there is no such tenant")
    return str(row[0])
