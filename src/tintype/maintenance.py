"""Commands that look through everything: `tintype gc` and `tintype verify`, beside a running product or without one.

They work on the database as the application does, whoever logged in: as `tintype_app`, a tenant at a time. When the
embedded database does not run it is started for as long as the command takes, under the lock of the data directory.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final, TypeVar

import psycopg

from tintype.adapters.data_lock import DataDirectoryLock
from tintype.adapters.postgres_embedded import EmbeddedConfig, EmbeddedPostgres
from tintype.adapters.postgres_placement import find_cluster
from tintype.bootstrap.parts import upkeep_of
from tintype.db.migrate import pending_migrations
from tintype.db.pool import Database, DatabaseConfig
from tintype.doctor import running_database_url
from tintype.domain.errors import Problem
from tintype.domain.garbage import LEFT_ALONE, Find
from tintype.domain.ids import image_name
from tintype.domain.invariant import Invariant, Violation
from tintype.domain.purge import Purge
from tintype.periodic import Periodic, PeriodicTask, Report
from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull
from tintype.settings import Settings
from tintype.supervisor import CannotStart, explained
from tintype.telemetry.logs import configure_logs
from tintype.upkeep import Upkeep

PROGRESS_SECONDS: Final = 2.0
"""Between two lines of progress."""

NAMED: Final = 100
"""How many of a sort are named; the rest is counted."""

WAIT_SECONDS: Final = 10.0
"""Nobody waits for an answer here: a busy database is given as long as a statement may take."""

Say = Callable[[str], None]
T = TypeVar("T")


def collect_garbage(settings: Settings, say: Say, note: Say, *, dry_run: bool, grace_hours: float | None) -> int:
    """Run `gc` and return the exit status; `note` hears of the progress. Raises `CannotStart`."""
    progress, named = _Progress(note), _Named(say)

    def notice(find: Find) -> None:
        done = "left alone" if find.sort in LEFT_ALONE else "would mend" if dry_run else "mended"
        named(find.sort, f"{done}: {find.sort} {find.name}")

    async def story(upkeep: Upkeep) -> Report:
        return await upkeep.collect_garbage(
            dry_run=dry_run,
            grace=None if grace_hours is None else timedelta(hours=grace_hours),
            notice=notice,
            looked=progress.step,
        )

    report = _run(settings, story, record=None if dry_run else "gc")
    named.rest()
    _tell(report, say)
    return 1 if report["failed"] else 0


def replay_purges(settings: Settings, say: Say, note: Say) -> int:
    """Purge again what the journal says was purged, and return the exit status. Raises `CannotStart`."""
    progress, named = _Progress(note), _Named(say)

    def notice(purge: Purge) -> None:
        named("image", f"purged again: {image_name(purge.image)}, purged {purge.purged_at:%F %T}Z")

    async def story(upkeep: Upkeep) -> Report:
        return await upkeep.replay_purges(notice=notice, looked=progress.step)

    report = _run(settings, story, record=None)
    named.rest()
    _tell(report, say)
    return 1 if report["damaged"] else 0


def verify(settings: Settings, say: Say, note: Say, *, quick: bool, grace_hours: float | None, as_json: bool) -> int:
    """Run `verify` and return the exit status: 0 with no violation, else 1. Raises `CannotStart`."""
    progress, named = _Progress(note), _Named(say)
    names: dict[str, list[str]] = {str(invariant): [] for invariant in Invariant}

    def notice(violation: Violation) -> None:
        if not as_json:
            named(violation.invariant, f"{violation.invariant}: {violation.sentence}.")
        elif len(names[violation.invariant]) < NAMED:
            names[violation.invariant].append(violation.sentence)

    async def story(upkeep: Upkeep) -> Report:
        return await upkeep.verify(
            quick=quick,
            grace=None if grace_hours is None else timedelta(hours=grace_hours),
            notice=notice,
            looked=progress.step,
        )

    report = _run(settings, story, record="verify")
    named.rest()
    if as_json:
        say(json.dumps({**report, "named": names}, indent=2))
    else:
        _tell(report, say)
    return 1 if report["total"] else 0


def _run(settings: Settings, story: Callable[[Upkeep], Awaitable[Report]], *, record: str | None) -> Report:
    """Run the story on the database, and record the run under that name."""
    configure_logs("warning")  # to standard error: what is said here is for a person
    with explained(), _database(settings) as url:
        try:
            return asyncio.run(_in_database(settings, url, story, record))
        except Problem as problem:
            raise CannotStart(problem.detail) from problem
        except (BlobStoreFailed, BlobStoreFull) as error:
            raise CannotStart(f"The blob store cannot be used: {error}.") from error


async def _in_database(
    settings: Settings, url: str, story: Callable[[Upkeep], Awaitable[Report]], record: str | None
) -> Report:
    async with _opened(url) as database:
        upkeep = upkeep_of(settings, database)
        if record is None:
            return await story(upkeep)
        return await Periodic(database, [PeriodicTask(record, None, lambda: story(upkeep))]).run(record)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseConfig(url, wait_seconds=WAIT_SECONDS, answer_seconds=WAIT_SECONDS))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Give the URL of the database: configured, running, or started for the length of the block."""
    url = running_database_url(settings)
    if url is not None:
        _require_schema(url)
        yield url
        return
    config = EmbeddedConfig(data=settings.data)
    if find_cluster(settings.data.absolute(), config.system_directory) is None:
        raise CannotStart(f"There is no database in {settings.data}. Name the data directory with --data.")
    with DataDirectoryLock(settings.data):
        postgres = EmbeddedPostgres(config)
        postgres.start()
        try:
            _require_schema(postgres.superuser_url)
            yield postgres.superuser_url
        finally:
            postgres.stop()


def _require_schema(url: str) -> None:
    with psycopg.connect(url) as connection:
        if pending_migrations(connection):
            raise CannotStart("The database is an older one. Start `tintype serve` once, or run `tintype migrate`.")


class _Progress:
    """Says now and then how far it has come."""

    def __init__(self, note: Say) -> None:
        self._note = note
        self._count = 0
        self._said = time.monotonic()

    def step(self) -> None:
        """Count one key."""
        self._count += 1
        now = time.monotonic()
        if now - self._said >= PROGRESS_SECONDS:
            self._said = now
            self._note(f"{self._count:,} keys looked at")


class _Named:
    """Says the first of each sort and counts the rest."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._count: Counter[str] = Counter()

    def __call__(self, sort: str, line: str) -> None:
        self._count[sort] += 1
        if self._count[sort] <= NAMED:
            self._say(line)

    def rest(self) -> None:
        """Say how many were not named."""
        for sort, count in self._count.items():
            if count > NAMED:
                self._say(f"… and {count - NAMED:,} more: {sort}")


def _tell(report: Report, say: Say) -> None:
    for name, value in report.items():
        if isinstance(value, Mapping):
            for part, count in value.items():
                say(f"{name}.{part}: {count}")
        else:
            say(f"{name}: {value}")
