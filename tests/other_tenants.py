"""Two tenants with a row each in every table there is, made from the catalogue: a new table needs no new line here.

What a row says does not matter, so that checks and references are dropped first, in a database that nobody else uses.
Policies, rights and not-null stay as they are.
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

OURS: Final = 7
THEIRS: Final = 8

SHARED: Final = frozenset({"periodic_tasks"})
"""Tables of the installation, without a tenant: when each task runs, and which process has it. Nothing that is
anybody's may be in one."""

QUEUE: Final = "procrastinate_"
"""The queue's own tables begin so. A job names its tenant in its arguments (`docs/discussions.md`)."""

_VALUES: Final[dict[str, LiteralString]] = {
    "bool": "false",
    "bytea": "decode('00', 'hex')",
    "date": "'2026-01-01'",
    "float4": "0",
    "float8": "0",
    "inet": "'192.0.2.1'",
    "int2": "0",
    "int4": "0",
    "int8": "0",
    "interval": "'1 s'",
    "json": "'{}'",
    "jsonb": "'{}'",
    "numeric": "0",
    "text": "'x'",
    "timestamptz": "now()",
    "uuid": "gen_random_uuid()",
}
"""A value of each type."""


@dataclass(frozen=True)
class Table:
    """A table of ours. `tenant` is the column that says whose a row is; None when there is none."""

    name: str
    tenant: str | None

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier("tintype", self.name)


def tables(connection: psycopg.Connection) -> list[Table]:
    """Return every table of the schema but the queue's, partitions by the table they belong to."""
    rows = connection.execute(
        """SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant')
           FROM pg_class c WHERE c.relnamespace = 'tintype'::regnamespace AND c.relkind IN ('r', 'p')
               AND NOT c.relispartition ORDER BY 1"""
    ).fetchall()
    found = [(name, has_tenant) for name, has_tenant in rows if not name.startswith(QUEUE)]
    return [Table(name, "id" if name == "tenants" else "tenant" if has_tenant else None) for name, has_tenant in found]


def loosen(connection: psycopg.Connection) -> None:
    """Drop every check and reference, and every trigger."""
    rows = connection.execute(
        """SELECT conrelid::regclass::text, conname FROM pg_constraint
           WHERE connamespace = 'tintype'::regnamespace AND contype IN ('c', 'f') AND conparentid = 0
           ORDER BY contype DESC"""
    ).fetchall()
    for table, name in rows:
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT IF EXISTS "{name}" CASCADE'.encode())


def give_row(connection: psycopg.Connection, table: Table, tenant: int) -> None:
    """Give the tenant a row of the table."""
    assert table.tenant is not None, f"{table.name} has no tenant: whose is a row of it?"
    columns = connection.execute(
        """SELECT a.attname, t.typname, t.typcategory FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
           WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = ''
               AND a.attgenerated = ''""",
        [f"tintype.{table.name}"],
    ).fetchall()
    values = {name: _value(type_name, category, tenant) for name, type_name, category in columns}
    values[table.tenant] = sql.Literal(tenant)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table.identifier, sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
    )
    connection.execute(statement)


def _value(type_name: str, category: str, tenant: int) -> sql.Composable:
    """Return a value of that type, another one for each tenant where a key may be made of it."""
    if category == "A":
        return sql.SQL("'{}'")
    if type_name == "text":
        return sql.Literal(f"x{tenant}")
    if type_name == "bytea":
        return sql.SQL("decode({}, 'hex')").format(sql.Literal(f"{tenant:02x}"))
    if type_name in {"int2", "int4", "int8"}:
        return sql.Literal(tenant)
    return sql.SQL(_VALUES[type_name])


def whose(connection: psycopg.Connection, table: Table) -> list[Any]:
    """Return whose the rows are that the connection sees."""
    assert table.tenant is not None
    statement = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(sql.Identifier(table.tenant), table.identifier)
    return [row[0] for row in connection.execute(statement).fetchall()]
