"""The worker: job name → story, with the rules of a queue that may lose its worker at any moment.

A job is tried five times, with backoff; a crash counts as an attempt. What is still failing then is recorded as failed
and kept in the queue as a dead letter. A sweep finds the jobs of workers that died.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import procrastinate
import procrastinate.exceptions
import structlog
from procrastinate.jobs import Job, Status

from tintype.db.jobs import QUEUE, Task
from tintype.db.pool import DatabaseConfig, connection_options
from tintype.telemetry.metrics import Metrics
from tintype.usecases.make_variants import MakeVariants
from tintype.usecases.purge_image import PurgeImage

ATTEMPTS: Final = 5
BACKOFF_BASE: Final = 2
"""Seconds before the second attempt; doubled before each one after: 2, 4, 8, 16."""

POLL_SECONDS: Final = 0.5
"""How late a job is found when its NOTIFY was lost, and how late a retry may be."""

HEARTBEAT_SECONDS: Final = 2.0
STALLED_SECONDS: Final = 10.0
"""A worker that was silent for five heartbeats is dead, and its jobs are taken over."""

SWEEP_SECONDS: Final = 5.0
SHUTDOWN_SECONDS: Final = 25.0
"""How long a worker that is told to stop may finish its jobs; what is cut off is found by the sweep."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """How many jobs a worker process has under way. More than its decoders, so that storing overlaps decoding."""

    concurrency: int


class Worker:
    """Runs jobs until it is cancelled or told to stop by SIGTERM."""

    def __init__(
        self,
        *,
        database: DatabaseConfig,
        config: WorkerConfig,
        make_variants: MakeVariants,
        purge_image: PurgeImage,
        metrics: Metrics,
        measure: Callable[[], None],
    ) -> None:
        """`measure` takes note of this process's memory now and then."""
        options = {name: value for name, value in connection_options(database).items() if name != "autocommit"}
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=database.url, kwargs=options, min_size=1, max_size=config.concurrency + 2
            )
        )
        self._config = config
        self._make_variants = make_variants
        self._purge_image = purge_image
        self._metrics = metrics
        self._measure = measure
        self._log = structlog.get_logger("tintype.worker")
        self._register()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        async with self._app.open_async():
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
                )
            finally:
                sweep.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sweep

    def _register(self) -> None:
        retry = procrastinate.RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=BACKOFF_BASE)

        @self._app.task(name=Task.PROCESS_IMAGE, queue=QUEUE, retry=retry, pass_context=True)
        async def process_image(context: procrastinate.JobContext, *, tenant: int, image: int, version: int) -> None:
            with self._accounted(Task.PROCESS_IMAGE):
                try:
                    await self._make_variants.process(tenant=tenant, image_id=image, version=version)
                except Exception:
                    if context.job.attempts + 1 >= ATTEMPTS:
                        await self._make_variants.give_up(tenant=tenant, image_id=image, version=version)
                    raise

        @self._app.task(name=Task.REMOVE_BLOB, queue=QUEUE, retry=retry)
        async def remove_blob(*, tenant: int, sha256: str) -> None:
            with self._accounted(Task.REMOVE_BLOB):
                await self._purge_image.remove_blob(tenant=tenant, sha256=bytes.fromhex(sha256))

    @contextlib.contextmanager
    def _accounted(self, task: Task) -> Any:  # noqa: ANN401 -- a generator that contextlib turns into a manager
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
                await self.sweep()
            except procrastinate.exceptions.ConnectorException as error:
                self._log.warning("sweep_failed", error=repr(error))
            self._measure()
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Give the jobs of dead workers another attempt, or record that they had their last."""
        for job in await self._app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
            self._log.warning("job_stalled", task=job.task_name, attempts=job.attempts)
            with contextlib.suppress(procrastinate.exceptions.ConnectorException):  # another worker took it meanwhile
                await self._take_over(job)

    async def _take_over(self, job: Job) -> None:
        if job.attempts + 1 < ATTEMPTS:
            await self._app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
            return
        if job.task_name == Task.PROCESS_IMAGE:
            arguments: dict[str, Any] = job.task_kwargs
            await self._make_variants.give_up(
                tenant=arguments["tenant"], image_id=arguments["image"], version=arguments["version"]
            )
        await self._app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
