"""Builds what the handlers of images work with."""

from tintype.bootstrap.blobs import staging
from tintype.bootstrap.outgoing import CONNECT_SECONDS, public_web
from tintype.bootstrap.parts import Parts
from tintype.bootstrap.uploads import aborting
from tintype.db.pool import Database
from tintype.domain.pace import PaceLimits
from tintype.ports.public_web import Patience
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.image_list import ImageList
from tintype.reads.jobs import JobList
from tintype.reads.progress import Progress
from tintype.reads.receipts import Receipts
from tintype.reads.usage import Usage
from tintype.reads.views import Views
from tintype.server_key import server_key
from tintype.settings import Settings
from tintype.storage.intake import Intake
from tintype.usecases.change_image import ChangeImage
from tintype.usecases.dead_letters import DeadLetters
from tintype.usecases.hold_image import HoldImage
from tintype.usecases.repeat_request import RepeatRequest
from tintype.usecases.replace_content import ReplaceContent
from tintype.usecases.reprocess_image import ReprocessImage
from tintype.usecases.trash_image import TrashImage
from tintype.usecases.upload_image import UploadImage
from tintype.web.auth import Authenticator
from tintype.web.body import BodyLimits
from tintype.web.client_address import ForwardedHeader, Proxies
from tintype.web.image_work import ImageWorkApi
from tintype.web.images_api import ImagesApi
from tintype.web.jobs import JobsApi
from tintype.web.rate_limits import UploadLimiter
from tintype.web.source_upload import Sources
from tintype.web.upload_gate import UploadGate
from tintype.web.upload_slots import SlotLimits, UploadSlots


def sources_of(settings: Settings) -> Sources:
    """Return where files are fetched from; the places are limited even where rates are not."""
    outgoing = settings.outgoing
    one = outgoing.fetch_concurrent_per_caller if settings.rate_limits else None
    return Sources(
        web=public_web(settings),
        ports=outgoing.ports,
        patience=Patience(CONNECT_SECONDS, outgoing.fetch_stall_seconds, outgoing.fetch_seconds),
        slots=UploadSlots(SlotLimits(outgoing.fetch_concurrent, per_address=one, per_key=None)),
    )


def images_api(
    settings: Settings,
    parts: Parts,
    records: DeliveryRecords,
    progress: Progress,
    authenticator: Authenticator,
    usage: Usage,
) -> ImagesApi:
    """Return what the handlers of images work with."""
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


def image_work_api(parts: Parts, images: ImagesApi) -> ImageWorkApi:
    """Return what the handlers of work on images work with."""
    reprocess_image = ReprocessImage(database=parts.database, notifier=parts.notifier, kinds_of=parts.tenants.kinds_of)
    return ImageWorkApi(images, parts.make_variants, reprocess_image, RepeatRequest(parts.database))


def jobs_api(parts: Parts, authenticator: Authenticator) -> JobsApi:
    """Return what the handlers of jobs work with."""
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
