"""What operators and their machines ask: is it alive, is it ready, what does it measure, what does it offer."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec

from tintype.db.jobs import count_dead_jobs, queue_depth_and_age
from tintype.db.periodic import last_runs
from tintype.db.pool import Database
from tintype.db.webhook_deliveries import count_deliveries
from tintype.domain.errors import Problem
from tintype.ports.blobs import BlobStore, BlobStoreFailed
from tintype.telemetry.metrics import Metrics, expose_metrics

PROBE_SECONDS: Final = 2.0
"""A load balancer that waits longer has given up."""

PROBE_KEY: Final = "0/probe/never-there"


@dataclass(frozen=True, slots=True)
class OperationsApi:
    """What the handlers work with."""

    database: Database
    blobs: BlobStore
    metrics: Metrics


@get("/healthz", operation_id="healthz", summary="Whether this process runs", media_type="text/plain")
async def healthz() -> str:
    """Answer as long as the process can."""
    return "ok"


@get(
    "/readyz",
    operation_id="readyz",
    summary="Whether everything that an upload needs is there",
    responses={503: ResponseSpec(dict[str, str], description="What is missing", generate_examples=False)},
)
async def readyz(operations: NamedDependency[OperationsApi]) -> Response[dict[str, str]]:
    """Answer 200 when database and blob store do, else 503 with what is missing."""
    database, blobs = await asyncio.gather(_probe_database(operations.database), _probe_blobs(operations.blobs))
    ready = database == blobs == "ok"
    return Response(
        {"database": database, "blobs": blobs},
        status_code=200 if ready else 503,
        headers={"cache-control": "no-store"} if ready else {"cache-control": "no-store", "retry-after": "1"},
    )


async def _probe_database(database: Database) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS), database.lookup() as connection:
            await connection.execute("SELECT tenant_of_host('')")
    except (Problem, TimeoutError):
        return "does not answer"
    return "ok"


async def _probe_blobs(blobs: BlobStore) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await blobs.head(PROBE_KEY)
    except (BlobStoreFailed, TimeoutError):
        return "does not answer"
    return "ok"


@get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics of this node",
    media_type="text/plain; version=0.0.4",
)
async def metrics(operations: NamedDependency[OperationsApi]) -> bytes:
    """Return what every process of this node measured."""
    operations.metrics.measure_memory("api")
    try:
        async with operations.database.lookup() as connection:
            depth, age = await queue_depth_and_age(connection)
            dead = await count_dead_jobs(connection)
            runs = await last_runs(connection)
            webhooks = await count_deliveries(connection)
        operations.metrics.queue_depth.set(depth)
        operations.metrics.queue_age.set(age)
        operations.metrics.dead_jobs.set(dead)
        operations.metrics.upkeep.show(runs)
        operations.metrics.webhooks.show(webhooks)
    except Problem:  # the database is away: what else was measured is needed all the more
        pass
    return await asyncio.to_thread(expose_metrics)


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, AppState]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document that is generated from the code."""
    return request.app.openapi_schema.to_schema()


def operation_routes(operations: OperationsApi) -> Router:
    """Return the routes, which have no prefix."""
    return Router(
        path="/",
        route_handlers=[healthz, readyz, metrics, openapi],
        dependencies={"operations": Provide(lambda: operations, sync_to_thread=False)},
        tags=["Operations"],
    )
