"""Plain numbered SQL, forward only, under an advisory lock, each migration in a transaction of its own with its record.

A file with a line `-- include: procrastinate up to <version>` stands for the job queue's own migrations up to that one,
each applied as a migration by itself (some add an enum value that the next one uses, which must be committed first).
What was applied must never change: its checksum is recorded and compared.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import psycopg

LOCK: Final = 0x7469_6E74_7970_65
"""The advisory lock (`tintype` in ASCII) that lets one node migrate while the others wait."""

LOCK_TIMEOUT: Final = "4s"
"""How long a migration waits for a table lock: longer would queue every reader behind it."""

_INCLUDE: Final = "-- include: procrastinate up to "


class MigrationRefused(Exception):
    """The database and these migrations do not fit together; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A file, or an included one; `name` orders it."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Return every migration of this version of Tintype, in order."""
    return tuple(
        migration for file in _sql_files(resources.files("tintype.db") / "migrations") for migration in _expand(file)
    )


def migrate(owner_url: str) -> tuple[str, ...]:
    """Bring the database up to date and return the names of the migrations that were applied.

    Waits for another node that is migrating. Raises `MigrationRefused` when the database is newer than this version,
    or when an applied migration has changed since.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute(
            """CREATE TABLE IF NOT EXISTS public.tintype_migrations (
                   name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"""
        )
        applied: dict[str, str] = dict(
            connection.execute("SELECT name, checksum FROM public.tintype_migrations").fetchall()
        )
        known = migrations()
        _check(known, applied)
        pending = [migration for migration in known if migration.name not in applied]
        for migration in pending:
            _apply(connection, migration)
    return tuple(migration.name for migration in pending)


def pending_migrations(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Return the names of the migrations that the database lacks."""
    if connection.execute("SELECT to_regclass('public.tintype_migrations') IS NULL").fetchone() == (True,):
        return tuple(migration.name for migration in migrations())
    applied = {name for (name,) in connection.execute("SELECT name FROM public.tintype_migrations")}
    return tuple(migration.name for migration in migrations() if migration.name not in applied)


def _sql_files(folder: Traversable) -> list[Traversable]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


def _expand(file: Traversable) -> Iterator[Migration]:
    name, sql = file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")
    included = [line.removeprefix(_INCLUDE) for line in sql.splitlines() if line.startswith(_INCLUDE)]
    if not included:
        yield Migration(name, sql)
        return
    for part in _sql_files(resources.files("procrastinate") / "sql" / "migrations"):
        if part.name[: len(included[0])] <= included[0]:
            yield Migration(f"{name}/{part.name.removesuffix('.sql')}", part.read_text(encoding="utf-8"))


def _check(known: Iterable[Migration], applied: dict[str, str]) -> None:
    checksums = {migration.name: migration.checksum for migration in known}
    for name, checksum in applied.items():
        if name not in checksums:
            raise MigrationRefused(f"The database has migration {name}, which is newer than this Tintype. Upgrade it.")
        if checksums[name] != checksum:
            raise MigrationRefused(f"Migration {name} has changed since it was applied. Restore the original file.")


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        if connection.execute("SELECT to_regnamespace('tintype') IS NOT NULL").fetchone() == (True,):
            connection.execute("SET LOCAL ROLE tintype_owner")
            connection.execute("SET LOCAL search_path = tintype")
        connection.execute(migration.sql.encode())
        connection.execute("RESET ROLE")
        connection.execute(
            "INSERT INTO public.tintype_migrations (name, checksum) VALUES (%s, %s)",
            [migration.name, migration.checksum],
        )
