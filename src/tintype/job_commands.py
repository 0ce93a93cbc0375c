"""`tintype jobs` and `tintype reprocess`: what the operator does about jobs that failed, on every tenant's behalf."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tintype.bootstrap.tenants import tenants_of
from tintype.db.dead_letters import tenant_of_job
from tintype.db.images import tenant_of_image
from tintype.db.notify import Notifier
from tintype.db.pool import Database, DatabaseConfig
from tintype.db.reprocessing import images_in_state
from tintype.db.tenants import every_tenant
from tintype.domain.errors import Problem
from tintype.domain.ids import TENANT_PREFIX, BadId, ImageRef, public_id
from tintype.domain.image import State
from tintype.domain.job import JobState, parse_job_id
from tintype.reads.jobs import JobList, ListedJob
from tintype.settings import Settings
from tintype.usecases.dead_letters import DeadLetters, Settled
from tintype.usecases.reprocess_image import ReprocessImage

PAGE: Final = 100
"""Rows that are asked for at once."""

PATIENCE_SECONDS: Final = 10.0
"""For a connection and for an answer: somebody waits at a terminal, not at a request."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done, and with what: what is named, else everything in `state`."""

    action: str
    ids: Sequence[str]
    state: str


def work_on_jobs(database_url: str, wanted: Wanted, say: Say, complain: Say) -> int:
    """List, retry or discard jobs and return the exit status: 1 when something could not be done."""
    return asyncio.run(_work_on_jobs(database_url, wanted, say, complain))


def reprocess(settings: Settings, database_url: str, wanted: Wanted, say: Say, complain: Say) -> int:
    """Have images processed again, those named or all in a state, and return the exit status."""
    return asyncio.run(_reprocess(settings, database_url, wanted, say, complain))


@asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[tuple[Database, Notifier]]:
    database = Database(DatabaseConfig(database_url, wait_seconds=PATIENCE_SECONDS, answer_seconds=PATIENCE_SECONDS))
    notifier = Notifier(database)
    await database.open()
    try:
        yield database, notifier
    finally:
        await notifier.close()
        await database.close()


async def _work_on_jobs(database_url: str, wanted: Wanted, say: Say, complain: Say) -> int:
    async with _opened(database_url) as (database, notifier):
        if wanted.action == "list":
            async for listed, tenant in _jobs(database, JobState(wanted.state)):
                say(_line(listed, tenant))
            return 0
        dead_letters = DeadLetters(database=database, notifier=notifier)
        decide = dead_letters.retry if wanted.action == "retry" else dead_letters.discard
        failed = 0
        for name in wanted.ids or [listed.job.public_id async for listed, _ in _jobs(database, JobState.DEAD)]:
            try:
                say(_told(await decide(parse_job_id(name), tenant=await _tenant(database, name))))
            except BadId:
                failed += _count(complain, f"{name}: this is no job; an id looks like job_ and 11 letters and digits.")
            except Problem as problem:
                failed += _count(complain, f"{name}: {problem.detail}")
    return 1 if failed else 0


async def _tenant(database: Database, name: str) -> int | None:
    async with database.lookup() as connection:
        return await tenant_of_job(connection, parse_job_id(name))


async def _jobs(database: Database, state: JobState) -> AsyncIterator[tuple[ListedJob, int | None]]:
    """Yield every tenant's jobs in this state, newest first within each."""
    jobs = JobList(database)
    for tenant in await jobs.tenants((state,)):
        before, more = None, True
        while more:
            page = await jobs.page(tenant=tenant, states=(state,), before=before, limit=PAGE)
            for listed in page.jobs:
                yield listed, tenant
            before, more = (page.jobs[-1].job.id, page.more) if page.jobs else (None, False)


def _line(listed: ListedJob, tenant: int | None) -> str:
    job, image = listed.job, listed.image
    when = job.failed_at or job.created_at
    return "  ".join(
        (
            job.public_id,
            f"{job.task:<13}",
            job.state,
            f"{job.attempts} attempts",
            job.reason or "-",
            when.isoformat(timespec="seconds") if when is not None else "-",
            f"{image.ref} {image.state}" if image is not None else "-",
            public_id(TENANT_PREFIX, tenant) if tenant is not None else "-",
        )
    )


def _told(settled: Settled) -> str:
    about = f" ({settled.image.ref})" if settled.image is not None else ""
    return f"{settled.job.public_id}{about}: {settled.meaning}"


async def _reprocess(settings: Settings, database_url: str, wanted: Wanted, say: Say, complain: Say) -> int:
    failed = done = 0
    async with _opened(database_url) as (database, notifier):
        story = ReprocessImage(database=database, notifier=notifier, kinds_of=tenants_of(settings, database).kinds_of)
        found = _named(database, wanted.ids, complain) if wanted.ids else _in_state(database, State(wanted.state))
        async for tenant, image in found:
            if tenant is None:
                failed += 1
                continue
            try:
                again = await story.backfill(tenant=tenant, image_id=image)
            except Problem as problem:
                failed += _count(complain, f"{image}: {problem.detail}")
            else:
                done += 1
                say(f"{again.ref}: is processed again as version {again.version}.")
    say(f"{done} images are processed again, behind everything that somebody waits for.")
    return 1 if failed else 0


async def _named(database: Database, names: Sequence[str], complain: Say) -> AsyncIterator[tuple[int | None, int]]:
    """Yield tenant and id of the images with these public ids; no tenant when there is no such image."""
    for name in names:
        try:
            ref = ImageRef.parse(name)
        except BadId:
            complain(f"{name}: this is no image; an id looks like img_ and 22 letters and digits.")
            yield None, 0
            continue
        async with database.lookup() as connection:
            tenant = await tenant_of_image(connection, ref)
        if tenant is None:
            complain(f"{name}: there is no such image.")
        yield tenant, ref.id


async def _in_state(database: Database, state: State) -> AsyncIterator[tuple[int | None, int]]:
    """Yield tenant and id of every image in this state, whosever it is."""
    async for tenant in every_tenant(database):
        before, more = None, True
        while more:
            async with database.transaction(tenant) as connection:
                page = await images_in_state(connection, tenant=tenant, state=state, before=before, limit=PAGE)
            for image in page:
                yield tenant, image
            before, more = (page[-1], True) if page else (None, False)


def _count(complain: Say, line: str) -> int:
    complain(line)
    return 1
