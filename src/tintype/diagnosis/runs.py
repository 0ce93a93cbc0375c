"""When what is done at its time was done last, and what it found."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import psycopg

from tintype.diagnosis.finding import Finding

MOST_LATE: Final = timedelta(minutes=10)
"""A worker looks every few seconds: what is due for longer, no worker looks for."""


def last_runs(connection: psycopg.Connection) -> Iterator[Finding]:
    """Give a finding for each task that was ever scheduled or run."""
    rows = connection.execute(
        """SELECT name, due_at < clock_timestamp() - %s, to_char(succeeded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
               to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), outcome, coalesce(report, '{}')
           FROM tintype.periodic_tasks ORDER BY name""",
        [MOST_LATE],
    ).fetchall()
    for name, late, succeeded, due, outcome, report in rows:
        when = f"last done {succeeded or 'never'}" + (f", due {due} (UTC)" if due else "")
        yield Finding(
            name,
            ok=not late and outcome != "error" and not report.get("total"),
            detail=f"{when}{_found(name, report)}.",
            advice=_advice(name, late=bool(late), failed=outcome == "error"),
        )


def _found(name: str, report: dict[str, Any]) -> str:
    if name == "gc" and report:
        return f"; {report['removed']} removed or mended, {report['failed']} left for the next run"
    if name == "verify" and report:
        broken = ", ".join(f"{count} of {invariant}" for invariant, count in report["violations"].items() if count)
        return f"; violations: {broken or 'none'}"
    return ""


def _advice(name: str, *, late: bool, failed: bool) -> str:
    if late:
        return "No worker has looked: start one."
    if failed:
        return f"The log line `job_failed` of {name} says why."
    return "Run `tintype verify`: it names each, and docs/operations.md says what to do."
