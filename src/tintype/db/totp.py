"""Authenticator apps and recovery codes, in the bucket of their account. Secrets come and go sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tintype.db.pool import Connection
from tintype.domain.ids import bucket_of


@dataclass(frozen=True, slots=True)
class TotpRow:
    """An account's authenticator app. `secret` is sealed; `last_step` that of the code that was accepted last."""

    secret: bytes
    last_step: int
    confirmed: bool


async def begin_totp(connection: Connection, *, tenant: int, account: int, secret: bytes) -> bool:
    """Keep an app's sealed secret until it is confirmed, in the place of one that never was.

    Return False, and change nothing, when the account has a confirmed one.
    """
    cursor = await connection.execute(
        """INSERT INTO totp (bucket, account, tenant, secret) VALUES (%s, %s, %s, %s)
           ON CONFLICT (bucket, account) DO UPDATE SET secret = excluded.secret, last_step = 0, created_at = now()
           WHERE totp.confirmed_at IS NULL RETURNING 1""",
        [bucket_of(account), account, tenant, secret],
    )
    return await cursor.fetchone() is not None


async def get_totp(connection: Connection, account: int) -> TotpRow | None:
    """Return the account's app, confirmed or not, or None."""
    cursor = await connection.execute(
        "SELECT secret, last_step, confirmed_at IS NOT NULL FROM totp WHERE bucket = %s AND account = %s",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return TotpRow(*row) if row else None


async def confirm_totp(connection: Connection, account: int, *, secret: bytes, step: int) -> bool:
    """Have the app with this sealed secret count from now on; return False when there is another one by now."""
    cursor = await connection.execute(
        """UPDATE totp SET confirmed_at = now(), last_step = %s
           WHERE bucket = %s AND account = %s AND secret = %s AND confirmed_at IS NULL RETURNING 1""",
        [step, bucket_of(account), account, secret],
    )
    return await cursor.fetchone() is not None


async def accept_step(connection: Connection, account: int, step: int) -> bool:
    """Use the code of this step up; return False when one of it, or a later one, was used already."""
    cursor = await connection.execute(
        """UPDATE totp SET last_step = %s
           WHERE bucket = %s AND account = %s AND confirmed_at IS NOT NULL AND last_step < %s RETURNING 1""",
        [step, bucket_of(account), account, step],
    )
    return await cursor.fetchone() is not None


async def reseal_totp(connection: Connection, account: int, *, old: bytes, new: bytes) -> None:
    """Put the same secret, sealed anew, into the place of `old`, if that is still there."""
    await connection.execute(
        "UPDATE totp SET secret = %s WHERE bucket = %s AND account = %s AND secret = %s",
        [new, bucket_of(account), account, old],
    )


async def delete_totp(connection: Connection, account: int) -> bool:
    """Forget the account's app and its recovery codes; return whether a confirmed app was among that."""
    await delete_recovery_codes(connection, account)
    cursor = await connection.execute(
        "DELETE FROM totp WHERE bucket = %s AND account = %s RETURNING confirmed_at IS NOT NULL",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def delete_recovery_codes(connection: Connection, account: int) -> None:
    """Forget the account's codes, used or not."""
    await connection.execute(
        "DELETE FROM recovery_codes WHERE bucket = %s AND account = %s", [bucket_of(account), account]
    )


async def replace_recovery_codes(connection: Connection, *, tenant: int, account: int, hashes: Sequence[bytes]) -> None:
    """Store these codes; those that the account had, used or not, are gone."""
    await delete_recovery_codes(connection, account)
    await connection.execute(
        """INSERT INTO recovery_codes (bucket, account, tenant, code_hash)
           SELECT %s, %s, %s, unnest(%s::bytea[])""",
        [bucket_of(account), account, tenant, list(hashes)],
    )


async def has_recovery_codes(connection: Connection, account: int, hashes: Sequence[bytes]) -> bool:
    """Return whether these are the account's codes, used or not."""
    cursor = await connection.execute(
        """SELECT count(*) = %s AND bool_and(code_hash = ANY (%s::bytea[])) FROM recovery_codes
           WHERE bucket = %s AND account = %s""",
        [len(hashes), list(hashes), bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def use_recovery_code(connection: Connection, account: int, code_hash: bytes) -> bool:
    """Use the code up; return False when there is none such, or it was used."""
    cursor = await connection.execute(
        """UPDATE recovery_codes SET used_at = now()
           WHERE bucket = %s AND account = %s AND code_hash = %s AND used_at IS NULL RETURNING 1""",
        [bucket_of(account), account, code_hash],
    )
    return await cursor.fetchone() is not None


async def count_recovery_codes(connection: Connection, account: int) -> int:
    """Return how many codes the account has left."""
    cursor = await connection.execute(
        "SELECT count(*) FROM recovery_codes WHERE bucket = %s AND account = %s AND used_at IS NULL",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
