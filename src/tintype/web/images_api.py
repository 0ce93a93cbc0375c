"""What the handlers of `/api/v1/images` have in common: what they work with, who asks, which image is meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State as AppState

from tintype.domain.actor import Scope
from tintype.domain.change import ChangeRequest, entity_tag, expired, owns
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt
from tintype.domain.ids import BadId, ImageRef
from tintype.domain.image import Image, State
from tintype.domain.tokens import Purpose, Token, parse_token
from tintype.domain.visibility import Viewer
from tintype.reads.delivery import DeliveryRecord, DeliveryRecords
from tintype.reads.image_list import ImageList
from tintype.reads.progress import Progress
from tintype.reads.receipts import Receipts
from tintype.reads.tenants import Tenants
from tintype.reads.usage import Usage
from tintype.reads.views import Views
from tintype.telemetry.metrics import Metrics
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.change_image import ChangeImage
from tintype.usecases.hold_image import HoldImage
from tintype.usecases.purge_image import PurgeImage
from tintype.usecases.replace_content import ReplaceContent
from tintype.usecases.trash_image import TrashImage
from tintype.usecases.upload_image import UploadImage
from tintype.web.auth import Authenticator, Caller, Credentials
from tintype.web.body import BodyLimits
from tintype.web.client_address import Proxies
from tintype.web.conditional import parse_if_match
from tintype.web.idempotency import attempt_of
from tintype.web.source_upload import Sources
from tintype.web.upload_gate import UploadGate

ApiRequest = Request[Any, Any, AppState]

UNSHARED: Final = {"cache-control": "no-store"}
"""An answer about an image is for who asked: it may hold a token, and changes at any moment."""


@dataclass(frozen=True, slots=True)
class ImagesApi:
    """What the handlers work with."""

    upload_image: UploadImage
    change_image: ChangeImage
    replace_content: ReplaceContent
    trash_image: TrashImage
    purge_image: PurgeImage
    hold_image: HoldImage
    abort_upload: AbortUpload
    image_list: ImageList
    receipts: Receipts
    records: DeliveryRecords
    progress: Progress
    views: Views
    usage: Usage
    authenticator: Authenticator
    gate: UploadGate
    sources: Sources
    proxies: Proxies
    metrics: Metrics
    tenants: Tenants
    body_limits: BodyLimits
    public_url: str | None

    def base_url(self, request: ApiRequest) -> str:
        """Return where clients reach us: as configured, else as this one did."""
        return base_url_of(request, self.public_url)

    async def caller(self, request: ApiRequest) -> Caller:
        """Return who asks."""
        return await self.authenticator.caller(request.headers, self.address(request), method=request.method)

    def address(self, request: ApiRequest) -> str:
        """Return where the client is."""
        peer = request.client.host if request.client else ""
        return self.proxies.client_of(peer, request.headers)


def base_url_of(request: ApiRequest, public_url: str | None) -> str:
    """Return where clients reach us: as configured, else as this one did."""
    return public_url or f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that the caller may see; `owner` says whether it is theirs."""

    record: DeliveryRecord
    owner: bool

    @property
    def image(self) -> Image:
        """The image."""
        return self.record.image


async def look_up(request: ApiRequest, api: ImagesApi, image_id: str, read_token: str | None) -> Seen:
    """Return the image; `Problem` not_found for what the caller may not see, image.gone for what was purged."""
    record = await api.records.get(ref_of(image_id))
    image = record.image
    viewer = await api.authenticator.viewer(image, credentials_of(request), read_token)
    if image.state is State.PURGED:
        raise Problem(Code.IMAGE_GONE, "This image was deleted. Nothing of it is left.")
    owner = owns(image, viewer.actor, write_token(request), Scope.IMAGES_READ)
    shown = record.shown_to(viewer) and image.state is not State.TRASHED
    if not (owner or shown):
        raise Problem(Code.NOT_FOUND, "There is no such image.")
    if record.expired and not owner:
        raise expired()
    return Seen(record, owner)


async def change_request(
    request: ApiRequest, api: ImagesApi, image_id: str, scope: Scope = Scope.IMAGES_WRITE
) -> ChangeRequest:
    """Return the wish to change the image, with what the caller shows; whether they may is the story's to say."""
    ref = ref_of(image_id)
    record = await api.records.get(ref)
    image, actor = record.image, await api.authenticator.actor(credentials_of(request))
    if record.withdrawn and not record.shown_to(Viewer(actor)):  # to everybody else it is not there
        raise Problem(Code.NOT_FOUND, "There is no such image.")
    return ChangeRequest(
        tenant=image.tenant,
        image_id=ref.id,
        actor=actor,
        scope=scope,
        token=write_token(request),
        expected=parse_if_match(request.headers.get("if-match")),
        address=api.authenticator.noted(api.address(request)),
    )


async def attempt_at(request: ApiRequest, api: ImagesApi, operation: str, said: Mapping[str, object]) -> Attempt | None:
    """Return which attempt at `operation` the request is, None without an Idempotency-Key."""
    if "idempotency-key" not in request.headers:
        return None
    return attempt_of(request.headers, await api.caller(request), operation, said)


def ref_of(image_id: str) -> ImageRef:
    """Return the image that the path names; `Problem` not_found when it names none."""
    try:
        return ImageRef.parse(image_id)
    except BadId as error:
        raise Problem(
            Code.NOT_FOUND, "There is no such image; an id looks like img_ and 22 letters and digits."
        ) from error


def credentials_of(request: ApiRequest) -> Credentials:
    """Return what the request shows of who asks."""
    return Credentials.of(request.headers, request.method)


def write_token(request: ApiRequest) -> Token | None:
    """Return the write token that the caller shows."""
    return parse_token(Purpose.WRITE, request.headers.get("upload-token", ""))


def headers_of(image: Image) -> dict[str, str]:
    """Return the headers of an answer that shows the image."""
    return {"etag": entity_tag(image), **UNSHARED}
