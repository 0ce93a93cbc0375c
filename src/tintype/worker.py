"""The worker: job name → story, with the rules of a queue that may lose its worker at any moment.

A job is tried five times, with backoff; a crash counts as an attempt. What is still failing then is recorded as failed
and kept in the queue as a dead letter. A sweep finds the jobs of workers that died, and those that nobody works on
because their end could not be recorded.
"""

import asyncio
import contextlib
import functools
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import procrastinate
import procrastinate.exceptions
import procrastinate.worker
import structlog
from procrastinate.jobs import Job, Status
from psycopg_pool import AsyncConnectionPool

from tintype.db.background import end
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import QUEUE, Task
from tintype.db.pool import Connection, DatabaseConfig, connection_options
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.ids import public_id
from tintype.domain.job import JOB_PREFIX
from tintype.domain.purge import purge_from_line
from tintype.domain.transform import Output, Variant, parse_transform
from tintype.periodic import Periodic
from tintype.ports.blobs import BlobMissing, BlobStoreFailed, BlobStoreFull
from tintype.ports.mailer import MailerFailed
from tintype.ports.renderer import RendererBusy, RendererFailed, SourceDamaged
from tintype.telemetry.metrics import Metrics
from tintype.usecases.dead_letters import DeadLetters
from tintype.usecases.make_variants import MakeVariants
from tintype.usecases.prove_purge import ProvePurge
from tintype.usecases.purge_image import PurgeImage

ATTEMPTS: Final = 5
"""What fails so often fails for a reason that waiting does not mend."""

POLL_SECONDS: Final = 0.5
"""How late a job is found when its NOTIFY was lost, and how late a retry may be."""

HEARTBEAT_SECONDS: Final = 2.0
STALLED_SECONDS: Final = 10.0
"""A worker that was silent for five heartbeats is dead, and its jobs are taken over."""

CONNECT_SECONDS: Final = 2.0
"""How long the queue waits for a connection before it counts as lost."""

RECONNECT_SECONDS: Final = 0.5
"""The pause before a lost queue is looked for again."""

SWEEP_SECONDS: Final = 5.0
"""Between two rounds: a dead worker's job waits half as long again as it takes to know that the worker is dead, and
what is due at its time is this late at most."""

SHUTDOWN_SECONDS: Final = 25.0
"""How long a worker that is told to stop may finish its jobs; what is cut off is found by the sweep."""


WORKER_DIED: Final = "worker.died"
"""The reason of an attempt whose worker ended, or could not record how it went."""

_REASONS: Final[dict[type[Exception], str]] = {
    RendererBusy: "renderer.busy",
    RendererFailed: "renderer.failed",
    SourceDamaged: "blob.damaged",
    BlobMissing: "blob.missing",
    BlobStoreFull: "storage.full",
    BlobStoreFailed: "storage.failed",
    MailerFailed: "mailer.failed",
}


def reason_of(error: Exception) -> str:
    """Return the stable code of a failure: what a person may be shown of it."""
    if isinstance(error, Problem):
        return error.code
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), Code.INTERNAL)


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How many jobs a worker process has under way, and how long it waits before it tries one again."""

    concurrency: int
    """More than its decoders, so that storing overlaps decoding."""
    retry_seconds: float
    """Before the second attempt; doubled before each one after."""


@dataclass(frozen=True, slots=True)
class Stories:
    """What jobs start."""

    make_variants: MakeVariants
    purge_image: PurgeImage
    dead_letters: DeadLetters
    prove_purge: ProvePurge
    periodic: Periodic
    others: Mapping[Task, Callable[..., Awaitable[None]]] = field(default_factory=dict)
    """Jobs that are a call of their story with the job's arguments, and no more."""


class Worker:
    """Runs jobs until it is cancelled or told to stop by SIGTERM."""

    def __init__(
        self,
        *,
        database: DatabaseConfig,
        clock: DatabaseClock,
        config: WorkerConfig,
        stories: Stories,
        metrics: Metrics,
        measure: Callable[[], None],
    ) -> None:
        """`measure` takes note of this process's memory now and then."""
        self._database = database
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._clock = clock
        self._config = config
        self._id: int | None = None
        self._running: set[int | None] = set()
        self._unattended: set[int | None] = set()
        self._stories = stories
        self._metrics = metrics
        self._measure = measure
        self._log = structlog.get_logger("tintype.worker")
        self._register()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; a database that goes away is waited for.

        The signals are ours: the queue's own worker forgets that it was told to stop when it loses the database then.
        """
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with self._connections() as pool, self._app.open_async(pool):
            working, told = asyncio.create_task(self._work_until(stop)), asyncio.create_task(stop.wait())
            await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
            for task in (told, working):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working

    async def _work_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():  # that it was cancelled is forgotten when the queue is lost on the way out
            try:
                await self._work()  # it ends by itself, too, when nobody tells it of jobs any more
            except procrastinate.exceptions.ConnectorException as error:
                self._log.warning("queue_lost", error=repr(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    def _connections(self) -> AsyncConnectionPool[Connection]:
        """Return the queue's own connections. One that procrastinate makes would wait ever longer for the database."""
        options = {name: value for name, value in connection_options(self._database).items() if name != "autocommit"}
        # That a job was taken or is done need not survive a power cut: it runs again, and changes nothing. What it did
        # is committed by the stories' own connections, which wait for the disk.
        options["options"] += " -c synchronous_commit=off"
        return AsyncConnectionPool(
            self._database.url,
            kwargs=options,
            min_size=1,
            max_size=self._config.concurrency + 2,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=0,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def _work(self) -> None:
        sweep = asyncio.create_task(self._sweep_for_ever())
        try:
            await self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=self._config.concurrency,
                fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=SHUTDOWN_SECONDS,
                delete_jobs="successful",
                worker_middleware=[self._attend],
                install_signal_handlers=False,
            )
        finally:
            await end(sweep)

    def _register(self) -> None:
        retry = _Backoff(self._config.retry_seconds, self._clock)

        @self._app.task(name=Task.PROCESS_IMAGE, queue=QUEUE, retry=retry, pass_context=True)
        async def process_image(context: procrastinate.JobContext, *, tenant: int, image: int, version: int) -> None:
            with self._accounted(Task.PROCESS_IMAGE):
                try:
                    await self._stories.make_variants.process(tenant=tenant, image_id=image, version=version)
                except Exception:
                    if _is_last(context.job):
                        await self._give_up(tenant=tenant, image=image, version=version)
                    raise

        @self._app.task(name=Task.REMOVE_BLOB, queue=QUEUE, retry=retry)
        async def remove_blob(*, tenant: int, sha256: str) -> None:
            with self._accounted(Task.REMOVE_BLOB):
                await self._stories.purge_image.remove_blob(tenant, bytes.fromhex(sha256))

        @self._app.task(name=Task.FINISH_PURGE, queue=QUEUE, retry=retry)
        async def finish_purge(*, tenant: int = 0, purge: str) -> None:
            del tenant  # for whoever lists jobs; the entry says it, too
            with self._accounted(Task.FINISH_PURGE):
                await self._stories.purge_image.finish(purge_from_line(purge))

        @self._app.task(name=Task.MAKE_VARIANT, queue=QUEUE, retry=retry)
        async def make_variant(
            *,
            tenant: int,
            image: int,
            version: int,
            variant: str,
            preset: str,
            transform: str,
            format: str,  # noqa: A002 -- as above
        ) -> None:
            del variant  # the job's name among those that wait
            made = Variant(preset, Output(parse_transform(transform), Format(format)))
            with self._accounted(Task.MAKE_VARIANT):
                await self._stories.make_variants.make_later(
                    tenant=tenant, image_id=image, version=version, variant=made
                )

        @self._app.task(name=Task.PROVE_PURGE, queue=QUEUE, retry=retry)
        async def prove_purge(*, tenant: int, image: int) -> None:
            with self._accounted(Task.PROVE_PURGE):
                await self._stories.prove_purge(tenant=tenant, image_id=image)

        for task, story in self._stories.others.items():
            self._app.task(name=task, queue=QUEUE, retry=retry)(functools.partial(self._run_story, task, story))

        for name in self._stories.periodic.tasks:
            self._app.task(name=name, queue=QUEUE, retry=retry)(functools.partial(self._run_periodic, name))

    async def _run_story(self, task: str, story: Callable[..., Awaitable[None]], **arguments: Any) -> None:  # noqa: ANN401 -- what a job was given
        with self._accounted(task):
            await story(**arguments)

    async def _run_periodic(self, name: str) -> None:
        with self._accounted(name):
            report = await self._stories.periodic.run(name)
        if any(report.values()):
            self._log.info("periodic_done", task=name, report=dict(report))

    async def _give_up(self, *, tenant: int, image: int, version: int) -> None:
        """Record that the image had its last attempt; nobody would come back to it, so wait for the database."""
        while True:
            try:
                return await self._stories.make_variants.give_up(tenant=tenant, image_id=image, version=version)
            except Problem as problem:
                self._log.warning("give_up_failed", error=repr(problem))
                await asyncio.sleep(SWEEP_SECONDS)

    async def _attend(
        self,
        run: Callable[[], Awaitable[object]],
        context: procrastinate.JobContext,
        worker: procrastinate.worker.Worker,
    ) -> object:
        """Run a job, and know meanwhile that we do."""
        self._id = worker.worker_id
        self._running.add(context.job.id)
        try:
            return await run()
        except Exception as error:
            await self._note_failure(context.job, reason_of(error))
            raise
        finally:
            self._running.discard(context.job.id)

    async def _note_failure(self, job: Job, reason: str) -> None:
        """Keep why the attempt failed, for whoever finds the job dead; the log has more."""
        if job.id is None:
            return
        name = public_id(JOB_PREFIX, job.id)
        self._log.warning("attempt_failed", job=name, task=job.task_name, attempt=job.attempts + 1, reason=reason)
        tenant: Any = job.task_kwargs.get("tenant")
        with contextlib.suppress(Problem):  # the database is away: the log has it
            await self._stories.dead_letters.note_failure(job.id, tenant=tenant, reason=reason)

    @contextlib.contextmanager
    def _accounted(self, task: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._metrics.jobs.labels(task, "error").inc()
            self._log.warning("job_failed", task=task, error=repr(error), cause=repr(error.__cause__))
            raise
        self._metrics.jobs.labels(task, "done").inc()

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self._round()
            except Exception as error:  # noqa: BLE001 -- whatever failed: without the next round no stalled job is found
                self._log.warning("sweep_failed", error=repr(error))
            await asyncio.sleep(SWEEP_SECONDS)

    async def _round(self) -> None:
        try:
            self._measure()
        finally:  # jobs matter more than a measurement
            await self._clock.refresh()
            await self.sweep()
            await self._stories.periodic.enqueue_due()

    async def sweep(self) -> None:
        """Give the jobs that nobody works on another attempt, or record that they had their last."""
        jobs = self._app.job_manager
        stalled = await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS)
        for job in [*stalled, *await self._lost()]:
            self._log.warning("job_stalled", task=job.task_name, attempts=job.attempts)
            try:
                await self._take_over(job)
            except procrastinate.exceptions.ConnectorException:
                continue  # another worker took it meanwhile
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with one job, those behind it are taken over
                self._log.warning("take_over_failed", task=job.task_name, job=job.id, error=repr(error))

    async def _lost(self) -> list[Job]:
        """Return the jobs that are ours by the database and that we did not run, now and a sweep ago.

        The database went away as we were about to record their end. We live, so no other worker would take them over.
        """
        if self._id is None:
            return []
        ours = await self._app.job_manager.list_jobs_async(status=Status.DOING.value, worker_id=self._id)
        unattended = [job for job in ours if job.id not in self._running]
        lost = [job for job in unattended if job.id in self._unattended]
        self._unattended = {job.id for job in unattended}
        return lost

    async def _take_over(self, job: Job) -> None:
        await self._note_failure(job, WORKER_DIED)
        if not _is_last(job):
            await self._app.job_manager.retry_job(job, retry_at=self._clock.now())
            return
        if job.task_name == Task.PROCESS_IMAGE:
            arguments: dict[str, Any] = job.task_kwargs
            await self._stories.make_variants.give_up(
                tenant=arguments["tenant"], image_id=arguments["image"], version=arguments["version"]
            )
        await self._app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)


class _Backoff(procrastinate.BaseRetryStrategy):
    """Gives a job its attempts, with a pause before the second that doubles before each one after.

    When that is, is the database's time: a worker whose clock is off retries no sooner and no later (I10).
    """

    def __init__(self, first_seconds: float, clock: DatabaseClock) -> None:
        self._first_seconds = first_seconds
        self._clock = clock

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        """Return when the job runs again, or None when this was its last attempt."""
        del exception  # whatever it was
        if _is_last(job):
            return None
        pause = timedelta(seconds=self._first_seconds * 2**job.attempts)
        return procrastinate.RetryDecision(retry_at=self._clock.now() + pause)


def _is_last(job: Job) -> bool:
    """Return whether the attempt under way is the last; `attempts` counts those before it."""
    return job.attempts + 1 >= ATTEMPTS
