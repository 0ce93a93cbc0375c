"""Builds a worker process."""

import asyncio
from collections.abc import Iterator

import structlog

from tintype.adapters.render_pool import RenderPool
from tintype.bootstrap.origin import origin
from tintype.bootstrap.parts import JOBS_PER_RENDERER, WORKER_NICE, Parts, build_parts, upkeep_of, worker_database
from tintype.bootstrap.people import people_jobs, people_tasks
from tintype.bootstrap.privacy import privacy_jobs, privacy_sweep
from tintype.bootstrap.uploads import upload_jobs, upload_tasks
from tintype.bootstrap.webhooks import webhook_courier, webhook_sweep
from tintype.domain.invariant import Violation
from tintype.periodic import Periodic, PeriodicTask
from tintype.server_key import sealer, server_key
from tintype.settings import Settings
from tintype.telemetry.metrics import resident_bytes
from tintype.usecases.dead_letters import DeadLetters
from tintype.usecases.find_lost_images import FindLostImages
from tintype.usecases.prove_purge import ProvePurge
from tintype.usecases.reseal_secrets import ResealSecrets
from tintype.usecases.sweep_images import SweepImages
from tintype.usecases.sweep_requests import sweep_requests
from tintype.worker import Stories, Worker, WorkerConfig


def work(settings: Settings) -> None:
    """Run one worker process until SIGTERM."""
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    parts = build_parts(settings, worker_database(settings), renderers=settings.renderers, nice=WORKER_NICE)

    def measure() -> None:
        parts.metrics.measure_memory("worker")
        parts.metrics.memory.labels("renderers").set(sum(map(resident_bytes, parts.renderer.pids())))

    worker = Worker(
        database=parts.config,
        clock=parts.clock,
        config=WorkerConfig(
            concurrency=settings.renderers * JOBS_PER_RENDERER, retry_seconds=settings.jobs.retry_seconds
        ),
        stories=Stories(
            make_variants=parts.make_variants,
            purge_image=parts.purge_image,
            prove_purge=ProvePurge(database=parts.database, origin=origin(settings)),
            dead_letters=DeadLetters(database=parts.database, notifier=parts.notifier),
            periodic=Periodic(parts.database, _periodic_tasks(settings, parts)),
            others={
                **people_jobs(
                    settings,
                    database=parts.database,
                    clock=parts.clock,
                    notifier=parts.notifier,
                    server_key=server_key(settings),
                ),
                **privacy_jobs(settings, parts.foundation),
                **upload_jobs(parts.uploads(settings)),
            },
        ),
        metrics=parts.metrics,
        measure=measure,
    )
    await parts.database.open()
    await parts.renderer.start()
    await _name_what_is_degraded(parts.renderer)
    courier = webhook_courier(settings, parts.database, parts.clock, parts.metrics.webhooks.count)
    courier.start()
    try:
        await worker.run()
    finally:
        await courier.close()
        await parts.close()


def _periodic_tasks(settings: Settings, parts: Parts) -> Iterator[PeriodicTask]:
    """Give what is done at its time, each with its line in `[schedule]`."""
    schedule = settings.schedule
    find_lost_images = FindLostImages(
        database=parts.database,
        notifier=parts.notifier,
        seconds=settings.jobs.lost_seconds,
        count=lambda outcome: parts.metrics.lost_images.labels(outcome).inc(),
    )
    yield PeriodicTask("lost_images", schedule["lost_images"], find_lost_images)
    sweep = SweepImages(
        database=parts.database,
        clock=parts.clock,
        purge_due=parts.purge_image.due,
        trash_keep=settings.trash_keep,
    )
    yield PeriodicTask("sweep", schedule["sweep"], sweep)
    sweep_privacy = privacy_sweep(settings, parts.foundation)
    yield PeriodicTask("sweep_privacy", schedule["sweep_privacy"], sweep_privacy)
    yield webhook_sweep(settings, parts.database)
    upkeep = upkeep_of(settings, parts.database)
    yield PeriodicTask("gc", schedule["gc"], upkeep.collect_garbage)
    yield PeriodicTask("sweep_requests", schedule["sweep_requests"], lambda: sweep_requests(parts.database))
    yield from people_tasks(settings, parts.database)
    yield from upload_tasks(parts.uploads(settings))
    reseal_secrets = ResealSecrets(database=parts.database, sealer=sealer(settings))
    yield PeriodicTask("reseal", schedule["reseal"], reseal_secrets)
    yield PeriodicTask("verify", schedule["verify"], lambda: upkeep.verify(notice=_log_violation))


def _log_violation(violation: Violation) -> None:
    """A violation is named in the log; how many there are stays in the row of the run."""
    structlog.get_logger("tintype.verify").error("violation", invariant=violation.invariant, what=violation.sentence)


async def _name_what_is_degraded(renderer: RenderPool) -> None:
    report = await renderer.report()
    for missing in report.degraded:
        structlog.get_logger("tintype.worker").warning("sandbox_degraded", missing=missing)
