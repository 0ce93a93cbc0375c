"""Connections to PostgreSQL, and the two ways to use one: within a tenant, or for the few look-ups that find it.

Every statement of a tenant runs in a transaction that begins with `SET LOCAL app.tenant`, sent in the same pipeline, so
that row-level security holds even where a query forgets its tenant. Driver errors become `Problem` here: a database
that is away is 503, never a stack trace. One that is there and does not answer is taken for away after a moment.
"""

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.abc import RV, PQGen
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from tintype.domain.errors import Code, Problem
from tintype.domain.quota import Holder, Unit, exceeded

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]
Cursor: TypeAlias = psycopg.AsyncCursor[tuple[Any, ...]]

SESSION_OPTIONS: Final = (
    "-c role=tintype_app -c search_path=tintype -c app.tenant= -c timezone=UTC "
    "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
)
"""Every session serves as `tintype_app`, whoever logged in, and tells the time in UTC, wherever the server
stands. No statement of ours takes a second; ten is a hang."""

RETRY_AFTER_SECONDS: Final = 2

ANSWER_SECONDS: Final = 1.8
"""How long the server may be silent once it was asked before a request is answered 503 (I12: within 2 s). A commit
waits for the disk, a tenth of a second on a bad day."""


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
    answer_seconds: float = ANSWER_SECONDS
    """Likewise for a connection that is there. A worker, for which nobody waits, has more patience."""


class Clash(Exception):
    """A row with this key is there already: a drawn id was taken. Draw another and try again."""


class BoundedConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that is cut off, as if the server had ended, when the server keeps it waiting for too long.

    A server that is frozen or was cut off by a network answers nothing and closes nothing, and its own timeouts are as
    frozen as it is. Cancelling does not help: the driver then asks the server to cancel, and waits for that.
    """

    answer_seconds = ANSWER_SECONDS

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 -- the signature is the driver's
        """Wait for the server. Who gives a `timeout` waits for what may never come, such as notifications."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        timer = asyncio.get_running_loop().call_later(self.answer_seconds, self._cut_off)
        try:
            return await super().wait(gen, interval)
        finally:
            timer.cancel()

    def _cut_off(self) -> None:
        with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(self.pgconn.socket)) as peer:
            peer.shutdown(socket.SHUT_RDWR)


class Database:
    """A pool of connections for one process."""

    def __init__(self, config: DatabaseConfig) -> None:
        self._config = config
        self._pool: AsyncConnectionPool[BoundedConnection] = AsyncConnectionPool(
            config.url,
            connection_class=BoundedConnection,
            kwargs=connection_options(config),
            configure=self._configure,
            check=refuse_closed,
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
    def pool(self) -> AsyncConnectionPool[BoundedConnection]:
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
            await enter_tenant(connection, tenant)
            yield connection

    async def _configure(self, connection: BoundedConnection) -> None:
        connection.answer_seconds = self._config.answer_seconds

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.UniqueViolation as error:
            raise Clash from error
        except psycopg.errors.RaiseException as error:
            told = error.diag
            if told.message_primary != Code.QUOTA_EXCEEDED:
                raise
            raise exceeded(Holder(told.message_hint or ""), Unit(told.message_detail or "")) from None
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Problem(
                Code.UNAVAILABLE,
                "The database does not answer. Nothing was changed; try again in a moment.",
                retry_after=RETRY_AFTER_SECONDS,
            ) from error


async def enter_tenant(connection: Connection, tenant: int) -> None:
    """Go on with the transaction in another tenant: for what is one tenant's and is asked for by another's operator."""
    await connection.execute(b"SET LOCAL app.tenant = '%d'" % tenant)


async def refuse_closed(connection: BoundedConnection) -> None:
    """Raise for a connection that the server has closed while nobody used it: the pool then gives another one.

    Asks the kernel alone: nothing is to be read of a connection that rests, but for its end.
    """
    waiting = select.poll()
    waiting.register(connection.pgconn.socket, select.POLLIN)
    if waiting.poll(0):
        connection.pgconn.consume_input()


def connection_options(config: DatabaseConfig) -> dict[str, Any]:
    """Return the psycopg arguments of every connection of the application."""
    return {
        "autocommit": True,
        "options": SESSION_OPTIONS,
        "connect_timeout": config.connect_timeout_seconds,
        "tcp_user_timeout": 5000,  # milliseconds: a peer that vanished is noticed while a request still waits
    }
