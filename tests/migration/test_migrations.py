from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import psycopg
import pytest

from postgres import Server, drop_database, fresh_database
from schema_dump import SCHEMA_FILE, dump_schema
from tintype.db.migrate import MigrationRefused, migrate, migrations, pending_migrations


def test_the_migrated_schema_is_the_one_in_the_file(embedded_server: Server) -> None:
    url = fresh_database(embedded_server)
    migrate(url)
    assert dump_schema(url) == SCHEMA_FILE.read_text(), "run tests/schema_dump.py and read its diff"


def test_migrations_run_once(postgres_server: Server) -> None:
    url = fresh_database(postgres_server)
    assert migrate(url) == tuple(migration.name for migration in migrations())
    assert migrate(url) == ()
    with psycopg.connect(url) as connection:
        assert pending_migrations(connection) == ()
    drop_database(postgres_server, url)


def test_two_nodes_that_start_together_migrate_once(postgres_server: Server) -> None:
    url = fresh_database(postgres_server)
    with ThreadPoolExecutor(2) as pool:
        applied = list(pool.map(migrate, [url, url]))
    assert sorted(map(len, applied)) == [0, len(migrations())]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(postgres_server: Server) -> None:
    url = fresh_database(postgres_server)
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO public.tintype_migrations (name, checksum) VALUES ('9999_future', 'x')")
    with pytest.raises(MigrationRefused, match="9999_future"):
        migrate(url)


def test_a_migration_that_changed_after_it_was_applied_is_refused(postgres_server: Server) -> None:
    url = fresh_database(postgres_server)
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE public.tintype_migrations SET checksum = 'x' WHERE name = '0001_foundation'")
    with pytest.raises(MigrationRefused, match="0001_foundation has changed"):
        migrate(url)


def test_every_table_of_ours_has_a_tenant_and_row_level_security(embedded_server: Server) -> None:
    url = fresh_database(embedded_server)
    migrate(url)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """SELECT c.relname, c.relrowsecurity,
                      EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant')
               FROM pg_class c WHERE c.relnamespace = 'tintype'::regnamespace AND c.relkind = 'r'
               AND c.relname NOT LIKE 'procrastinate%' AND c.relname <> 'periodic_tasks'"""  # of the whole installation
        ).fetchall()
    tables = {name: (secured, owned) for name, secured, owned in rows}
    assert len(tables) >= 6
    assert all(secured for secured, _ in tables.values())
    assert {name for name, (_, owned) in tables.items() if not owned} == {"tenants"}


def test_the_application_can_neither_bypass_row_level_security_nor_migrate(postgres_server: Server) -> None:
    url = fresh_database(postgres_server)
    migrate(url)
    with psycopg.connect(url) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname LIKE 'tintype_%'"
        ).fetchall()
    assert dict(roles) == {"tintype_app": False, "tintype_owner": False}
    with psycopg.connect(url, options="-c role=tintype_app -c search_path=tintype") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("ALTER TABLE images ADD COLUMN x int")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE tintype.x ()")


def test_the_migrations_are_in_the_package() -> None:
    folder = resources.files("tintype.db") / "migrations"
    assert {file.name for file in folder.iterdir() if file.name.endswith(".sql")} >= {"0001_foundation.sql"}
