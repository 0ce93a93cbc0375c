"""Accounts elsewhere: an identity provider's subject, and whose it is here.

Found by issuer and subject alone (OpenID Connect Core §5.7: nothing else is a stable name), so the table is one that
every node has, as that of handles.
"""

from dataclasses import dataclass
from datetime import datetime

from tintype.db.pool import Connection


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity that an account has at a provider, which the settings call `provider`."""

    provider: str
    issuer: str
    created_at: datetime
    used_at: datetime


async def account_of_identity(connection: Connection, *, tenant: int, issuer: str, subject: str) -> int | None:
    """Return whose identity it is, and take note that it is used; None when it is nobody's."""
    cursor = await connection.execute(
        """UPDATE identities SET used_at = now() WHERE tenant = %s AND issuer = %s AND subject = %s
           RETURNING account""",
        [tenant, issuer, subject],
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def link_identity(
    connection: Connection, *, tenant: int, account: int, provider: str, issuer: str, subject: str
) -> None:
    """Give the account the identity; a `Clash` when it is somebody's, or the account has another of the provider."""
    await connection.execute(
        "INSERT INTO identities (tenant, issuer, subject, account, provider) VALUES (%s, %s, %s, %s, %s)",
        [tenant, issuer, subject, account, provider],
    )


async def identities_of(connection: Connection, *, tenant: int, account: int) -> list[Identity]:
    """Return the account's identities, by provider; there are few."""
    cursor = await connection.execute(
        """SELECT provider, issuer, created_at, used_at FROM identities WHERE tenant = %s AND account = %s
           ORDER BY provider""",
        [tenant, account],
    )
    return [Identity(*row) for row in await cursor.fetchall()]


async def unlink_identity(connection: Connection, *, tenant: int, account: int, provider: str) -> bool:
    """Take the account's identity at the provider away; return whether there was one."""
    cursor = await connection.execute(
        "DELETE FROM identities WHERE tenant = %s AND account = %s AND provider = %s RETURNING 1",
        [tenant, account, provider],
    )
    return await cursor.fetchone() is not None
