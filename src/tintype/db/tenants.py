"""Tenants and their API keys."""

from dataclasses import dataclass

from tintype.db.pool import Connection


@dataclass(frozen=True, slots=True)
class FoundKey:
    """An API key that is neither revoked nor expired."""

    tenant: int
    secret_hash: bytes


async def tenant_of_host(connection: Connection, host: str) -> int | None:
    """Return the tenant that serves `host`, else the default one; None before there is any."""
    cursor = await connection.execute("SELECT tenant_of_host(%s)", [host])
    row = await cursor.fetchone()
    return row[0] if row else None


async def find_api_key(connection: Connection, key_id: int) -> FoundKey | None:
    """Return the usable key with this id, or None."""
    cursor = await connection.execute("SELECT tenant, secret_hash FROM find_api_key(%s)", [key_id])
    row = await cursor.fetchone()
    return FoundKey(tenant=row[0], secret_hash=row[1]) if row and row[0] is not None else None
