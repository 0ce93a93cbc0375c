"""Upload images to a Tintype server, and look after them.

    from tintype_client import Tintype

    with Tintype("https://images.example.org", "ttk_…") as client:
        image = client.upload("photo.jpg", title="Lisbon")
        print(image.url, image.thumbnails["thumb"])

`AsyncTintype` has the same methods for asyncio. What can go wrong is in `errors.py`, each a class of its own.
"""

from tintype_client.async_client import AsyncTintype
from tintype_client.client import Tintype
from tintype_client.core.fields import Fields
from tintype_client.core.images import Changes, Filters, ReplaceOptions
from tintype_client.core.options import SendOptions, UploadOptions
from tintype_client.core.retries import RetryPolicy
from tintype_client.core.staged import LinkOptions
from tintype_client.errors import (
    ApiError,
    AuthenticationError,
    ChecksumMismatch,
    Conflict,
    ConnectionFailed,
    FieldError,
    Gone,
    IdempotencyMismatch,
    ImageMalformed,
    ImageRejected,
    ImageTooLarge,
    InvalidRequest,
    NotFound,
    NotReady,
    PermissionDenied,
    PreconditionFailed,
    QuotaExceeded,
    RateLimited,
    SourceChanged,
    SourceFailed,
    StorageFull,
    TintypeError,
    Unavailable,
    UnsupportedFormat,
    UploadExpired,
    WebhookInvalid,
)
from tintype_client.models import Attachment, Image, PartUrl, Progress, SignedUrl, UploadLink, Variant
from tintype_client.webhooks import verify_webhook

__all__ = [
    "ApiError",
    "AsyncTintype",
    "Attachment",
    "AuthenticationError",
    "Changes",
    "ChecksumMismatch",
    "Conflict",
    "ConnectionFailed",
    "FieldError",
    "Fields",
    "Filters",
    "Gone",
    "IdempotencyMismatch",
    "Image",
    "ImageMalformed",
    "ImageRejected",
    "ImageTooLarge",
    "InvalidRequest",
    "LinkOptions",
    "NotFound",
    "NotReady",
    "PartUrl",
    "PermissionDenied",
    "PreconditionFailed",
    "Progress",
    "QuotaExceeded",
    "RateLimited",
    "ReplaceOptions",
    "RetryPolicy",
    "SendOptions",
    "SignedUrl",
    "SourceChanged",
    "SourceFailed",
    "StorageFull",
    "Tintype",
    "TintypeError",
    "Unavailable",
    "UnsupportedFormat",
    "UploadExpired",
    "UploadLink",
    "UploadOptions",
    "Variant",
    "WebhookInvalid",
    "verify_webhook",
]
