"""Work on an image that somebody asks for: `POST /images/{id}/variants` and `POST /images/{id}/reprocess`.

Both are its owner's: the holder of the tenant's API key, or of the delete token of an anonymous upload.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from litestar import Response, Router, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.db.variants import VariantRow
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.format import Format
from tintype.domain.idempotency import Attempt
from tintype.domain.image import SERVED, Image
from tintype.domain.transform import Output, Variant
from tintype.reads.delivery import DeliveryRecord
from tintype.usecases.make_variants import MakeVariants
from tintype.usecases.repeat_request import RepeatRequest
from tintype.usecases.reprocess_image import ReprocessImage
from tintype.web.idempotency import REPLAYED
from tintype.web.image_json import ImageJson, VariantJson, present_image, present_variant
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, attempt_at, change_request, headers_of, ref_of
from tintype.web.openapi import OwnerOperation, RepeatableOperation, problems

SOON_SECONDS: Final = "1"
"""When to come again for what is in work: `Retry-After`."""

MAKE_SECONDS: Final = 8.0
"""How long the answer waits for the variants before it says that they are still being made (202)."""


@dataclass(frozen=True, slots=True)
class ImageWorkApi:
    """What the handlers work with."""

    images: ImagesApi
    make_variants: MakeVariants
    reprocess_image: ReprocessImage
    repeat_request: RepeatRequest


class VariantsWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A preset by its name; in one format, or in every format that the image's kind is shown in."""

    preset: str | None = None
    transform: msgspec.Raw | None = None
    format: Literal["jpeg", "png", "webp"] | None = None


class VariantsMade(msgspec.Struct):
    """The variants that were asked for."""

    items: list[VariantJson]


@post(
    "/images/{image_id:str}/variants",
    status_code=201,
    operation_id="makeVariants",
    operation_class=RepeatableOperation,
    summary="Make a size of an image now",
    description="By API key, or with the delete token of an anonymous upload as `Upload-Token`. 202 with `Retry-After` "
    "when it takes longer.",
    responses=problems(401, 403, 404, 409, 410, 412, 422, 503),
)
async def make_variants(
    request: ApiRequest, work: NamedDependency[ImageWorkApi], image_id: FromPath[str], data: VariantsWanted
) -> Response[VariantsMade]:
    """Return the variants once they are there."""
    change = await change_request(request, work.images, image_id)
    record = await work.images.records.get(ref_of(image_id))
    image = change.permitted(record.image)
    if image.state not in SERVED or image.pending:
        raise Problem(Code.CONFLICT, f"This image is {image.state}: nothing can be made of it.")
    variants = _wanted(record, data)
    attempt = await _attempt(request, work.images, image, data)
    if (kept := await work.repeat_request.answered_before(image.tenant, attempt)) is not None:
        return Response(msgspec.json.decode(kept, type=VariantsMade), headers={**REPLAYED, **UNSHARED})
    base_url = work.images.base_url(request)
    try:
        async with asyncio.timeout(MAKE_SECONDS):
            rows = [await work.make_variants.on_demand(image, variant) for variant in variants]
    except TimeoutError:
        headers = {"retry-after": SOON_SECONDS, **UNSHARED}
        return Response(_shown(base_url, image, variants, []), status_code=202, headers=headers)
    finally:
        work.images.records.forget((image.id,))  # what is remembered lacks the variants
    made = _shown(base_url, image, variants, rows)
    answer = msgspec.json.encode(made).decode()
    await work.repeat_request.keep(image.tenant, attempt, image_id=image.id, answer=answer)
    return Response(made, headers=UNSHARED)


async def _attempt(request: ApiRequest, api: ImagesApi, image: Image, data: VariantsWanted) -> Attempt | None:
    said = {"version": image.version, "preset": data.preset, "format": data.format}
    return await attempt_at(request, api, f"POST /images/{image.ref}/variants", said)


def _wanted(record: DeliveryRecord, data: VariantsWanted) -> list[Variant]:
    if data.transform is not None:
        message = "Transforms are not there yet. Name a preset."
        raise Problem(Code.REQUEST_INVALID, message, errors=(FieldError("transform", message),))
    presets = record.presets
    preset = next((preset for preset in presets if preset.name == data.preset), None)
    if preset is None:
        message = f"There is no such preset; this image has {', '.join(preset.name for preset in presets)}."
        raise Problem(Code.REQUEST_INVALID, message, errors=(FieldError("preset", message),))
    formats = (Format(data.format),) if data.format else record.image.recipe.outputs
    return [Variant(preset.name, Output(preset.transform, fmt)) for fmt in formats]


def _shown(base_url: str, image: Image, variants: list[Variant], rows: list[VariantRow]) -> VariantsMade:
    made = {row.digest: row for row in rows}
    return VariantsMade(
        [
            present_variant(image, variant, made.get(variant.output.digest), eager=False, base_url=base_url)
            for variant in variants
        ]
    )


@post(
    "/images/{image_id:str}/reprocess",
    status_code=202,
    operation_id="reprocessImage",
    operation_class=OwnerOperation,
    summary="Process a failed image again",
    description="By API key, or with the delete token of an anonymous upload as `Upload-Token`.",
    responses=problems(401, 403, 404, 409, 410, 412, 503),
)
async def reprocess_image(
    request: ApiRequest, work: NamedDependency[ImageWorkApi], image_id: FromPath[str]
) -> Response[ImageJson]:
    """Put a failed image back to work; any other is a conflict."""
    change = await change_request(request, work.images, image_id)
    image = await work.reprocess_image.retry(change)
    work.images.records.forget((image.id,))
    shown = present_image(image, work.images.base_url(request), owner=change.actor is not None)
    return Response(shown, headers={"retry-after": SOON_SECONDS, **headers_of(image)})


def image_work_routes(work: ImageWorkApi) -> Router:
    """Return the routes."""
    return Router(
        path="/api/v1",
        route_handlers=[make_variants, reprocess_image],
        dependencies={"work": Provide(lambda: work, sync_to_thread=False)},
        tags=["Images"],
    )
