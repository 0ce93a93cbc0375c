"""`/api/v1/images`: the resource. Each handler reads the request, calls one story or read, and presents the answer."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from litestar import Response, Router, get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.domain.change import entity_tag
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.transform import Output, Variant
from tintype.reads.delivery import DeliveryRecord
from tintype.storage.intake import refuse_if_longer
from tintype.usecases.upload_image import Accepted, Repeated
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.conditional import names
from tintype.web.image_changes import change_image
from tintype.web.image_content import replace_content
from tintype.web.image_hold import hold_image, release_image
from tintype.web.image_import import import_image, is_json, repeatable
from tintype.web.image_json import ImageJson, VariantJson, present_image, present_variant
from tintype.web.image_list import list_images
from tintype.web.image_receipt import get_receipt
from tintype.web.image_trash import delete_image, restore_image
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, headers_of, look_up
from tintype.web.openapi import LookOperation, UploadOperation, problems
from tintype.web.preference import parse_preferences
from tintype.web.rate_limit_fields import rate_limit_headers
from tintype.web.receiving import form_boundary, query_fields, receiving
from tintype.web.upload_answer import REPEATED_HEADERS, show_accepted, show_repeated
from tintype.web.upload_gate import refuse_stranger
from tintype.web.upload_request import FormUpload, RawUpload, UploadRequest
from tintype.web.waiting import come_again, settled


@post(
    "/images",
    request_max_body_size=None,
    status_code=201,
    summary="Upload an image",
    description="A form with the field `file`, or the file itself as the body with the fields in the query, or JSON "
    "with a `source_url` that the server fetches the file from. "
    "`RateLimit` and `RateLimit-Policy` tell how much more the sender may send.",
    operation_id="createImage",
    operation_class=UploadOperation,
    responses=problems(401, 403, 408, 409, 410, 413, 415, 422, 429, 503, 507),
)
async def create_image(request: ApiRequest, api: NamedDependency[ImagesApi]) -> Response[ImageJson]:
    """Take an image in; it is safe when this answers."""
    async with receiving(request, api) as body:
        caller = await api.caller(request)
        tenant = await api.tenants.get(caller.tenant)
        refuse_stranger(tenant, caller)
        if is_json(request):
            outcome, standings = await import_image(request, api, body, caller)
            return await _answer(request, api, outcome, rate_limit_headers(standings))
        async with api.gate.admit(caller, body) as standings:
            await api.usage.refuse_if_full(caller.tenant, caller.actor.account if caller.actor else None)
            incoming = _incoming(request, body, tenant.kinds, caller)
            refuse_if_longer((body.declared or 0) - incoming.beside_file, incoming.kinds())
            outcome = await api.upload_image(incoming, repeatable(request, caller, api.base_url(request)))
    return await _answer(request, api, outcome, rate_limit_headers(standings))


def _incoming(request: ApiRequest, body: RequestBody, kinds: Mapping[str, UploadKind], caller: Caller) -> UploadRequest:
    boundary = form_boundary(request)
    if boundary is not None:
        return FormUpload(body, query_fields(request), kinds, caller, boundary=boundary)
    return RawUpload(body, query_fields(request), kinds, caller)


async def _answer(
    request: ApiRequest, api: ImagesApi, outcome: Accepted | Repeated, allowances: dict[str, str]
) -> Response[ImageJson]:
    base_url = api.base_url(request)
    if isinstance(outcome, Repeated):
        shown, headers = show_repeated(outcome), REPEATED_HEADERS
    else:
        preferences = parse_preferences(request.headers)
        image = await settled(api, outcome.image, preferences)
        shown = show_accepted(outcome, image, base_url)
        headers = {**headers_of(image), **preferences.applied}
    location = {"location": f"{base_url}/api/v1/images/{shown.id}"}
    return Response(shown, headers={**location, **headers, **allowances})


@get(
    "/images/{image_id:str}",
    summary="Look at an image",
    description="With `size`, a redirect to the bytes.",
    operation_id="getImage",
    operation_class=LookOperation,
    responses=problems(401, 404, 410, 503),
)
async def get_image(
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    image_id: FromPath[str],
    size: Annotated[str | None, QueryParameter(description="A preset's name, or `original`.")] = None,
    read_token: Annotated[
        str | None, QueryParameter(name="token", description="The read token of a private image.")
    ] = None,
) -> Response[ImageJson]:
    """Return the image, or a redirect to its bytes."""
    seen = await look_up(request, api, image_id, read_token)
    base_url, preferences = api.base_url(request), parse_preferences(request.headers)
    if size is None:
        if await settled(api, seen.image, preferences) is not seen.image:
            seen = await look_up(request, api, image_id, read_token)  # who may see it may have changed, too
        headers = {**headers_of(seen.image), **come_again(seen.image), **preferences.applied}
        if names(request.headers.get("if-none-match"), entity_tag(seen.image)):
            return _not_modified(headers)
        views = await api.views.of(seen.record)
        return Response(present_image(seen.image, base_url, owner=seen.owner, views=views), headers=headers)
    return _redirect(_bytes_url(seen.record, size, base_url, read_token))


def _not_modified(headers: Mapping[str, str]) -> Response[Any]:
    return Response(b"", status_code=304, headers=dict(headers))


def _redirect(location: str) -> Response[Any]:
    return Response(b"", status_code=302, headers={"location": location, **UNSHARED}, media_type="text/plain")


def _bytes_url(record: DeliveryRecord, size: str, base_url: str, read_token: str | None) -> str:
    image = record.image
    token = f"&token={read_token}" if parse_token(Purpose.READ, read_token or "") else ""
    if size == "original":
        extension = "" if image.pending else f".{image.format.extension}"
        return f"{base_url}/i/{image.ref}/original{extension}?v={max(image.version, 1)}{token}"
    names = [preset.name for preset in record.presets]
    if size not in names:
        known = ", ".join(names)
        raise Problem(Code.REQUEST_UNREADABLE, f"There is no size {size[:40]!r}; this image has {known} and original.")
    return f"{base_url}/i/{image.ref}/{size}?v={max(image.version, 1)}{token}"


@get(
    "/images/{image_id:str}/variants",
    summary="List what an image can be shown as",
    operation_id="listVariants",
    cache_control=CacheControlHeader(no_store=True),
    responses=problems(401, 404, 410, 503),
)
async def list_variants(
    request: ApiRequest,
    api: NamedDependency[ImagesApi],
    image_id: FromPath[str],
    read_token: Annotated[
        str | None, QueryParameter(name="token", description="The read token of a private image.")
    ] = None,
) -> dict[Literal["items"], list[VariantJson]]:
    """Return every preset in every format, made or not."""
    record = (await look_up(request, api, image_id, read_token)).record
    image, base_url = record.image, api.base_url(request)
    return {
        "items": [
            present_variant(
                image, variant, record.variants.get(variant.output.digest), eager=preset.eager, base_url=base_url
            )
            for preset in record.presets
            for variant in (Variant(preset.name, Output(preset.transform, fmt)) for fmt in image.recipe.outputs)
        ]
    }


OTHERS: Final = (
    *(list_images, change_image, replace_content, delete_image, restore_image),
    *(hold_image, release_image, get_receipt),
)


def image_routes(api: ImagesApi, *others: Router) -> Router:
    """Return the routes of the resource, and `others` that share paths with them."""
    handlers = [create_image, get_image, list_variants, *OTHERS]
    resource = Router(path="/api/v1", route_handlers=handlers, tags=["Images"])
    return Router(
        path="/",
        route_handlers=[resource, *others],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
    )
