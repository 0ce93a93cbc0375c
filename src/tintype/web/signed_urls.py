"""`POST /images/{id}/signed-url`: an address that opens one size of an image to whoever has it, until it ends."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.domain.actor import Scope
from tintype.domain.errors import FieldError
from tintype.domain.format import Format
from tintype.domain.image import Image
from tintype.domain.signing import LONGEST_SECONDS, SHORTEST_SECONDS, USUAL_SECONDS, signed_url
from tintype.domain.transform import Preset
from tintype.usecases.sign_url import SignUrl
from tintype.web.idempotency import replayed
from tintype.web.image_fields import invalid
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, attempt_at, change_request, ref_of
from tintype.web.openapi import RepeatableOperation, problems

ORIGINAL: Final = "original"


class SignedUrlWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A size by its name, or `original`; in one format, or (without) in the best that a browser takes; for how long."""

    preset: str
    format: Literal["jpeg", "png", "webp"] | None = None
    expires_in: int = USUAL_SECONDS


class SignedUrlJson(msgspec.Struct):
    """An address, and until when it opens the image. It is a secret: whoever has it sees the picture."""

    url: str
    expires_at: str


@post(
    "/images/{image_id:str}/signed-url",
    status_code=201,
    operation_id="signUrl",
    operation_class=RepeatableOperation,
    summary="Hand on an image until a time",
    description="An address that opens one size of the image, without any credential. `expires_in` is in seconds, an "
    "hour unless it is said; the end is rounded up, so that everybody who asks within a minute (or ten, or an hour, as "
    "it lives longer) gets the same address.",
    responses=problems(401, 403, 404, 409, 410, 412, 422, 503),
)
async def sign_url(
    request: ApiRequest,
    images: NamedDependency[ImagesApi],
    story: NamedDependency[SignUrl],
    image_id: FromPath[str],
    data: SignedUrlWanted,
) -> Response[SignedUrlJson]:
    """Return a signed address."""
    change = await change_request(request, images, image_id, Scope.IMAGES_READ)
    record = await images.records.get(ref_of(image_id))
    change.refuse_stranger(record.image)  # who may not is told so before they are told of sizes
    _refuse_length(data.expires_in)
    name = _name(record.image, data, record.presets)
    said = {"name": name, "expires_in": data.expires_in}
    attempt = await attempt_at(request, images, f"POST /images/{record.image.ref}/signed-url", said)
    signing = await story(change, name, data.expires_in, attempt)
    image = signing.image
    path = f"/i/{image.ref}/{name}"
    url = images.base_url(request) + signed_url(signing.key, path, image.version, signing.expires)
    ends = datetime.fromtimestamp(signing.expires, UTC)
    if image.expires_at is not None:
        ends = min(ends, image.expires_at)
    return Response(SignedUrlJson(url, utc_time(ends)), headers={**UNSHARED, **replayed(again=signing.again)})


def _refuse_length(seconds: int) -> None:
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        message = f"A whole number of seconds from {SHORTEST_SECONDS} to {LONGEST_SECONDS}, which is a week."
        raise invalid([FieldError("expires_in", message)])


def _name(image: Image, data: SignedUrlWanted, presets: Sequence[Preset]) -> str:
    """Return the last part of the path; `Problem` names the field that asks for what there is not."""
    if data.preset == ORIGINAL:
        if data.format not in {None, image.format.value}:
            raise invalid([FieldError("format", f"The original is a {image.format.extension} file.")])
        return f"{ORIGINAL}.{image.format.extension}"
    names = [preset.name for preset in presets]
    if data.preset not in names:
        message = f"There is no such preset; this image has {', '.join(names)} and {ORIGINAL}."
        raise invalid([FieldError("preset", message)])
    return f"{data.preset}.{Format(data.format).extension}" if data.format else data.preset


def signed_url_routes(images: ImagesApi, story: SignUrl) -> Router:
    """Return the route."""
    return Router(
        path="/api/v1",
        route_handlers=[sign_url],
        dependencies={
            "images": Provide(lambda: images, sync_to_thread=False),
            "story": Provide(lambda: story, sync_to_thread=False),
        },
        tags=["Images"],
    )
