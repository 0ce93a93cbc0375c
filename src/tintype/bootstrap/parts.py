"""Builds what API and worker processes have in common, and commands with them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tintype.adapters.postgres_durability import violations_in
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.bootstrap.blobs import blob_store, direct_uploads, staging
from tintype.bootstrap.privacy import Foundation, account_deleter
from tintype.bootstrap.tenants import tenants_of
from tintype.bootstrap.uploads import UploadBase
from tintype.db.clock import DatabaseClock
from tintype.db.durability import damaged_pages, durability_settings
from tintype.db.notify import Notifier
from tintype.db.pool import Database, DatabaseConfig
from tintype.ports.blobs import BlobStore
from tintype.ports.stores import Stores
from tintype.reads.tenants import Tenants
from tintype.settings import Settings
from tintype.telemetry.metrics import Metrics, make_metrics
from tintype.upkeep import GarbageConfig, Upkeep, build_upkeep
from tintype.usecases.make_variants import MakeVariants
from tintype.usecases.purge_image import PurgeImage
from tintype.web.addresses import traces_of

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
class Parts:
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


def foundation_of(settings: Settings, database: Database) -> Foundation:
    """Return what commands about people's rights stand on."""
    blobs = blob_store(settings)
    purge_image = purge_image_of(database, blobs, tenants_of(settings, database))
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


def purge_image_of(database: Database, blobs: BlobStore, tenants: Tenants) -> PurgeImage:
    """Return the story of purges."""
    return PurgeImage(database=database, blobs=blobs, kinds_of=tenants.kinds_of, traces=traces_of)


def worker_database(settings: Settings) -> DatabaseConfig:
    """Return how a worker process uses the database."""
    return DatabaseConfig(
        database_url(settings),
        pool_max=settings.renderers * JOBS_PER_RENDERER + WORKER_SPARE_CONNECTIONS,
        wait_seconds=WORKER_WAIT_SECONDS,
        answer_seconds=WORKER_ANSWER_SECONDS,
    )


def database_url(settings: Settings) -> str:
    """Return the database that the supervisor named for its children."""
    if settings.database_url is None:
        raise ValueError("the supervisor sets the database's URL for its children")
    return settings.database_url


def build_parts(settings: Settings, config: DatabaseConfig, *, renderers: int, nice: int) -> Parts:
    """Return what a process stands on, with so many decoders of this niceness."""
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
    purge_image = purge_image_of(database, blobs, tenants)
    clock = DatabaseClock(database)
    return Parts(database, clock, config, blobs, notifier, renderer, metrics, tenants, make_variants, purge_image)


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
