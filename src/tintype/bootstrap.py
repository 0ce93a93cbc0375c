"""Builds the system: the only file that chooses adapters. Arguments in, objects out; nothing starts here by itself."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from litestar import Router

from tintype.adapters.postgres_durability import violations_in
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.adapters.view_journal import MappedViewJournal
from tintype.bootstrap_blobs import blob_store, direct_uploads, lead_away, staging
from tintype.bootstrap_factors import recognition_of
from tintype.bootstrap_origin import hsts_of, origin
from tintype.bootstrap_outgoing import sources_of
from tintype.bootstrap_people import Beneath, password_hasher, people_jobs, people_routes, people_tasks
from tintype.bootstrap_privacy import Foundation, account_deleter, privacy_jobs, privacy_routes, privacy_sweep
from tintype.bootstrap_tenants import change_listener, limits_of_host, tenant_routes_of, tenants_of
from tintype.bootstrap_tus import routes_of_tus
from tintype.bootstrap_uploads import UploadBase, aborting, routes_of_uploads, upload_jobs, upload_tasks
from tintype.bootstrap_usage import usage_parts
from tintype.bootstrap_visibility import signing_routes
from tintype.bootstrap_webhooks import webhook_courier, webhook_routes_of, webhook_sweep
from tintype.db.backlog import Backlog, BacklogLimits
from tintype.db.clock import DatabaseClock
from tintype.db.durability import damaged_pages, durability_settings
from tintype.db.notify import Notifier
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.invariant import Violation
from tintype.domain.pace import PaceLimits
from tintype.periodic import Periodic, PeriodicTask
from tintype.ports.blobs import BlobStore
from tintype.ports.stores import Stores
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.image_list import ImageList
from tintype.reads.jobs import JobList
from tintype.reads.progress import Progress
from tintype.reads.receipts import Receipts
from tintype.reads.tenants import Tenants
from tintype.reads.usage import Usage
from tintype.reads.views import Views
from tintype.server_key import sealer, server_key
from tintype.settings import Settings, load_settings
from tintype.storage.holds import Holds
from tintype.storage.intake import Intake
from tintype.storage.signing_keys import SigningKeys
from tintype.telemetry.logs import configure_logs
from tintype.telemetry.loop_lag import LoopLag
from tintype.telemetry.metrics import Metrics, make_metrics, resident_bytes
from tintype.upkeep import GarbageConfig, Upkeep, build_upkeep
from tintype.usecases.change_image import ChangeImage
from tintype.usecases.count_views import CountViews
from tintype.usecases.dead_letters import DeadLetters
from tintype.usecases.find_lost_images import FindLostImages
from tintype.usecases.hold_image import HoldImage
from tintype.usecases.make_variants import MakeVariants
from tintype.usecases.note_key_use import NoteKeyUse
from tintype.usecases.prove_purge import ProvePurge
from tintype.usecases.purge_image import PurgeImage
from tintype.usecases.repeat_request import RepeatRequest
from tintype.usecases.replace_content import ReplaceContent
from tintype.usecases.reprocess_image import ReprocessImage
from tintype.usecases.reseal_secrets import ResealSecrets
from tintype.usecases.sweep_images import SweepImages
from tintype.usecases.sweep_requests import sweep_requests
from tintype.usecases.trash_image import TrashImage
from tintype.usecases.upload_image import UploadImage
from tintype.web.addresses import traces_of
from tintype.web.app import Application, make_litestar
from tintype.web.auth import Authenticator
from tintype.web.body import BodyLimits
from tintype.web.client_address import ForwardedHeader, Proxies
from tintype.web.cors import Cors
from tintype.web.delivery import Delivery
from tintype.web.events import event_routes
from tintype.web.image_work import ImageWorkApi, image_work_routes
from tintype.web.images import image_routes
from tintype.web.images_api import ImagesApi
from tintype.web.jobs import JobsApi, job_routes
from tintype.web.operations import OperationsApi, operation_routes
from tintype.web.page import page_routes
from tintype.web.rate_limits import UploadLimiter
from tintype.web.representations import Representations
from tintype.web.security_headers import SecurityHeaders
from tintype.web.server import call_on_stop
from tintype.web.share_page import share_routes
from tintype.web.signed_delivery import SignedUrls
from tintype.web.upload_gate import UploadGate
from tintype.web.upload_request import DEFAULT_KIND
from tintype.web.upload_slots import SlotLimits, UploadSlots
from tintype.web.views import view_routes
from tintype.worker import Stories, Worker, WorkerConfig

API_RENDERERS: Final = 1
"""Decoders of an API process, for what is asked for before the job made it; started by the first such request."""

WORKER_NICE: Final = 10
API_NICE: Final = 5
"""Uploads outrank somebody waiting for a variant, who outranks the jobs (design §7)."""

WORKER_ANSWER_SECONDS: Final = 10.0
"""How long a worker waits for the database's answer: as long as a statement may take. Nobody waits for the worker, and
a disk that is slow for a moment must not cost a job one of its attempts."""

JOBS_PER_RENDERER: Final = 2
"""While one job decodes another one stores."""

WORKER_WAIT_SECONDS: Final = 5.0
"""How long a job waits for a connection before that costs it an attempt. Opening one may take 2 s; much longer helps
nobody, for whoever waits while the database is away is not told when it is back."""

WORKER_SPARE_CONNECTIONS: Final = 2
"""Beside one for each job: for the notifier and for the sweep, which must not wait for jobs."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What API and worker processes have in common."""

    database: Database
    clock: DatabaseClock
    config: DatabaseConfig
    blobs: BlobStore
    notifier: Notifier
    renderer: RenderPool
    metrics: Metrics
    tenants: Tenants
    make_variants: MakeVariants
    purge_image: PurgeImage

    @property
    def foundation(self) -> Foundation:
        """What people's rights stand on."""
        return Foundation(self.database, self.clock, self.blobs, self.notifier, self.purge_image)

    def uploads(self, settings: Settings) -> UploadBase:
        """What uploads of several requests stand on."""
        return UploadBase(settings, self.database, self.clock, self.blobs, self.notifier, self.tenants)

    async def close(self) -> None:
        """End what was begun: what is to be told, the decoders, the connections."""
        await self.notifier.close()
        await self.renderer.close()
        await self.database.close()


def api_application() -> Application:
    """Return the application of one API process, which reads its settings from the environment."""
    settings = load_settings(file=_config_file(), environment=os.environ, flags={})
    configure_logs(settings.log_level)
    return build_api(settings)


def build_api(settings: Settings) -> Application:
    """Return the application; its lifespan opens and closes everything."""
    parts = _parts(settings, DatabaseConfig(_database_url(settings)), renderers=API_RENDERERS, nice=API_NICE)
    records = DeliveryRecords(parts.database, parts.clock, parts.tenants.kinds_of)
    note_key_use = NoteKeyUse(parts.database)
    authenticator = Authenticator(
        parts.database,
        parts.tenants,
        server_key=server_key(settings),
        noted=settings.privacy.noted,
        key_used=note_key_use,
    )
    holds = Holds(parts.database)
    listener = change_listener(parts.config, records, parts.tenants, on_upload=holds.heard)
    signing_keys = SigningKeys(parts.database, sealer(settings))

    progress = Progress(
        records,
        places=settings.events.places,
        places_per_image=settings.events.places_per_image,
        measure=parts.metrics.followers.set,
    )

    journal = MappedViewJournal(settings.data / "views")
    count_views = CountViews(
        database=parts.database,
        journal=journal,
        clock=parts.clock,
        lost=parts.metrics.views_lost.inc,
    )

    counted = usage_parts(settings, parts.database, parts.clock, parts.tenants, authenticator)

    lag = LoopLag(parts.metrics.loop_lag.observe)

    def end_what_lasts() -> None:
        progress.end_all()
        holds.end_all()

    async def start() -> None:
        lag.start()
        call_on_stop(end_what_lasts)
        await parts.database.open()
        await journal.open()
        count_views.start()
        counted.count_requests.start()
        listener.start()

    async def stop() -> None:
        await lag.close()
        await listener.close()
        await note_key_use.close()
        await count_views.close()
        await counted.count_requests.close()
        await parts.close()

    images = _images_api(settings, parts, records, progress, authenticator, counted.usage)
    routes = [
        image_routes(images, image_work_routes(_image_work_api(parts, images))),
        event_routes(images),
        routes_of_uploads(parts.uploads(settings), images),
        routes_of_tus(parts.uploads(settings), images, holds),
        job_routes(_jobs_api(parts, authenticator)),
        view_routes(images),
        *signing_routes(images, signing_keys, database=parts.database, clock=parts.clock),
        counted.routes,
        share_routes(images),
        operation_routes(OperationsApi(parts.database, parts.blobs, parts.metrics)),
        webhook_routes_of(settings, parts.database, parts.clock, authenticator, images.proxies),
        *tenant_routes_of(settings, parts.database, parts.clock, parts.tenants, authenticator, images.proxies),
        page_routes(settings.kinds[DEFAULT_KIND].limits, limits_of_host(authenticator, parts.tenants)),
        _routes_of_people(settings, parts, images),
    ]
    litestar = make_litestar(routes, on_startup=[start], on_shutdown=[stop])
    signed_urls = SignedUrls(signing_keys, parts.clock)
    delivery = _delivery(settings, parts, records, authenticator, signed_urls, count_views)
    cors = Cors(authenticator, parts.tenants)
    headers = SecurityHeaders(hsts=hsts_of(settings))
    return Application(litestar, delivery, parts.metrics, headers, cors, counted.tally)


def _routes_of_people(settings: Settings, parts: _Parts, images: ImagesApi) -> Router:
    """Return the routes of accounts and of people's rights, which share paths."""
    recognition = recognition_of(
        settings,
        database=parts.database,
        clock=parts.clock,
        hasher=password_hasher(settings),
        sealer=sealer(settings),
    )
    people = people_routes(
        Beneath(
            settings=settings,
            database=parts.database,
            clock=parts.clock,
            notifier=parts.notifier,
            authenticator=images.authenticator,
            proxies=images.proxies,
            body_limits=images.body_limits,
            server_key=server_key(settings),
            recognition=recognition,
        )
    )
    privacy = privacy_routes(settings, parts.foundation, images.authenticator, images.proxies, recognition.prove)
    return Router(path="/", route_handlers=[*people, *privacy])


def _delivery(
    settings: Settings,
    parts: _Parts,
    records: DeliveryRecords,
    authenticator: Authenticator,
    signed_urls: SignedUrls,
    count_views: CountViews,
) -> Delivery:
    representations = Representations(
        records=records,
        make_variants=parts.make_variants,
        blobs=parts.blobs,
        backlog=Backlog(parts.database, BacklogLimits(settings.jobs.overlong, settings.jobs.overdue_seconds)),
    )
    return Delivery(
        records=records,
        representations=representations,
        blobs=parts.blobs,
        authenticator=authenticator,
        signed_urls=signed_urls,
        count_view=count_views,
        lead_away=lead_away(settings, parts.blobs),
    )


def _images_api(
    settings: Settings,
    parts: _Parts,
    records: DeliveryRecords,
    progress: Progress,
    authenticator: Authenticator,
    usage: Usage,
) -> ImagesApi:
    intake = Intake(blobs=parts.blobs, staging=staging(settings))
    upload_image = UploadImage(
        database=parts.database,
        intake=intake,
        clock=parts.clock,
        notifier=parts.notifier,
        server_key=server_key(settings),
        quotas=settings.quotas,
    )
    change_image = ChangeImage(database=parts.database, clock=parts.clock, server_key=server_key(settings))
    replace_content = ReplaceContent(
        database=parts.database,
        intake=intake,
        clock=parts.clock,
        notifier=parts.notifier,
        remove_blob=parts.purge_image.remove_blob,
        quotas=settings.quotas,
    )
    body = settings.upload
    return ImagesApi(
        upload_image=upload_image,
        change_image=change_image,
        replace_content=replace_content,
        trash_image=TrashImage(database=parts.database, notifier=parts.notifier),
        purge_image=parts.purge_image,
        hold_image=HoldImage(database=parts.database),
        abort_upload=aborting(parts.uploads(settings)),
        image_list=ImageList(parts.database),
        receipts=Receipts(parts.database),
        records=records,
        progress=progress,
        views=Views(parts.database),
        usage=usage,
        authenticator=authenticator,
        gate=upload_gate(settings, parts.database),
        sources=sources_of(settings),
        proxies=Proxies(settings.trusted_proxies, ForwardedHeader(settings.forwarded_header)),
        metrics=parts.metrics,
        tenants=parts.tenants,
        body_limits=BodyLimits(
            PaceLimits(body.stall_seconds, body.min_rate, body.min_rate_seconds),
            body.deadline_seconds,
            body.drain_bytes,
            body.drain_seconds,
        ),
        public_url=settings.public_url,
    )


def _image_work_api(parts: _Parts, images: ImagesApi) -> ImageWorkApi:
    reprocess_image = ReprocessImage(database=parts.database, notifier=parts.notifier, kinds_of=parts.tenants.kinds_of)
    return ImageWorkApi(images, parts.make_variants, reprocess_image, RepeatRequest(parts.database))


def _jobs_api(parts: _Parts, authenticator: Authenticator) -> JobsApi:
    dead_letters = DeadLetters(database=parts.database, notifier=parts.notifier)
    return JobsApi(JobList(parts.database), dead_letters, authenticator)


def upload_gate(settings: Settings, database: Database) -> UploadGate:
    """Return what uploads pass in one process; the places are limited even where rates are not."""
    upload = settings.upload
    slots = SlotLimits(
        upload.concurrent,
        per_address=upload.concurrent_per_address if settings.rate_limits else None,
        per_key=upload.concurrent_per_key if settings.rate_limits else None,
    )
    most = max(kind.limits.max_bytes for kind in settings.kinds.values())
    return UploadGate(UploadSlots(slots), UploadLimiter(database, settings.limits), most_bytes=most)


def work(settings: Settings) -> None:
    """Run one worker process until SIGTERM."""
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    parts = _parts(settings, worker_database(settings), renderers=settings.renderers, nice=WORKER_NICE)

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


def _periodic_tasks(settings: Settings, parts: _Parts) -> Iterator[PeriodicTask]:
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


def foundation_of(settings: Settings, database: Database) -> Foundation:
    """Return what commands about people's rights stand on."""
    blobs = blob_store(settings)
    purge_image = _purge_image(database, blobs, tenants_of(settings, database))
    return Foundation(database, DatabaseClock(database), blobs, Notifier(database), purge_image)


def upkeep_of(settings: Settings, database: Database) -> Upkeep:
    """Return what looks through everything, at its time or by hand."""

    async def durability() -> list[str]:
        async with database.lookup() as connection:
            violations = violations_in(await durability_settings(connection))
            damaged = await damaged_pages(connection)
        return [*violations, f"PostgreSQL found {damaged} damaged pages."] if damaged else violations

    foundation = foundation_of(settings, database)
    return build_upkeep(
        database=database,
        stores=Stores(foundation.blobs, staging(settings), direct_uploads(foundation.blobs)),
        purge_image=foundation.purge_image,
        delete_account=account_deleter(foundation),
        config=GarbageConfig(
            grace=timedelta(hours=settings.upkeep.grace_hours),
            keep_journal=timedelta(days=settings.upkeep.journal_days),
        ),
        durability=durability,
    )


def _purge_image(database: Database, blobs: BlobStore, tenants: Tenants) -> PurgeImage:
    return PurgeImage(database=database, blobs=blobs, kinds_of=tenants.kinds_of, traces=traces_of)


def worker_database(settings: Settings) -> DatabaseConfig:
    """Return how a worker process uses the database."""
    return DatabaseConfig(
        _database_url(settings),
        pool_max=settings.renderers * JOBS_PER_RENDERER + WORKER_SPARE_CONNECTIONS,
        wait_seconds=WORKER_WAIT_SECONDS,
        answer_seconds=WORKER_ANSWER_SECONDS,
    )


async def _name_what_is_degraded(renderer: RenderPool) -> None:
    report = await renderer.report()
    for missing in report.degraded:
        structlog.get_logger("tintype.worker").warning("sandbox_degraded", missing=missing)


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise ValueError("the supervisor sets the database's URL for its children")
    return settings.database_url


def _parts(settings: Settings, config: DatabaseConfig, *, renderers: int, nice: int) -> _Parts:
    database, metrics = Database(config), make_metrics()
    blobs, notifier = blob_store(settings), Notifier(database)
    renderer = RenderPool(render_config(settings, processes=renderers, nice=nice))
    make_variants = MakeVariants(
        database=database,
        blobs=blobs,
        renderer=renderer,
        notifier=notifier,
        observe_render=metrics.render_seconds.observe,
        most_under_way=settings.render.queue + renderers,
    )
    tenants = tenants_of(settings, database)
    purge_image = _purge_image(database, blobs, tenants)
    clock = DatabaseClock(database)
    return _Parts(database, clock, config, blobs, notifier, renderer, metrics, tenants, make_variants, purge_image)


def render_config(settings: Settings, *, processes: int, nice: int) -> RenderPoolConfig:
    """Return how decoders run."""
    return RenderPoolConfig(
        processes=processes,
        queue_limit=settings.render.queue,
        timeout_seconds=settings.render.timeout_seconds,
        memory_bytes=settings.render.memory_bytes,
        recycle_after_renders=settings.render.recycle_after,
        nice=nice,
    )


def _config_file() -> Path | None:
    name = os.environ.get("TINTYPE_CONFIG")
    return Path(name) if name else None
