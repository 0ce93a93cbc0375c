"""Connections to PostgreSQL, and the two ways to use one: within a tenant, or for the few look-ups that find it.

Every statement of a tenant runs in a transaction that begins with `SET LOCAL app.tenant`, sent in the same pipeline, so
that row-level security holds even where a query forgets its tenant. Driver errors become `Problem` here: a database
that is away is 503, never a stack trace.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tintype.domain.errors import Code, Problem

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

SESSION_OPTIONS: Final = (
    "-c role=tintype_app -c search_path=tintype -c app.tenant= "
    "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
)
"""Every session serves as `tintype_app`, whoever logged in. No statement of ours takes a second; ten is a hang."""

RETRY_AFTER_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """Where the database is and how many connections a process may hold."""

    url: str
    pool_min: int = 1
    pool_max: int = 8
    """Two cores answer no faster with more; PostgreSQL's 100 connections are shared by every process."""
    wait_seconds: float = 1.5
    """How long a request waits for a connection before it is answered 503 (I12: within 2 s)."""
    connect_timeout_seconds: int = 2


class Clash(Exception):
    """A row with this key is there already: a drawn id was taken. Draw another and try again."""


class Database:
    """A pool of connections for one process."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._config = config
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            config.url,
            kwargs=connection_options(config),
            min_size=config.pool_min,
            max_size=config.pool_max,
            timeout=config.wait_seconds,
            reconnect_timeout=0,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect without waiting: a database that is away is a 503 to each request, not a dead process."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=5)

    @property
    def pool(self) -> AsyncConnectionPool[Connection]:
        """The pool itself, for the job queue's connector."""
        return self._pool

    @asynccontextmanager
    async def lookup(self) -> AsyncIterator[Connection]:
        """Give a connection without a tenant: row-level security shows it nothing but the narrow look-up functions."""
        async with self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator[Connection]:
        """Give a transaction within `tenant`, committed at the end of the block and rolled back by any exception."""
        async with self._connection() as connection, connection.pipeline(), connection.transaction():
            await connection.execute(b"SET LOCAL app.tenant = '%d'" % tenant)
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.UniqueViolation as error:
            raise Clash from error
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Problem(
                Code.UNAVAILABLE,
                "The database does not answer. Nothing was changed; try again in a moment.",
                retry_after=RETRY_AFTER_SECONDS,
            ) from error


def connection_options(config: DatabaseConfig) -> dict[str, Any]:
    """Return the psycopg arguments of every connection of the application."""
    return {
        "autocommit": True,
        "options": SESSION_OPTIONS,
        "connect_timeout": config.connect_timeout_seconds,
        "tcp_user_timeout": 5000,  # milliseconds: a peer that vanished is noticed while a request still waits
    }
