"""The audit log: append, read a page, forget what is too old. The application's role may do nothing else to it.

An entry is appended in the transaction of what it tells of: there is no change without its entry and no entry of a
change that was rolled back. A refusal changes nothing and has a transaction of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from tintype.db.pool import Connection
from tintype.domain.audit import Action, Entry, Result, Via

FAILURES_PER_HOUR: Final = 20
"""Of one sort that are written down for one account, or for one address where no account is known: enough to tell a
typing error from an attack. Ten thousand guesses must not fill the disk."""

STRANGERS_PER_HOUR: Final = 1_000
"""Likewise of all addresses of a tenant together, where no account is known: a botnet has a new address for each."""

_APPEND: Final[LiteralString] = (
    "SELECT tintype.append_to_audit_log(%s, %s, %s, %s::int8, %s::int8, %s, %s::int8, %s, %s)"
)


async def record(connection: Connection, entry: Entry) -> None:
    """Append the entry in the transaction under way, whose tenant's it is."""
    await connection.execute(_APPEND, _values(entry))


async def record_failure(connection: Connection, entry: Entry) -> None:
    """Append the entry of a refusal, unless there are enough of its sort for this hour.

    The last that is written says that the rest of the hour is not. The caller's transaction must not be rolled back by
    the refusal itself.
    """
    account, found = entry.concerns, 0
    if account is not None:
        found = await _lately(connection, _OF_ACCOUNT, [entry.action, account], FAILURES_PER_HOUR)
    else:
        if await _lately(connection, _OF_STRANGERS, [entry.action], STRANGERS_PER_HOUR) >= STRANGERS_PER_HOUR:
            return
        found = await _lately(connection, _OF_ADDRESS, [entry.action, entry.by.address], FAILURES_PER_HOUR)
    if found < FAILURES_PER_HOUR:
        last = {"rest_of_the_hour": "not recorded"} if found == FAILURES_PER_HOUR - 1 else {}
        await connection.execute(_APPEND, _values(entry, more=last))


def record_as_owner(connection: psycopg.Connection, tenant: int, entry: Entry) -> None:
    """Append the entry of a command that works on the owner's own connection, in its transaction."""
    connection.execute("SELECT set_config('app.tenant', %s, true)", [str(tenant)])
    connection.execute(_APPEND, _values(entry))


_LATELY: Final[LiteralString] = """SELECT count(*) FROM (SELECT 1 FROM audit_log
    WHERE tenant = current_tenant() AND id >= audit_id(clock_timestamp() - interval '1 hour') AND action = %s"""
_LIMITED: Final[LiteralString] = " ORDER BY id DESC LIMIT %s) AS lately"
_OF_ACCOUNT: Final[LiteralString] = _LATELY + " AND account = %s" + _LIMITED
_OF_ADDRESS: Final[LiteralString] = _LATELY + " AND account IS NULL AND address = %s" + _LIMITED
_OF_STRANGERS: Final[LiteralString] = _LATELY + " AND account IS NULL" + _LIMITED


async def _lately(connection: Connection, statement: LiteralString, given: Sequence[object], most: int) -> int:
    """Return how many such entries there are of the last hour, counting no further than `most`."""
    cursor = await connection.execute(statement, [*given, most])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _values(entry: Entry, *, more: dict[str, str] | None = None) -> list[object]:
    by = entry.by
    return [
        entry.action,
        entry.result,
        by.via,
        by.account,
        by.key,
        by.address,
        entry.concerns,
        entry.object,
        Jsonb({**entry.detail, **(more or {})}),
    ]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry as it was recorded. `actor` is the account that did it, `account` whom it concerns."""

    id: int
    at: datetime
    action: str
    result: Result
    via: Via
    actor: int | None
    key: int | None
    address: str | None
    account: int | None
    object: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries are wanted; None is any. `since` is included, `until` is not."""

    action: Action | None = None
    actor: int | None = None
    key: int | None = None
    object: str | None = None
    account: int | None = None
    """Entries that this account made or that concern it."""
    since: datetime | None = None
    until: datetime | None = None


_PAGE: Final[LiteralString] = """SELECT id, at, action, result, via, actor, key, address, account, object, detail
    FROM audit_log WHERE tenant = current_tenant() AND id < %s"""
_NEWEST: Final[LiteralString] = " ORDER BY id DESC LIMIT %s"


async def audit_page(connection: Connection, wanted: AuditFilter, *, before: int, limit: int) -> tuple[AuditRow, ...]:
    """Return at most `limit` entries of the tenant below the id `before`, newest first."""
    where, given = _where(wanted)
    parameters: list[object] = [before, *given]
    if wanted.account is None:
        cursor = await connection.execute(_PAGE + where + _NEWEST, [*parameters, limit])
    else:  # each half from its own index
        by: LiteralString = "(" + _PAGE + where + " AND actor = %s" + _NEWEST + ")"
        about: LiteralString = "(" + _PAGE + where + " AND account = %s" + _NEWEST + ")"
        half = [*parameters, wanted.account, limit]
        cursor = await connection.execute(by + " UNION " + about + _NEWEST, [*half, *half, limit])
    return tuple(_row(row) for row in await cursor.fetchall())


async def forget_entries(connection: Connection, *, before: datetime, limit: int) -> int:
    """Forget at most `limit` of the tenant's entries that are older, and return how many; never of the last month."""
    cursor = await connection.execute("SELECT forget_audit_entries(%s, %s)", [before, limit])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _where(wanted: AuditFilter) -> tuple[LiteralString, Sequence[object]]:
    where: LiteralString = ""
    given: list[object] = []
    if wanted.action is not None:
        where += " AND action = %s"
        given.append(wanted.action)
    if wanted.actor is not None:
        where += " AND actor = %s"
        given.append(wanted.actor)
    if wanted.key is not None:
        where += " AND key = %s"
        given.append(wanted.key)
    if wanted.object is not None:
        where += " AND object = %s"
        given.append(wanted.object)
    if wanted.since is not None:
        where += " AND id >= audit_id(%s)"
        given.append(wanted.since)
    if wanted.until is not None:
        where += " AND id < audit_id(%s)"
        given.append(wanted.until)
    return where, given


def _row(row: tuple[Any, ...]) -> AuditRow:
    entry, at, action, result, via, actor, key, address, account, named, detail = row
    return AuditRow(entry, at, action, Result(result), Via(via), actor, key, address, account, named, detail)
