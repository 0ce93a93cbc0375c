"""What is done now and then: exactly one run at its time, however many workers there are and whichever of them die.

The database keeps when each task is due, by its own clock. Every worker asks now and then; whoever finds a task due
moves its time on and enqueues its job, in one transaction under the row's lock, so nobody else does. From then on the
run is a job like any other: taken over when its worker dies, tried again when it fails. A run that is not over yet
takes the next one's place, so a task never runs beside itself. What fell due while no worker ran is made up for once.

A task is registered by a line in `[schedule]` of `defaults.toml` and a `PeriodicTask` in `bootstrap/`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from croniter import croniter

from tintype.db.jobs import Priority, enqueue_periodic
from tintype.db.periodic import begin_run, claim_due, end_run, put_off, set_schedule
from tintype.db.pool import Database

Report = Mapping[str, object]
"""What a run found and did: counts by name, as JSON."""


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """A story and when it is due.

    `schedule` is a cron expression in UTC, None when the task is switched off. `run` may be cut off at any moment and
    is then run again from the start.
    """

    name: str
    schedule: str | None
    run: Callable[[], Awaitable[Report | None]]
    priority: Priority = Priority.PERIODIC


class Periodic:
    """Enqueues tasks when they are due, and runs them."""

    def __init__(self, database: Database, tasks: Iterable[PeriodicTask]) -> None:
        self._database = database
        self.tasks = {task.name: task for task in tasks}
        self._registered = False

    async def enqueue_due(self) -> tuple[str, ...]:
        """Enqueue what is due and return the names; `Problem` when the database is away."""
        if not self._registered:
            await self._register()
        enqueued = []
        async with self._database.lookup() as connection, connection.transaction():
            for due in await claim_due(connection, sorted(self.tasks)):
                task = self.tasks[due.name]
                job = None if due.under_way else await enqueue_periodic(connection, due.name, task.priority)
                await put_off(connection, due.name, until=next_due(task.schedule, due.now), job=job)
                if job is not None:
                    enqueued.append(due.name)
        return tuple(enqueued)

    async def run(self, name: str) -> Report:
        """Run the task now, record how that went, and return its report."""
        async with self._database.lookup() as connection:
            await begin_run(connection, name)
        try:
            report = await self.tasks[name].run() or {}
        except Exception:
            async with self._database.lookup() as connection:
                await end_run(connection, name, report=None)
            raise
        async with self._database.lookup() as connection:
            await end_run(connection, name, report=report)
        return report

    async def _register(self) -> None:
        """Put down when each task is due next, unless that is known and its schedule is still the same."""
        async with self._database.lookup() as connection, connection.transaction():
            for name in sorted(self.tasks):  # in one order: two workers that start together never wait for each other
                await set_schedule(connection, name, self.tasks[name].schedule, next_due)
        self._registered = True


def next_due(schedule: str | None, now: datetime) -> datetime | None:
    """Return the first time after `now` that the cron expression names; None when there is none."""
    if schedule is None:
        return None
    due: datetime = croniter(schedule, now).get_next(datetime)
    return due
