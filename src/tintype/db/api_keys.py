"""API keys, in a reference table: no bucket. Only a hash of a key's secret is there."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tintype.db.pool import Connection
from tintype.domain.actor import EVERY_SCOPE, Scope

_COLUMNS: Final = "id, name, scopes, account, created_at, expires_at, last_used_at"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that was not revoked. `account` made it for itself; None: it is the tenant's."""

    id: int
    name: str
    scopes: frozenset[Scope]
    account: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the hour."""


async def insert_key(connection: Connection, key: ApiKey, *, tenant: int, secret_hash: bytes) -> None:
    """Write a new key; `Clash` when its id is taken."""
    await connection.execute(
        """INSERT INTO api_keys (id, tenant, name, secret_hash, scopes, account, created_at, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            key.id,
            tenant,
            key.name,
            secret_hash,
            sorted(key.scopes),
            key.account,
            key.created_at,
            key.expires_at,
        ],
    )


async def get_key(connection: Connection, key: int, *, tenant: int) -> ApiKey | None:
    """Return the tenant's key with this id, None when there is none or it was revoked."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM api_keys WHERE tenant = %s AND id = %s AND revoked_at IS NULL".encode(),  # noqa: S608 -- constants
        [tenant, key],
    )
    row = await cursor.fetchone()
    return _key(*row) if row else None


async def list_keys(
    connection: Connection, *, tenant: int, account: int | None, before: int, limit: int
) -> tuple[ApiKey, ...]:
    """Return keys below `before`, newest first: of the account, or (None) of the whole tenant."""
    cursor = await connection.execute(
        f"""SELECT {_COLUMNS} FROM api_keys
            WHERE tenant = %s AND revoked_at IS NULL AND id < %s AND (%s::int8 IS NULL OR account = %s)
            ORDER BY id DESC LIMIT %s""".encode(),  # noqa: S608 -- constants
        [tenant, before, account, account, limit],
    )
    return tuple(_key(*row) for row in await cursor.fetchall())


async def count_keys(connection: Connection, *, tenant: int, account: int | None) -> int:
    """Return how many keys the account has, or (None) the tenant itself."""
    cursor = await connection.execute(
        """SELECT count(*) FROM api_keys
           WHERE tenant = %s AND revoked_at IS NULL AND account IS NOT DISTINCT FROM %s::int8""",
        [tenant, account],
    )
    row = await cursor.fetchone()
    return row[0] if row else 0


async def revoke_key(connection: Connection, key: int, *, tenant: int) -> bool:
    """Have the key open nothing from now on; return False when there is none that does."""
    cursor = await connection.execute(
        "UPDATE api_keys SET revoked_at = now() WHERE tenant = %s AND id = %s AND revoked_at IS NULL RETURNING 1",
        [tenant, key],
    )
    return await cursor.fetchone() is not None


async def note_key_use(connection: Connection, key: int, *, tenant: int) -> None:
    """Take note that the key was used just now, unless that was noted within the hour."""
    await connection.execute(
        """UPDATE api_keys SET last_used_at = now()
           WHERE tenant = %s AND id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 hour')""",
        [tenant, key],
    )


def _key(
    key: int,
    name: str,
    scopes: list[str] | None,
    account: int | None,
    created_at: datetime,
    expires_at: datetime | None,
    last_used_at: datetime | None,
) -> ApiKey:
    return ApiKey(key, name, known_scopes(scopes), account, created_at, expires_at, last_used_at)


def known_scopes(stored: list[str] | None) -> frozenset[Scope]:
    """Return the scopes of a key; one that was made before there were any has them all."""
    return EVERY_SCOPE if stored is None else frozenset(Scope(scope) for scope in stored if scope in EVERY_SCOPE)
