"""Accounts, and the names they are found by. An account lies in its bucket; a handle and an address in the tenant's.

So a look-up by name is two statements: whose it is, then the account's row.
"""

from collections.abc import Sequence
from typing import Any, Final

from tintype.db.pool import Connection
from tintype.domain.account import Account, AccountState, Decision
from tintype.domain.actor import Role
from tintype.domain.ids import bucket_of

NOBODY: Final = 0
"""No account has this id: whoever looks it up asks as much of the database as for somebody's."""


async def account_of_handle(connection: Connection, *, tenant: int, handle: str) -> int | None:
    """Return whose the handle is."""
    cursor = await connection.execute("SELECT account FROM handles WHERE tenant = %s AND handle = %s", [tenant, handle])
    row = await cursor.fetchone()
    return row[0] if row else None


async def account_of_email(connection: Connection, *, tenant: int, email: str) -> int | None:
    """Return whose the address (in its normal form) is, or who first said so where nobody has shown it."""
    cursor = await connection.execute("SELECT account FROM emails WHERE tenant = %s AND email = %s", [tenant, email])
    row = await cursor.fetchone()
    return row[0] if row else None


async def claim_handle(connection: Connection, *, tenant: int, handle: str, account: int) -> bool:
    """Give the handle to the account; return False when somebody has it. Waits for whoever is about to take it."""
    cursor = await connection.execute(
        "INSERT INTO handles (tenant, handle, account) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        [tenant, handle, account],
    )
    return await cursor.fetchone() is not None


async def release_handle(connection: Connection, *, tenant: int, handle: str) -> None:
    """Let others have the handle."""
    await connection.execute("DELETE FROM handles WHERE tenant = %s AND handle = %s", [tenant, handle])


async def note_email(connection: Connection, *, tenant: int, email: str, account: int) -> tuple[int, bool]:
    """Note that the account says the address is its own; return whose it is now, and whether that one has shown it."""
    cursor = await connection.execute(
        """INSERT INTO emails AS held (tenant, email, account) VALUES (%s, %s, %s)
           ON CONFLICT (tenant, email) DO UPDATE SET account = held.account
           RETURNING account, verified_at IS NOT NULL""",
        [tenant, email, account],
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (account, False)


async def claim_email(connection: Connection, *, tenant: int, email: str, account: int) -> bool:
    """Give the address to the account that has shown it; return False when another one has shown it before."""
    cursor = await connection.execute(
        """INSERT INTO emails AS held (tenant, email, account, verified_at) VALUES (%s, %s, %s, now())
           ON CONFLICT (tenant, email) DO UPDATE SET account = excluded.account, verified_at = excluded.verified_at
           WHERE held.verified_at IS NULL OR held.account = excluded.account RETURNING 1""",
        [tenant, email, account],
    )
    return await cursor.fetchone() is not None


async def release_email(connection: Connection, *, tenant: int, email: str, account: int) -> None:
    """Let others have the address, if it is the account's."""
    await connection.execute(
        "DELETE FROM emails WHERE tenant = %s AND email = %s AND account = %s", [tenant, email, account]
    )


async def insert_account(
    connection: Connection, *, account: int, tenant: int, handle: str, email: str, password_hash: str | None, role: Role
) -> None:
    """Make the account's row; its handle must be claimed."""
    await connection.execute(
        """INSERT INTO accounts (bucket, id, tenant, handle, email, password_hash, role)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        [bucket_of(account), account, tenant, handle, email, password_hash, role],
    )


async def read_account(connection: Connection, account: int) -> Account | None:
    """Return the account with this id, whatever its state, or None."""
    cursor = await connection.execute(
        """SELECT id, tenant, handle, email, email_verified_at, password_hash, role, state, state_reason, name, bio,
               links, private, avatar, banner, revision, created_at
           FROM accounts WHERE bucket = %s AND id = %s""",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return _account(row) if row else None


async def lock_account(connection: Connection, account: int) -> Account | None:
    """Return the account and hold its lock until the transaction ends."""
    cursor = await connection.execute(
        """SELECT id, tenant, handle, email, email_verified_at, password_hash, role, state, state_reason, name, bio,
               links, private, avatar, banner, revision, created_at
           FROM accounts WHERE bucket = %s AND id = %s FOR UPDATE""",
        [bucket_of(account), account],
    )
    row = await cursor.fetchone()
    return _account(row) if row else None


async def list_accounts(
    connection: Connection, *, tenant: int, states: Sequence[AccountState], before: int | None, limit: int
) -> list[Account]:
    """Return a tenant's accounts, newest first, in every bucket: a list for operators, by its own index."""
    cursor = await connection.execute(
        """SELECT id, tenant, handle, email, email_verified_at, password_hash, role, state, state_reason, name, bio,
               links, private, avatar, banner, revision, created_at
           FROM accounts WHERE tenant = %s AND state = ANY (%s) AND id < %s ORDER BY id DESC LIMIT %s""",
        [tenant, list(states), before if before is not None else 2**63 - 1, limit],
    )
    return [_account(row) for row in await cursor.fetchall()]


async def lock_operators(connection: Connection, *, tenant: int) -> list[int]:
    """Return the tenant's active operators and hold their locks, in one order: two who end one another meet here."""
    cursor = await connection.execute(
        """SELECT id FROM accounts WHERE tenant = %s AND role = 'operator' AND state = 'active'
           ORDER BY id FOR UPDATE""",
        [tenant],
    )
    return [row[0] for row in await cursor.fetchall()]


async def save_profile(connection: Connection, account: Account) -> None:
    """Store what the account says of itself."""
    await connection.execute(
        """UPDATE accounts SET handle = %s, name = %s, bio = %s, links = %s, private = %s, updated_at = now(),
               revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [account.handle, account.name, account.bio, list(account.links), account.private, account.bucket, account.id],
    )


async def save_password(connection: Connection, account: int, password_hash: str) -> None:
    """Store the hash of a password."""
    await connection.execute(
        "UPDATE accounts SET password_hash = %s, updated_at = now() WHERE bucket = %s AND id = %s",
        [password_hash, bucket_of(account), account],
    )


async def replace_hash(connection: Connection, account: int, *, old: str, new: str) -> None:
    """Store a stronger hash of the same password, unless the password was changed meanwhile."""
    await connection.execute(
        "UPDATE accounts SET password_hash = %s WHERE bucket = %s AND id = %s AND password_hash = %s",
        [new, bucket_of(account), account, old],
    )


async def save_verified_email(connection: Connection, account: int, email: str) -> None:
    """Store the address that the account has shown to be its own."""
    await connection.execute(
        """UPDATE accounts SET email = %s, email_verified_at = now(), updated_at = now(), revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [email, bucket_of(account), account],
    )


async def save_decision(connection: Connection, account: int, decision: Decision) -> None:
    """Store what was decided about the account."""
    await connection.execute(
        """UPDATE accounts SET state = coalesce(%s, state), role = coalesce(%s, role), updated_at = now(),
               state_reason = CASE WHEN %s::text IS NULL THEN state_reason ELSE %s END, revision = revision + 1
           WHERE bucket = %s AND id = %s""",
        [decision.state, decision.role, decision.state, decision.reason, bucket_of(account), account],
    )


def _account(row: tuple[Any, ...]) -> Account:
    values = list(row)
    values[6], values[7], values[11] = Role(row[6]), AccountState(row[7]), tuple(row[11])
    return Account(*values)
