"""What the stories of factors are tried on without a server: a database of our own, a clock that a test turns."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psycopg

from postgres import Server, fresh_database
from tintype.db.clock import DatabaseClock
from tintype.db.migrate import migrate
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.setup import ensure_default_tenant
from tintype.domain.actor import Actor
from tintype.domain.audit import Requester
from tintype.domain.own_account import Own


class TurnedClock(DatabaseClock):
    """A clock that stands still until a test turns it `ahead`, by seconds."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._began = time.time()
        self.ahead = 0.0

    def now(self) -> datetime:
        """Return the time as it is to be."""
        return datetime.fromtimestamp(self._began + self.ahead, UTC)


def database_with_tenant(server: Server) -> tuple[str, int]:
    """Return the URL of a fresh database, and its tenant."""
    url = fresh_database(server)
    migrate(url)
    ensure_default_tenant(url)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT id FROM tintype.tenants").fetchone()
    assert row is not None
    return url, row[0]


def somebody(tenant: int) -> Own:
    """Return somebody at an account of their own."""
    account = secrets.randbits(62)
    return Own(tenant, account, None, Requester(Actor(tenant, account=account)))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Give the database's pool."""
    database = Database(DatabaseConfig(url))
    await database.open()
    try:
        yield database
    finally:
        await database.close()
