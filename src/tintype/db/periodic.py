"""When each periodic task is due and how its last run went: one row each, without a tenant, on the database's clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from tintype.db.pool import Connection


@dataclass(frozen=True, slots=True)
class Due:
    """A task whose time has come; `now` is the database's time, `under_way` that its last run is not over."""

    name: str
    now: datetime
    under_way: bool


@dataclass(frozen=True, slots=True)
class LastRun:
    """What is known of a task: when it is due and how it went. Times are None for what has not happened yet."""

    name: str
    schedule: str | None
    due_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    succeeded_at: datetime | None
    outcome: str | None
    report: Mapping[str, object]


async def set_schedule(
    connection: Connection,
    name: str,
    schedule: str | None,
    next_due: Callable[[str | None, datetime], datetime | None],
) -> None:
    """Put down the schedule and when it is due next; a task whose schedule is as it was keeps its time."""
    cursor = await connection.execute(
        """INSERT INTO periodic_tasks (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name
           RETURNING schedule, due_at, clock_timestamp()""",
        [name],
    )
    row = await cursor.fetchone()
    if row is None or (row[0] == schedule and (row[1] is None) == (schedule is None)):
        return
    await connection.execute(
        "UPDATE periodic_tasks SET schedule = %s, due_at = %s WHERE name = %s",
        [schedule, next_due(schedule, row[2]), name],
    )


async def claim_due(connection: Connection, names: Sequence[str]) -> tuple[Due, ...]:
    """Return what is due of these and hold its lock until the transaction ends; what somebody else holds is theirs."""
    cursor = await connection.execute(
        """SELECT p.name, clock_timestamp(), EXISTS (
               SELECT 1 FROM procrastinate_jobs j WHERE j.id = p.job AND j.status IN ('todo', 'doing'))
           FROM periodic_tasks p WHERE p.name = ANY (%s) AND p.due_at <= clock_timestamp() ORDER BY p.name
           FOR UPDATE OF p SKIP LOCKED""",
        [list(names)],
    )
    return tuple(Due(name, now, under_way) for name, now, under_way in await cursor.fetchall())


async def put_off(connection: Connection, name: str, *, until: datetime | None, job: int | None) -> None:
    """Set when the task is due next; `job` is its run, None when the one before is still under way."""
    await connection.execute(
        "UPDATE periodic_tasks SET due_at = %s, job = coalesce(%s, job) WHERE name = %s", [until, job, name]
    )


async def begin_run(connection: Connection, name: str) -> None:
    """Take note that a run begins, whoever asked for it."""
    await connection.execute(
        """INSERT INTO periodic_tasks (name, started_at) VALUES (%s, clock_timestamp())
           ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at""",
        [name],
    )


async def end_run(connection: Connection, name: str, *, report: Mapping[str, object] | None) -> None:
    """Take note of how a run ended: with a report, or, without one, by an error."""
    await connection.execute(
        """UPDATE periodic_tasks SET ended_at = clock_timestamp(), outcome = %s, report = coalesce(%s, report),
               succeeded_at = CASE WHEN %s THEN clock_timestamp() ELSE succeeded_at END
           WHERE name = %s""",
        [
            "error" if report is None else "done",
            None if report is None else Jsonb(dict(report)),
            report is not None,
            name,
        ],
    )


async def last_runs(connection: Connection) -> tuple[LastRun, ...]:
    """Return every task that was ever scheduled or run, by name."""
    cursor = await connection.execute(
        """SELECT name, schedule, due_at, started_at, ended_at, succeeded_at, outcome, report FROM periodic_tasks
           ORDER BY name"""
    )
    return tuple(
        LastRun(name, schedule, due_at, started_at, ended_at, succeeded_at, outcome, report or {})
        for name, schedule, due_at, started_at, ended_at, succeeded_at, outcome, report in await cursor.fetchall()
    )
