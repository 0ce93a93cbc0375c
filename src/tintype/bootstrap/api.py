"""Builds an API process."""

import os
from pathlib import Path
from typing import Final

from tintype.adapters.view_journal import MappedViewJournal
from tintype.bootstrap.delivery import delivery_of
from tintype.bootstrap.images import image_work_api, images_api, jobs_api
from tintype.bootstrap.origin import hsts_of
from tintype.bootstrap.parts import API_NICE, build_parts, database_url
from tintype.bootstrap.people_routes import routes_of_people
from tintype.bootstrap.signing_routes import signing_routes
from tintype.bootstrap.tenant_routes import limits_of_host, tenant_routes_of
from tintype.bootstrap.tenants import change_listener
from tintype.bootstrap.tus_routes import routes_of_tus
from tintype.bootstrap.upload_routes import routes_of_uploads
from tintype.bootstrap.usage_routes import usage_parts
from tintype.bootstrap.webhook_routes import webhook_routes_of
from tintype.db.pool import DatabaseConfig
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.progress import Progress
from tintype.server_key import sealer, server_key
from tintype.settings import Settings, load_settings
from tintype.storage.holds import Holds
from tintype.storage.signing_keys import SigningKeys
from tintype.telemetry.logs import configure_logs
from tintype.telemetry.loop_lag import LoopLag
from tintype.usecases.count_views import CountViews
from tintype.usecases.note_key_use import NoteKeyUse
from tintype.web.app import Application, make_litestar
from tintype.web.auth import Authenticator
from tintype.web.cors import Cors
from tintype.web.events import event_routes
from tintype.web.image_work import image_work_routes
from tintype.web.images import image_routes
from tintype.web.jobs import job_routes
from tintype.web.operations import OperationsApi, operation_routes
from tintype.web.page import page_routes
from tintype.web.security_headers import SecurityHeaders
from tintype.web.server import call_on_stop
from tintype.web.share_page import share_routes
from tintype.web.signed_delivery import SignedUrls
from tintype.web.upload_request import DEFAULT_KIND
from tintype.web.views import view_routes

API_RENDERERS: Final = 1
"""Decoders of an API process, for what is asked for before the job made it; started by the first such request."""


def api_application() -> Application:
    """Return the application of one API process, which reads its settings from the environment."""
    settings = load_settings(file=_config_file(), environment=os.environ, flags={})
    configure_logs(settings.log_level)
    return build_api(settings)


def build_api(settings: Settings) -> Application:
    """Return the application; its lifespan opens and closes everything."""
    parts = build_parts(settings, DatabaseConfig(database_url(settings)), renderers=API_RENDERERS, nice=API_NICE)
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

    images = images_api(settings, parts, records, progress, authenticator, counted.usage)
    routes = [
        image_routes(images, image_work_routes(image_work_api(parts, images))),
        event_routes(images),
        routes_of_uploads(parts.uploads(settings), images),
        routes_of_tus(parts.uploads(settings), images, holds),
        job_routes(jobs_api(parts, authenticator)),
        view_routes(images),
        *signing_routes(images, signing_keys, database=parts.database, clock=parts.clock),
        counted.routes,
        share_routes(images),
        operation_routes(OperationsApi(parts.database, parts.blobs, parts.metrics)),
        webhook_routes_of(settings, parts.database, parts.clock, authenticator, images.proxies),
        *tenant_routes_of(settings, parts.database, parts.clock, parts.tenants, authenticator, images.proxies),
        page_routes(settings.kinds[DEFAULT_KIND].limits, limits_of_host(authenticator, parts.tenants)),
        routes_of_people(settings, parts, images),
    ]
    litestar = make_litestar(routes, on_startup=[start], on_shutdown=[stop])
    signed_urls = SignedUrls(signing_keys, parts.clock)
    delivery = delivery_of(settings, parts, records, authenticator, signed_urls, count_views)
    cors = Cors(authenticator, parts.tenants)
    headers = SecurityHeaders(hsts=hsts_of(settings))
    return Application(litestar, delivery, parts.metrics, headers, cors, counted.tally)


def _config_file() -> Path | None:
    name = os.environ.get("TINTYPE_CONFIG")
    return Path(name) if name else None
