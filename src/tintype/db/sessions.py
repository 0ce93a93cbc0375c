"""Sessions of accounts: opaque tokens of which only a hash is stored, in the bucket of their account."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, LiteralString

from tintype.db.pool import Connection
from tintype.domain.actor import Role
from tintype.domain.ids import bucket_of
from tintype.domain.session import IDLE, LONGEST, MAX_AGENT_CHARACTERS, MOST, Session
from tintype.domain.tokens import SECRET_BYTES, Purpose, Token

SWEPT_AT_ONCE: Final = 10_000
"""Rows; a statement that deletes them takes a fraction of a second."""


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that is neither revoked nor over, with what its account is now."""

    tenant: int
    account: int
    secret_hash: bytes
    role: Role
    suspended: bool
    stale: bool
    """Whether it is time to note that it is used."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that begins, with the only copy of its token."""

    token: Token
    expires_at: datetime


async def find_session(connection: Connection, session_id: int) -> FoundSession | None:
    """Return the usable session with this id, or None."""
    cursor = await connection.execute(
        "SELECT tenant, account, secret_hash, role, suspended, stale FROM find_session(%s, %s)",
        [bucket_of(session_id), session_id],
    )
    row = await cursor.fetchone()
    return FoundSession(row[0], row[1], row[2], Role(row[3]), row[4], row[5]) if row and row[0] is not None else None


async def open_session(
    connection: Connection, *, tenant: int, account: int, session_id: int, address: str, agent: str | None
) -> OpenedSession:
    """Begin a session of an account that has shown who it is; `session_id` was drawn in the account's bucket.

    The oldest make room for it where there are too many.
    """
    token = Token(Purpose.SESSION, session_id, secrets.token_bytes(SECRET_BYTES))
    agent = agent[:MAX_AGENT_CHARACTERS].replace("\0", "") if agent else None
    cursor = await connection.execute(
        """INSERT INTO sessions (bucket, id, tenant, account, secret_hash, address, agent, expires_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, now() + %s) RETURNING expires_at""",
        [bucket_of(account), session_id, tenant, account, token.hash, address, agent, IDLE],
    )
    row = await cursor.fetchone()
    await connection.execute(
        """DELETE FROM sessions WHERE bucket = %s AND account = %s AND id <= (
               SELECT id FROM sessions WHERE bucket = %s AND account = %s ORDER BY id DESC OFFSET %s LIMIT 1)""",
        [bucket_of(account), account, bucket_of(account), account, MOST],
    )
    return OpenedSession(token, row[0] if row else datetime.now(UTC) + IDLE)


async def touch_session(connection: Connection, session_id: int) -> None:
    """Note that the session is used: it lasts from now, and no longer than sessions may."""
    await connection.execute(
        """UPDATE sessions SET seen_at = now(), expires_at = least(created_at + %s, now() + %s)
           WHERE bucket = %s AND id = %s""",
        [LONGEST, IDLE, bucket_of(session_id), session_id],
    )


async def sessions_of(connection: Connection, account: int) -> list[Session]:
    """Return the account's sessions that are not over, newest first."""
    cursor = await connection.execute(
        """SELECT id, account, address, agent, created_at, seen_at, expires_at FROM sessions
           WHERE bucket = %s AND account = %s AND expires_at > now() ORDER BY id DESC LIMIT %s""",
        [bucket_of(account), account, MOST],
    )
    return [Session(*row) for row in await cursor.fetchall()]


async def read_session(connection: Connection, session_id: int) -> Session | None:
    """Return the session with this id, unless it is over."""
    cursor = await connection.execute(
        """SELECT id, account, address, agent, created_at, seen_at, expires_at FROM sessions
           WHERE bucket = %s AND id = %s AND expires_at > now()""",
        [bucket_of(session_id), session_id],
    )
    row = await cursor.fetchone()
    return Session(*row) if row else None


async def has_session_from(connection: Connection, account: int, address: str) -> bool:
    """Return whether the account is signed in from this address."""
    cursor = await connection.execute(
        """SELECT 1 FROM sessions WHERE bucket = %s AND account = %s AND address = %s AND expires_at > now()
           LIMIT 1""",
        [bucket_of(account), account, address],
    )
    return await cursor.fetchone() is not None


async def end_session(connection: Connection, *, account: int, session_id: int) -> bool:
    """End one session of the account; return whether there was such a one."""
    cursor = await connection.execute(
        "DELETE FROM sessions WHERE bucket = %s AND id = %s AND account = %s RETURNING 1",
        [bucket_of(account), session_id, account],
    )
    return await cursor.fetchone() is not None


async def end_sessions(connection: Connection, *, account: int, but: int | None = None) -> None:
    """End every session of the account, but the one that is named."""
    await connection.execute(
        "DELETE FROM sessions WHERE bucket = %s AND account = %s AND id IS DISTINCT FROM %s",
        [bucket_of(account), account, but],
    )


async def sweep_sessions(connection: Connection) -> int:
    """Forget sessions that are over, in every bucket; return how many. A row is over by its own time alone."""
    return await _sweep(connection, "SELECT sweep_sessions(%s)")


async def sweep_mails(connection: Connection) -> int:
    """Forget mails whose token is over, likewise."""
    return await _sweep(connection, "SELECT sweep_mails(%s)")


async def sweep_setup_links(connection: Connection) -> int:
    """Forget set-up links that are over, likewise."""
    cursor = await connection.execute("SELECT sweep_setup_links()")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _sweep(connection: Connection, statement: LiteralString) -> int:
    swept = 0
    while True:
        cursor = await connection.execute(statement, [SWEPT_AT_ONCE])
        row = await cursor.fetchone()
        count = int(row[0]) if row else 0
        swept += count
        if count < SWEPT_AT_ONCE:
            return swept
