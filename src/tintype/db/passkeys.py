"""Passkeys, in the bucket of their account."""

from typing import Any, Final, LiteralString

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of
from tintype.domain.passkey import Passkey

_SELECT: Final[
    LiteralString
] = """SELECT id, account, credential, public_key, sign_count, transports, backed_up, name, created_at, used_at
    FROM passkeys"""


async def insert_passkey(connection: Connection, passkey: Passkey, *, tenant: int) -> None:
    """Store a new passkey; one whose id or credential the account has already is a `Clash`."""
    await connection.execute(
        """INSERT INTO passkeys (bucket, id, tenant, account, credential, public_key, sign_count, transports, backed_up,
               name, created_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            bucket_of(passkey.account),
            passkey.id,
            tenant,
            passkey.account,
            passkey.credential,
            passkey.public_key,
            passkey.sign_count,
            list(passkey.transports),
            passkey.backed_up,
            passkey.name,
            passkey.created_at,
        ],
    )


async def passkeys_of(connection: Connection, account: int) -> list[Passkey]:
    """Return the account's passkeys, newest first; there are few."""
    cursor = await connection.execute(
        _SELECT + " WHERE bucket = %s AND account = %s ORDER BY id DESC", [bucket_of(account), account]
    )
    return [_passkey(row) for row in await cursor.fetchall()]


async def find_credential(connection: Connection, *, account: int, credential: bytes) -> Passkey | None:
    """Return the account's passkey with this credential id, or None."""
    cursor = await connection.execute(
        _SELECT + " WHERE bucket = %s AND account = %s AND credential = %s",
        [bucket_of(account), account, credential],
    )
    row = await cursor.fetchone()
    return _passkey(row) if row else None


async def note_use(connection: Connection, passkey: Passkey, *, sign_count: int, backed_up: bool) -> bool:
    """Take note of a signature; return False when another one was noted since `passkey` was read."""
    cursor = await connection.execute(
        """UPDATE passkeys SET sign_count = %s, backed_up = %s, used_at = now()
           WHERE bucket = %s AND id = %s AND sign_count = %s RETURNING 1""",
        [sign_count, backed_up, bucket_of(passkey.account), passkey.id, passkey.sign_count],
    )
    return await cursor.fetchone() is not None


async def rename_passkey(connection: Connection, *, account: int, passkey: int, name: str) -> Passkey | None:
    """Rename the account's passkey and return it; None when there is none such."""
    cursor = await connection.execute(
        """UPDATE passkeys SET name = %s WHERE bucket = %s AND id = %s AND account = %s
           RETURNING id, account, credential, public_key, sign_count, transports, backed_up, name, created_at,
               used_at""",
        [name, bucket_of(account), passkey, account],
    )
    row = await cursor.fetchone()
    return _passkey(row) if row else None


async def delete_passkey(connection: Connection, *, account: int, passkey: int) -> bool:
    """Forget the account's passkey; return whether there was one."""
    cursor = await connection.execute(
        "DELETE FROM passkeys WHERE bucket = %s AND id = %s AND account = %s RETURNING 1",
        [bucket_of(account), passkey, account],
    )
    return await cursor.fetchone() is not None


def _passkey(row: tuple[Any, ...]) -> Passkey:
    passkey, account, credential, public_key, sign_count, transports, *others = row
    return Passkey(passkey, account, credential, public_key, sign_count, tuple(transports), *others)
