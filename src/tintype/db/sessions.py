"""Sessions of accounts: opaque tokens of which only a hash is stored, in the bucket of their account."""

from dataclasses import dataclass

from tintype.db.pool import Connection
from tintype.domain.actor import Role
from tintype.domain.ids import bucket_of


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that is neither revoked nor over, with what its account is now."""

    tenant: int
    account: int
    secret_hash: bytes
    role: Role
    suspended: bool


async def find_session(connection: Connection, session_id: int) -> FoundSession | None:
    """Return the usable session with this id, or None."""
    cursor = await connection.execute(
        "SELECT tenant, account, secret_hash, role, suspended FROM find_session(%s, %s)",
        [bucket_of(session_id), session_id],
    )
    row = await cursor.fetchone()
    return FoundSession(row[0], row[1], row[2], Role(row[3]), row[4]) if row and row[0] is not None else None
