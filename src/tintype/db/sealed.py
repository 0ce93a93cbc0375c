"""Values that are sealed under an earlier server key, wherever they lie, and what takes their place."""

from dataclasses import dataclass, field
from typing import Final

from tintype.db.pool import Connection
from tintype.db.totp import reseal_totp

PAGE: Final = 500
"""Rows read at a time; opening and sealing one takes microseconds."""


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A value in the row of its table with this primary key."""

    table: str
    row: tuple[int | str, ...]
    secret: bytes = field(repr=False)


async def stale_apps(connection: Connection, *, mark: bytes, after: tuple[int, int]) -> list[SealedValue]:
    """Return a page of apps' secrets that do not begin with `mark`, behind (bucket, account), in every bucket.

    A change of the key concerns all of them, and nobody waits for it.
    """
    cursor = await connection.execute(
        """SELECT account, secret FROM totp WHERE (bucket, account) > (%s, %s)
               AND substring(secret FROM 1 FOR %s) <> %s
           ORDER BY bucket, account LIMIT %s""",
        [*after, len(mark), mark, PAGE],
    )
    return [SealedValue("totp", (account,), secret) for account, secret in await cursor.fetchall()]


async def stale_signing_keys(connection: Connection, *, tenant: int, mark: bytes) -> list[SealedValue]:
    """Return the tenant's signing keys that do not begin with `mark`; there are few."""
    cursor = await connection.execute(
        """SELECT kid, secret FROM signing_keys
           WHERE tenant = %s AND secret IS NOT NULL AND substring(secret FROM 1 FOR %s) <> %s""",
        [tenant, len(mark), mark],
    )
    return [SealedValue("signing_keys", (tenant, kid), secret) for kid, secret in await cursor.fetchall()]


async def stale_webhooks(connection: Connection, *, tenant: int, mark: bytes) -> list[SealedValue]:
    """Return the secrets of the tenant's webhooks that do not begin with `mark`, older ones included."""
    cursor = await connection.execute(
        """SELECT id, found FROM webhooks CROSS JOIN LATERAL unnest(ARRAY[secret, old_secret]) AS found
           WHERE tenant = %s AND found IS NOT NULL AND substring(found FROM 1 FOR %s) <> %s""",
        [tenant, len(mark), mark],
    )
    return [SealedValue("webhooks", (tenant, webhook), secret) for webhook, secret in await cursor.fetchall()]


async def replace_sealed(connection: Connection, value: SealedValue, new: bytes) -> None:
    """Put the same secret, sealed anew, in the place of `value`, if that is still there."""
    if value.table == "totp":
        await reseal_totp(connection, int(value.row[0]), old=value.secret, new=new)
    elif value.table == "webhooks":
        await connection.execute(
            """UPDATE webhooks SET secret = CASE secret WHEN %(old)s THEN %(new)s ELSE secret END,
                   old_secret = CASE old_secret WHEN %(old)s THEN %(new)s ELSE old_secret END
               WHERE tenant = %(tenant)s AND id = %(id)s""",
            {"old": value.secret, "new": new, "tenant": value.row[0], "id": value.row[1]},
        )
    else:
        await connection.execute(
            "UPDATE signing_keys SET secret = %s WHERE tenant = %s AND kid = %s AND secret = %s",
            [new, *value.row, value.secret],
        )
