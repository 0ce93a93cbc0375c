"""The keys of a tenant that sign addresses: one that signs, one that still verifies, and the names of those retired."""

from dataclasses import dataclass, field
from datetime import datetime

from tintype.db.pool import Connection
from tintype.domain.signing import KeyState, sources_of


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key that is not retired. `secret` is sealed."""

    kid: str
    state: KeyState
    created_at: datetime
    secret: bytes = field(repr=False)


async def list_signing_keys(connection: Connection, *, tenant: int) -> tuple[SigningKeyRow, ...]:
    """Return the tenant's valid keys, the one that signs first."""
    cursor = await connection.execute(
        """SELECT kid, state, created_at, secret FROM signing_keys
           WHERE tenant = %s AND state <> 'retired' ORDER BY state""",
        [tenant],
    )
    return tuple(SigningKeyRow(row[0], KeyState(row[1]), row[2], row[3]) for row in await cursor.fetchall())


async def signing_key_of_request(connection: Connection, *, tenant: int, request: bytes) -> str | None:
    """Return the name of the key that this request made, None when it made none."""
    cursor = await connection.execute(
        "SELECT kid FROM signing_keys WHERE tenant = %s AND request = %s", [tenant, request]
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def insert_signing_key(
    connection: Connection, *, tenant: int, kid: str, secret: bytes, request: bytes | None
) -> datetime:
    """Store a key that signs, and return when; `Clash` when there is one already. `secret` is sealed."""
    cursor = await connection.execute(
        """INSERT INTO signing_keys (tenant, kid, state, secret, request) VALUES (%s, %s, %s, %s, %s)
           RETURNING created_at""",
        [tenant, kid, KeyState.SIGNING, secret, request],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(kid)
    made: datetime = row[0]
    return made


async def supersede_signing_keys(connection: Connection, *, tenant: int) -> None:
    """Make room for a new key: the one that verified is retired, the one that signed verifies."""
    await connection.execute(
        "UPDATE signing_keys SET state = %s, secret = NULL, retired_at = now() WHERE tenant = %s AND state = ANY (%s)",
        [KeyState.RETIRED, tenant, list(sources_of(KeyState.RETIRED))],
    )
    await connection.execute(
        "UPDATE signing_keys SET state = %s WHERE tenant = %s AND state = ANY (%s)",
        [KeyState.VERIFYING, tenant, list(sources_of(KeyState.VERIFYING))],
    )


async def retire_signing_key(connection: Connection, *, tenant: int, kid: str) -> bool:
    """Retire the key if it no longer signs, and return whether it did not."""
    cursor = await connection.execute(
        """UPDATE signing_keys SET state = %s, secret = NULL, retired_at = now()
           WHERE tenant = %s AND kid = %s AND state = ANY (%s) RETURNING kid""",
        [KeyState.RETIRED, tenant, kid, list(sources_of(KeyState.RETIRED))],
    )
    return await cursor.fetchone() is not None
