"""Builds delivery: what answers requests for image bytes."""

from tintype.bootstrap.parts import Parts
from tintype.db.backlog import Backlog, BacklogLimits
from tintype.ports.blobs import BlobStore
from tintype.reads.delivery import DeliveryRecords
from tintype.settings import Settings
from tintype.usecases.count_views import CountViews
from tintype.web.auth import Authenticator
from tintype.web.delivery import Delivery
from tintype.web.remote_delivery import HandToEdge, LeadAway, RedirectToBucket
from tintype.web.representations import Representations
from tintype.web.signed_delivery import SignedUrls


def lead_away(settings: Settings, blobs: BlobStore) -> LeadAway | None:
    """Return how readers come to bytes of this store without us; None where we send them."""
    # Whoever mirrors to or from S3 sends by itself, and so do Google and Azure: they have no `requests`.
    requests = getattr(blobs, "requests", None)
    if requests is None or settings.delivery.remote == "stream":
        return None
    from tintype.adapters.s3_downloads import S3Downloads  # noqa: PLC0415 -- as `blobs.py` does

    by_edge = settings.delivery.remote == "accel"
    lifetime = settings.delivery.signed_for
    downloads = S3Downloads(requests.bucket, requests.signer, lifetime=lifetime, public=not by_edge)
    return HandToEdge(downloads) if by_edge else RedirectToBucket(downloads)


def delivery_of(
    settings: Settings,
    parts: Parts,
    records: DeliveryRecords,
    authenticator: Authenticator,
    signed_urls: SignedUrls,
    count_views: CountViews,
) -> Delivery:
    """Return what answers requests for image bytes."""
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
