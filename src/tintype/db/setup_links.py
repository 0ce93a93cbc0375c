"""One-time links that make an operator. The owner of the database makes them (`setup.py`); here one is used."""

from tintype.db.pool import Connection
from tintype.domain.tokens import Token


async def tenant_of_setup_link(connection: Connection, link: int) -> int | None:
    """Return the tenant of the link with this id, None when there is no such link."""
    cursor = await connection.execute("SELECT tenant_of_setup_link(%s)", [link])
    row = await cursor.fetchone()
    return row[0] if row else None


async def use_setup_link(connection: Connection, token: Token) -> bool:
    """Use the link up: it is gone when the transaction commits. Return False when it is none, or over."""
    cursor = await connection.execute(
        "DELETE FROM setup_links WHERE id = %s AND secret_hash = %s AND expires_at > now() RETURNING 1",
        [token.id, token.hash],
    )
    return await cursor.fetchone() is not None
