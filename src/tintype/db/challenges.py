"""What was asked of a browser and is answered once, soon. Only a digest of the question is stored."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.domain.ids import hash_bucket


class Asked(StrEnum):
    """What a challenge is for."""

    REGISTER_PASSKEY = "register_passkey"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that was answered in time: whom it was given to, and what else was to be remembered."""

    account: int | None
    detail: dict[str, Any]


async def ask(
    connection: Connection,
    *,
    tenant: int,
    challenge: bytes,
    asked: Asked,
    lifetime: timedelta,
    account: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Remember what was asked, for so long."""
    digest = hashlib.sha256(challenge).digest()
    await connection.execute(
        """INSERT INTO challenges (bucket, tenant, digest, purpose, account, detail, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, now() + %s)""",
        [hash_bucket(digest), tenant, digest, asked, account, Jsonb(detail or {}), lifetime],
    )


async def take_answered(connection: Connection, *, tenant: int, challenge: bytes, asked: Asked) -> Challenge | None:
    """Return what was asked and forget it; None when nothing was, or too long ago, or it was answered already."""
    digest = hashlib.sha256(challenge).digest()
    cursor = await connection.execute(
        """DELETE FROM challenges WHERE bucket = %s AND tenant = %s AND digest = %s AND purpose = %s
           RETURNING account, detail, expires_at > now()""",
        [hash_bucket(digest), tenant, digest, asked],
    )
    row = await cursor.fetchone()
    return Challenge(row[0], row[1]) if row and row[2] else None


async def sweep_challenges(connection: Connection) -> int:
    """Forget what nobody answered in time, in every bucket; return how many. A row is over by its own time alone."""
    cursor = await connection.execute("SELECT sweep_challenges()")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
