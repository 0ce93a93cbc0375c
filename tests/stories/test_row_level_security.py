"""The second lock: what PostgreSQL shows of another tenant when a query forgets to ask."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import anyio
import psycopg
import pytest
from psycopg import sql

from other_tenants import OURS, SHARED, THEIRS, Table, give_row, loosen, tables, whose
from postgres import Server, fresh_database
from tintype.db.blobs import insert_ref, is_referenced, lock_blob_for_upload, owner_has
from tintype.db.migrate import migrate
from tintype.db.pool import Clash, Database, DatabaseConfig
from tintype.db.setup import create_api_key, ensure_default_tenant
from tintype.db.tenants import find_key, tenant_of_host
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.ids import blob_bucket


@dataclass(frozen=True)
class Tenants:
    """A database with two tenants, each with a blob."""

    url: str
    ours: int
    theirs: int
    our_blob: bytes
    their_blob: bytes


@pytest.fixture(scope="module")
def tenants(postgres_server: Server) -> Tenants:
    url = fresh_database(postgres_server)
    migrate(url)
    ensure_default_tenant(url)
    ours, theirs = secrets.token_bytes(32), secrets.token_bytes(32)
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT id FROM tintype.tenants").fetchone()
        assert row is not None
        connection.execute("INSERT INTO tintype.tenants (id, slug) VALUES (7, 'other')")
        connection.execute("INSERT INTO tintype.hostnames (tenant, host) VALUES (7, 'other.example')")
        for tenant, sha256 in ((row[0], ours), (7, theirs)):
            connection.execute(
                "INSERT INTO tintype.blobs (bucket, tenant, sha256, size, format) VALUES (%s, %s, %s, 1, 'png')",
                [blob_bucket(sha256), tenant, sha256],
            )
    return Tenants(url, row[0], 7, ours, theirs)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseConfig(url))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def test_a_query_that_forgets_its_tenant_sees_its_own_rows_alone(tenants: Tenants) -> None:
    async def story() -> None:
        async with opened(tenants.url) as database, database.transaction(tenants.ours) as connection:
            cursor = await connection.execute("SELECT tenant, sha256 FROM blobs")
            assert await cursor.fetchall() == [(tenants.ours, tenants.our_blob)]

    anyio.run(story)


def test_without_a_tenant_nothing_is_seen(tenants: Tenants) -> None:
    async def story() -> None:
        async with opened(tenants.url) as database, database.lookup() as connection:
            for table in (
                "tenants",
                "api_keys",
                "blobs",
                "blob_refs",
                "images",
                "variants",
                "idempotency_keys",
                "signing_keys",
                "follows_out",
            ):
                cursor = await connection.execute(b"SELECT count(*) FROM " + table.encode())
                assert await cursor.fetchone() == (0,), table

    anyio.run(story)


def test_the_tenant_of_one_transaction_does_not_reach_the_next(tenants: Tenants) -> None:
    async def story() -> None:
        database = Database(DatabaseConfig(tenants.url, pool_max=1))
        await database.open()
        async with database.transaction(tenants.ours) as connection:
            await connection.execute("SELECT 1")
        async with database.lookup() as connection:
            cursor = await connection.execute("SELECT count(*) FROM blobs")
            assert await cursor.fetchone() == (0,)
        await database.close()

    anyio.run(story)


def test_rows_of_another_tenant_can_be_neither_changed_nor_made(tenants: Tenants) -> None:
    async def story() -> None:
        async with opened(tenants.url) as database:
            async with database.transaction(tenants.ours) as connection:
                cursor = await connection.execute(
                    "DELETE FROM blobs WHERE bucket = %s AND sha256 = %s RETURNING 1",
                    [blob_bucket(tenants.their_blob), tenants.their_blob],
                )
                assert await cursor.fetchall() == []
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with database.transaction(tenants.ours) as connection:
                    await insert_ref(
                        connection, tenant=tenants.theirs, sha256=tenants.their_blob, image=1, version=1, owner=None
                    )

    anyio.run(story)


def test_keys_and_hosts_find_their_tenant_by_the_narrow_functions(tenants: Tenants) -> None:
    key = create_api_key(tenants.url, "other", "a key")

    async def story() -> None:
        async with opened(tenants.url) as database, database.lookup() as connection:
            found = await find_key(connection, key.id)
            assert found is not None
            assert found.tenant == tenants.theirs
            assert key.matches(found.secret_hash)
            assert await find_key(connection, key.id + 1) is None
            assert await tenant_of_host(connection, "other.example") == tenants.theirs
            assert await tenant_of_host(connection, "unknown.example") == tenants.ours

    anyio.run(story)


def test_a_revoked_or_expired_key_finds_nothing(tenants: Tenants) -> None:
    revoked, expired = (create_api_key(tenants.url, "other", name) for name in ("revoked", "expired"))
    with psycopg.connect(tenants.url) as connection:
        connection.execute("UPDATE tintype.api_keys SET revoked_at = now() WHERE id = %s", [revoked.id])
        connection.execute("UPDATE tintype.api_keys SET expires_at = now() WHERE id = %s", [expired.id])

    async def story() -> None:
        async with opened(tenants.url) as database, database.lookup() as connection:
            assert await find_key(connection, revoked.id) is None
            assert await find_key(connection, expired.id) is None

    anyio.run(story)


@pytest.fixture(scope="module")
def crowded(postgres_server: Server) -> Iterator[psycopg.Connection]:
    """Give the owner's connection to a database where two tenants have a row in every table."""
    url = fresh_database(postgres_server)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        loosen(connection)
        for table in tables(connection):
            for tenant in (OURS, THEIRS) if table.name not in SHARED else ():
                give_row(connection, table, tenant)
        yield connection


@contextmanager
def serving(connection: psycopg.Connection, tenant: int) -> Iterator[psycopg.Connection]:
    """Give the connection as the application has it within a tenant; whatever was done is undone."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE tintype_app")
        connection.execute(f"SET LOCAL app.tenant = '{tenant}'".encode())
        yield connection


def test_every_table_has_a_tenant_or_is_named_as_one_of_the_installation(crowded: psycopg.Connection) -> None:
    assert {table.name for table in tables(crowded) if table.tenant is None} == SHARED
    assert len(tables(crowded)) > 20


def test_without_any_filter_no_table_shows_another_tenant_s_row(crowded: psycopg.Connection) -> None:
    readable = 0
    for table in _of_tenants(crowded):
        assert whose(crowded, table) == [OURS, THEIRS], table.name  # the owner sees both: there is something to hide
        with serving(crowded, OURS), suppress(psycopg.errors.InsufficientPrivilege), crowded.transaction():
            assert whose(crowded, table) == [OURS], table.name
            readable += 1
    assert readable > 20


def test_without_any_filter_no_statement_changes_or_deletes_another_tenant_s_row(crowded: psycopg.Connection) -> None:
    changed = 0
    for table in _of_tenants(crowded):
        assert table.tenant is not None
        columns = _may_update(crowded, table)
        for statement in (
            *(sql.SQL("UPDATE {0} SET {1} = {1}").format(table.identifier, sql.Identifier(name)) for name in columns),
            sql.SQL("DELETE FROM {}").format(table.identifier),
        ):
            with serving(crowded, OURS), suppress(psycopg.errors.InsufficientPrivilege), crowded.transaction():
                assert crowded.execute(statement).rowcount == 1, table.name
                changed += 1
    assert changed > 40


def test_no_table_takes_a_row_for_another_tenant(crowded: psycopg.Connection) -> None:
    for table in _of_tenants(crowded):
        with serving(crowded, OURS), pytest.raises(psycopg.errors.InsufficientPrivilege), crowded.transaction():
            give_row(crowded, table, THEIRS)


def test_outside_any_tenant_no_table_shows_anything(crowded: psycopg.Connection) -> None:
    for table in _of_tenants(crowded):
        with crowded.transaction(force_rollback=True):
            crowded.execute("SET LOCAL ROLE tintype_app")
            crowded.execute("SET LOCAL app.tenant = ''")
            with suppress(psycopg.errors.InsufficientPrivilege), crowded.transaction():
                assert whose(crowded, table) == [], table.name


def test_what_passes_the_policies_by_is_for_the_application_alone_and_keeps_to_our_schema(
    crowded: psycopg.Connection,
) -> None:
    open_to_all = crowded.execute(
        """SELECT proname FROM pg_proc WHERE pronamespace = 'tintype'::regnamespace AND prosecdef
               AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)
                    OR NOT coalesce(array_to_string(proconfig, ' '), '') LIKE '%%search_path=tintype, pg_temp%%')"""
    ).fetchall()
    assert open_to_all == []


def test_a_table_without_a_policy_is_found_out(crowded: psycopg.Connection) -> None:
    with crowded.transaction(force_rollback=True):
        crowded.execute("ALTER TABLE tintype.hostnames DISABLE ROW LEVEL SECURITY")
        crowded.execute("SET LOCAL ROLE tintype_app")
        crowded.execute(f"SET LOCAL app.tenant = '{OURS}'".encode())
        assert whose(crowded, Table("hostnames", "tenant")) == [OURS, THEIRS]


def _of_tenants(connection: psycopg.Connection) -> list[Table]:
    return [table for table in tables(connection) if table.tenant is not None]


def _may_update(connection: psycopg.Connection, table: Table) -> list[str]:
    """Return the columns that the application may update."""
    rows = connection.execute(
        """SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0
               AND NOT a.attisdropped AND has_column_privilege('tintype_app', a.attrelid, a.attnum, 'UPDATE')""",
        [f"tintype.{table.name}"],
    ).fetchall()
    return [name for (name,) in rows]


def test_references_are_counted_by_rows_and_belong_to_their_owner(tenants: Tenants) -> None:
    sha256 = secrets.token_bytes(32)

    async def story() -> None:
        async with opened(tenants.url) as database:
            async with database.transaction(tenants.ours) as connection:
                await lock_blob_for_upload(connection, tenant=tenants.ours, sha256=sha256, size=9, fmt=Format.PNG)
                assert not await is_referenced(connection, tenant=tenants.ours, sha256=sha256)
                await insert_ref(connection, tenant=tenants.ours, sha256=sha256, image=5, version=1, owner=42)
            async with database.transaction(tenants.ours) as connection:
                assert await is_referenced(connection, tenant=tenants.ours, sha256=sha256)
                assert await owner_has(connection, tenant=tenants.ours, sha256=sha256, owner=42)
                assert not await owner_has(connection, tenant=tenants.ours, sha256=sha256, owner=43)
            with pytest.raises(Clash):
                async with database.transaction(tenants.ours) as connection:
                    await insert_ref(connection, tenant=tenants.ours, sha256=sha256, image=5, version=1, owner=42)

    anyio.run(story)


def test_a_database_that_is_away_is_a_problem_within_two_seconds() -> None:
    async def story() -> None:
        async with opened("postgresql://nobody@127.0.0.1:1/none") as database:
            with anyio.fail_after(2), pytest.raises(Problem) as caught:
                async with database.lookup():
                    pass
            assert caught.value.code is Code.UNAVAILABLE

    anyio.run(story)
