"""`/api/v1/uploads`: reserve, send, complete, look, abort. Whose upload it is, is shown by a token, a key or a session.

A reservation's tokens open that one upload and nothing else, so that a backend may hand them to a browser: the signed
address takes the bytes without any other credential, and `Upload-Token` completes or aborts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.db.clock import DatabaseClock
from tintype.domain.actor import Scope
from tintype.domain.change import ChangeRequest, owns
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.parts import count_of
from tintype.domain.tokens import Purpose, parse_token
from tintype.domain.upload import Method, Upload, UploadState, no_upload, parse_upload_id, permit
from tintype.domain.upload_link import Bound
from tintype.reads.uploads import UploadRecord, Uploads
from tintype.storage.direct_staging import WHOLE
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.complete_upload import CompleteUpload
from tintype.usecases.receive_part import ReceivePart
from tintype.usecases.reserve_upload import Reserved, ReserveUpload
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.idempotency import key_of, replayed
from tintype.web.image_fields import invalid
from tintype.web.image_json import ImageJson, present_image
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi, credentials_of, headers_of, write_token
from tintype.web.json_body import Fields, read_json
from tintype.web.openapi import problems
from tintype.web.preference import parse_preferences
from tintype.web.rate_limit_fields import rate_limit_headers
from tintype.web.receiving import receiving
from tintype.web.upload_fields import converted, read_reservation
from tintype.web.upload_gate import refuse_stranger
from tintype.web.upload_json import UploadJson, UploadPartsJson, parts_there, present_upload
from tintype.web.upload_links import NOT_OURS, PREFIX, UploadLinks, UploadTargets, link_invalid, part_of, whole_of
from tintype.web.upload_openapi import (
    CompleteOperation,
    PartsOperation,
    ReserveOperation,
    SendOperation,
    TokenOperation,
)
from tintype.web.waiting import come_again, settled

SHOWN_PARTS: Final = 100
"""Addresses of parts in one answer: some 20 kB. The others are asked for by their numbers."""


@dataclass(frozen=True, slots=True)
class UploadsApi:
    """What the handlers work with."""

    images: ImagesApi
    uploads: Uploads
    reserve: ReserveUpload
    receive: ReceivePart
    complete: CompleteUpload
    abort: AbortUpload
    links: UploadLinks
    targets: UploadTargets
    clock: DatabaseClock


@post(
    "/uploads",
    status_code=201,
    summary="Reserve an upload",
    description="For bytes that come in requests of their own: to the address of the answer, in one piece or in parts."
    " What is announced is counted against quotas and rate limits now.",
    operation_id="createUpload",
    operation_class=ReserveOperation,
    responses=problems(401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
)
async def create_upload(request: ApiRequest, uploads: NamedDependency[UploadsApi]) -> Response[UploadJson]:
    """Reserve an upload; the image's id is known when this answers."""
    api = uploads.images
    caller = await api.caller(request)
    tenant = await api.tenants.get(caller.tenant)
    refuse_stranger(tenant, caller)
    given = await read_json(request, api.body_limits)
    reservation = read_reservation(given, tenant.kinds, caller)
    standings = await api.gate.reserve(caller, reservation.size)
    key = key_of(request.headers, caller)
    made = await uploads.reserve(reservation, key)
    base_url = api.base_url(request)
    location = {"location": f"{base_url}{PREFIX}/{made.upload.public_id}"}
    headers = {**location, **UNSHARED, **replayed(again=made.repeated), **rate_limit_headers(standings)}
    return Response(_announced(uploads, made, base_url), headers=headers)


def _announced(uploads: UploadsApi, made: Reserved, base_url: str) -> UploadJson:
    """Return the answer to a reservation: the same each time, whatever became of the upload since."""
    upload = made.upload
    shown = present_upload(upload, [])
    shown.state, shown.state_reason, shown.received = UploadState.REQUESTED.value, None, 0
    if upload.method is Method.MULTIPART and upload.size is not None and upload.part_size is not None:
        count = min(count_of(upload.size, upload.part_size), SHOWN_PARTS)
        shown.parts = uploads.targets.parts(upload, range(1, count + 1), base_url)
    elif upload.method is Method.PUT:
        shown.upload = uploads.targets.whole(upload, base_url)
    elif upload.method is Method.TUS:
        shown.upload = uploads.links.resumable(upload, base_url)
    shown.write_token, shown.read_token = made.write_token.reveal(), made.read_token.reveal()
    return shown


@get(
    "/uploads/{upload_id:str}",
    summary="Look at an upload",
    description="How it stands, and which parts are there. By its write or read token, its account or an API key.",
    operation_id="getUpload",
    operation_class=TokenOperation,
    cache_control=CacheControlHeader(no_store=True),
    responses=problems(401, 403, 404, 503),
)
async def get_upload(
    request: ApiRequest,
    uploads: NamedDependency[UploadsApi],
    upload_id: FromPath[str],
    read_token: Annotated[str | None, QueryParameter(name="token", description="The upload's read token.")] = None,
) -> UploadJson:
    """Return the upload."""
    record = await uploads.uploads.get(parse_upload_id(upload_id))
    if not await _may_look(request, uploads, record.upload, read_token):
        raise no_upload()
    record = await uploads.uploads.there(record)
    in_parts = record.upload.method is Method.MULTIPART
    shown = present_upload(record.upload, parts_there(record.parts) if in_parts else [])
    shown.received = max(shown.received, sum(part.size for part in record.parts))
    return shown


async def _may_look(request: ApiRequest, uploads: UploadsApi, upload: Upload, read_token: str | None) -> bool:
    token = parse_token(Purpose.READ, read_token or "")
    if token is not None and token.id == upload.id and token.matches(upload.read_token_hash):
        return True
    actor = await uploads.images.authenticator.actor(credentials_of(request))
    return owns(upload.as_image(), actor, write_token(request), Scope.IMAGES_READ)


@put(
    "/uploads/{upload_id:str}/content",
    request_max_body_size=None,
    status_code=200,
    summary="Send the bytes of an upload",
    description="To the address that the reservation was answered with, and with its headers: the address is the only"
    " credential. The answer has the `ETag` of what was stored.",
    operation_id="putUploadContent",
    operation_class=SendOperation,
    responses=problems(403, 404, 408, 409, 410, 422, 429, 503, 507),
)
async def put_content(
    request: ApiRequest, uploads: NamedDependency[UploadsApi], upload_id: FromPath[str]
) -> Response[Any]:
    """Store the bytes of an upload; they are safe when this answers."""
    async with receiving(request, uploads.images) as body:
        record, bound = await _linked(uploads, upload_id, whole_of)
        return await _receive(request, uploads, record, WHOLE, bound, body)


@put(
    "/uploads/{upload_id:str}/parts/{number:int}",
    request_max_body_size=None,
    status_code=200,
    summary="Send a part of an upload",
    description="To its address, which is the only credential; in any order, several at once, and again after a broken"
    " connection. The answer has the `ETag` of what was stored.",
    operation_id="putUploadPart",
    operation_class=SendOperation,
    responses=problems(403, 404, 408, 409, 410, 422, 429, 503, 507),
)
async def put_part(
    request: ApiRequest, uploads: NamedDependency[UploadsApi], upload_id: FromPath[str], number: FromPath[int]
) -> Response[Any]:
    """Store a part of an upload; it is safe when this answers."""
    async with receiving(request, uploads.images) as body:
        record, bound = await _linked(uploads, upload_id, lambda upload: part_of(upload, number))
        return await _receive(request, uploads, record, number, bound, body)


async def _linked(uploads: UploadsApi, upload_id: str, bind: Callable[[Upload], Bound]) -> tuple[UploadRecord, Bound]:
    """Return the upload that an address names, and what it is bound to; what is not there has no address of ours."""
    try:
        record = await uploads.uploads.get(parse_upload_id(upload_id))
        return record, bind(record.upload)
    except Problem as problem:
        if problem.code in {Code.NOT_FOUND, Code.CONFLICT, Code.UPLOAD_PARTS_INVALID}:
            raise link_invalid(NOT_OURS) from problem
        raise


async def _receive(
    request: ApiRequest, uploads: UploadsApi, record: UploadRecord, number: int, bound: Bound, body: RequestBody
) -> Response[Any]:
    await uploads.clock.refresh()
    uploads.links.check(bound, request.query_params, request.headers, now=uploads.clock.seconds())
    upload = record.upload
    caller, gate = Caller(upload.tenant, None, uploads.images.address(request)), uploads.images.gate
    if number in {part.number for part in record.parts}:  # once it was paid for by the reservation
        await gate.reserve(caller, bound.length)
    with gate.place(caller):
        part = await uploads.receive(upload, number, body.chunks(), length=bound.length, sha256=bound.sha256)
    return Response(b"", status_code=200, headers={"etag": f'"{part.etag}"', **UNSHARED}, media_type="text/plain")


@post(
    "/uploads/{upload_id:str}/parts",
    status_code=200,
    summary="Ask where parts go",
    description="The addresses of the parts with these numbers, a hundred at most.",
    operation_id="presignUploadParts",
    operation_class=PartsOperation,
    responses=problems(401, 403, 404, 408, 409, 410, 413, 422, 503),
)
async def presign_parts(
    request: ApiRequest, uploads: NamedDependency[UploadsApi], upload_id: FromPath[str]
) -> Response[UploadPartsJson]:
    """Return addresses of parts."""
    record = await uploads.uploads.get(parse_upload_id(upload_id))
    permit(await _change(request, uploads, record), record.upload)
    fields = Fields(await read_json(request, uploads.images.body_limits), "numbers")
    numbers = converted(fields.given.get("numbers"), list[int])
    if numbers is None or not 0 < len(numbers) <= SHOWN_PARTS:
        fields.wrong("numbers", f"From one to {SHOWN_PARTS} numbers of parts.")
    fields.done()
    base_url = uploads.images.base_url(request)
    parts = uploads.targets.parts(record.upload, numbers or (), base_url)
    return Response(UploadPartsJson(parts), headers=UNSHARED)


@post(
    "/uploads/{upload_id:str}/complete",
    status_code=200,
    summary="Complete an upload",
    description="Once this answers the upload is safe; its bytes are examined next, and the image ends as `ready` or"
    " `rejected`. May be repeated.",
    operation_id="completeUpload",
    operation_class=CompleteOperation,
    responses=problems(401, 403, 404, 408, 409, 410, 413, 422, 503),
)
async def complete_upload(
    request: ApiRequest, uploads: NamedDependency[UploadsApi], upload_id: FromPath[str]
) -> Response[ImageJson]:
    """Complete the upload and return its image."""
    api = uploads.images
    record = await uploads.uploads.get(parse_upload_id(upload_id))
    change = await _change(request, uploads, record)
    permit(change, record.upload)  # before the body is looked at, and again under the row's lock
    named = read_named(await read_json(request, api.body_limits))
    upload = await uploads.complete(change, named)
    api.records.forget((upload.id,))
    image, preferences = (await api.records.get(upload.ref)).image, parse_preferences(request.headers)
    image = await settled(api, image, preferences)
    shown = present_image(image, api.base_url(request), owner=True)
    return Response(shown, headers={**headers_of(image), **come_again(image), **preferences.applied})


class NamedPart(msgspec.Struct):
    """A part as its sender knows it."""

    number: int
    etag: str


def read_named(given: Mapping[str, Any]) -> list[tuple[int, str]] | None:
    """Return number and ETag of each part that the body names, None when it names none."""
    fields = Fields(given, "parts")
    if given.get("parts") is None:
        fields.done()
        return None
    parts = converted(given["parts"], list[NamedPart])
    if parts is None:
        raise invalid([*fields.errors, FieldError("parts", 'A list of {"number": …, "etag": "…"}.')])
    fields.done()
    return [(part.number, part.etag) for part in parts]


@delete(
    "/uploads/{upload_id:str}",
    status_code=204,
    summary="Abort an upload",
    description="What was sent is gone, and what was reserved is returned. May be repeated.",
    operation_id="abortUpload",
    operation_class=TokenOperation,
    responses=problems(401, 403, 404, 409, 503),
)
async def abort_upload(request: ApiRequest, uploads: NamedDependency[UploadsApi], upload_id: FromPath[str]) -> None:
    """Abort the upload."""
    record = await uploads.uploads.get(parse_upload_id(upload_id))
    change = await _change(request, uploads, record)
    aborted = await uploads.abort(change)
    uploads.images.records.forget((record.upload.id,))
    if not aborted:
        raise Problem(Code.CONFLICT, "This upload is an image by now. Delete the image instead.")


async def _change(request: ApiRequest, uploads: UploadsApi, record: UploadRecord) -> ChangeRequest:
    """Return the wish to go on with the upload, with what the caller shows; whether they may is the story's to say."""
    api, upload = uploads.images, record.upload
    return ChangeRequest(
        tenant=upload.tenant,
        image_id=upload.id,
        actor=await api.authenticator.actor(credentials_of(request)),
        token=write_token(request),
        address=api.authenticator.noted(api.address(request)),
    )


def upload_routes(api: UploadsApi) -> Router:
    """Return the routes of uploads."""
    return Router(
        path="/api/v1",
        route_handlers=[
            *(create_upload, get_upload, abort_upload),
            *(put_content, put_part, presign_parts, complete_upload),
        ],
        dependencies={"uploads": Provide(lambda: api, sync_to_thread=False)},
        tags=["Uploads"],
    )
