"""`/api/v1/tus`: resumable uploads by tus 1.0.0. What the protocol says is decided in `domain/tus/`.

The address of an upload is its credential: its last word has 128 bits that derive from the server's key, and opens that
one upload, for bytes and for giving up; so a backend may begin one and hand it to a browser. Who begins one shows the
same as at every other door.
"""

from dataclasses import dataclass
from typing import Final

from litestar import HttpMethod, Response, Router, delete, get, patch, post, route
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.domain.actor import Actor
from tintype.domain.change import ChangeRequest
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.tokens import Purpose, derive_token, is_derived, parse_token
from tintype.domain.tus.appending import Append, permit, read_append
from tintype.domain.tus.concatenation import Partial, Whole
from tintype.domain.tus.creation import Creation, read_creation
from tintype.domain.tus.protocol import VERSION, announcement, method_meant, read_number, refuse_other_version
from tintype.domain.tus.status import progress_headers, status_headers
from tintype.domain.upload import Upload, no_upload
from tintype.reads.tenants import TenantSettings
from tintype.reads.tus_uploads import Found, TusUploads
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.append_bytes import AppendBytes, Appending
from tintype.usecases.concatenate_uploads import ConcatenateUploads
from tintype.usecases.note_tus_upload import NoteTusUpload
from tintype.usecases.reserve_upload import Reserved, ReserveUpload
from tintype.web.app import ADDED_KEY
from tintype.web.auth import Caller
from tintype.web.body import AFTER_ANSWER_KEY, RequestBody
from tintype.web.idempotency import key_of, replayed
from tintype.web.images_api import UNSHARED, ApiRequest, ImagesApi
from tintype.web.openapi import RepeatableCreation, problems
from tintype.web.rate_limit_fields import rate_limit_headers
from tintype.web.receiving import receiving
from tintype.web.tus_fields import part_reservation, reservation_of
from tintype.web.upload_gate import refuse_stranger
from tintype.web.upload_json import UploadJson, UploadTargetJson, present_upload
from tintype.web.upload_links import RESUMABLE_PREFIX, UploadLinks

_DIGESTS: Final = frozenset({"content-digest", "repr-digest", "content-md5"})


@dataclass(frozen=True, slots=True)
class TusApi:
    """What the handlers work with."""

    images: ImagesApi
    found: TusUploads
    reserve: ReserveUpload
    note: NoteTusUpload
    append: AppendBytes
    concatenate: ConcatenateUploads
    abort: AbortUpload
    links: UploadLinks
    server_key: bytes

    def named(self, name: str) -> int:
        """Return the upload that the last word of an address names; `Problem` not_found for what we never gave."""
        token = parse_token(Purpose.RESUME, name)
        if token is None or not is_derived(self.server_key, token):
            raise no_upload()
        return token.id

    def wish(self, upload: Upload) -> ChangeRequest:
        """Return the wish of whoever has the address, which stands for the upload's write token."""
        token = derive_token(self.server_key, Purpose.WRITE, upload.id)
        return ChangeRequest(tenant=upload.tenant, image_id=upload.id, token=token)


@route(
    ["/", "/{upload_name:str}"],
    http_method=[HttpMethod.OPTIONS],
    status_code=204,
    summary="Ask what of tus is spoken",
    include_in_schema=False,
)
async def describe(request: ApiRequest, tus: NamedDependency[TusApi]) -> Response[None]:
    """Return version, extensions and limits."""
    api = tus.images
    tenant = await api.tenants.get(await api.authenticator.tenant_of(request.headers))
    return Response(None, status_code=204, headers=announcement(_longest(tenant)))


@post(
    "/",
    request_max_body_size=None,
    status_code=201,
    summary="Begin a resumable upload",
    description="By tus 1.0.0, whose headers https://tus.io/protocols/resumable-upload tells. `Location` is where its"
    " bytes go, and the only credential that they need.",
    operation_id="createTusUpload",
    operation_class=RepeatableCreation,
    responses=problems(401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 429, 460, 503, 507),
)
async def begin(request: ApiRequest, tus: NamedDependency[TusApi]) -> Response[UploadJson]:
    """Reserve an upload, take the bytes that come along, and make one of parts if that is asked for."""
    api = tus.images
    async with receiving(request, api) as body:
        _speak(request)
        caller = await api.caller(request)
        tenant = await api.tenants.get(caller.tenant)
        refuse_stranger(tenant, caller)
        creation = read_creation(request.headers, collection=RESUMABLE_PREFIX, max_size=_longest(tenant))
        if isinstance(creation.concat, Whole):
            made, allowances = await _made_of_parts(request, tus, caller, tenant, creation, creation.concat)
        else:
            made, allowances = await _reserved(request, tus, caller, tenant, creation)
        if creation.with_bytes and made.repeated and made.upload.received:  # they came with an earlier attempt
            request.scope["state"][AFTER_ANSWER_KEY] = body.drain
        elif creation.with_bytes:
            partial = isinstance(creation.concat, Partial)
            wish = _appending(
                made.upload, tenant, Append(0, body.declared, None, creation.checksum), request, partial=partial
            )
            await _append(tus, wish, caller, body)
    now = await tus.found.get(made.upload.tenant, made.upload.id)
    target = tus.links.resumable(made.upload, api.base_url(request))
    headers = {"location": target.url, **UNSHARED, **progress_headers(now.status), **allowances}
    return Response(_announced(made, now, target), headers=headers)


async def _reserved(
    request: ApiRequest, tus: TusApi, caller: Caller, tenant: TenantSettings, creation: Creation
) -> tuple[Reserved, dict[str, str]]:
    """Reserve the upload, and write down what the client said, which HEAD repeats."""
    read = part_reservation if isinstance(creation.concat, Partial) else reservation_of
    reservation = read(creation, tenant.kinds, caller)
    standings = await tus.images.gate.reserve(
        caller, reservation.size or read_number(request.headers, "Content-Length")
    )
    headers, of_parts = request.headers, isinstance(creation.concat, Whole)
    key = None if of_parts else key_of(headers, caller)  # a whole is known by its parts
    made = await tus.reserve(reservation, key)
    await tus.note(made.upload, headers.get("upload-metadata", ""), headers.get("upload-concat", "").strip())
    return made, {**rate_limit_headers(standings), **replayed(again=made.repeated)}


async def _made_of_parts(
    request: ApiRequest, tus: TusApi, caller: Caller, tenant: TenantSettings, creation: Creation, whole: Whole
) -> tuple[Reserved, dict[str, str]]:
    """Make an upload of parts, or return the one that was made of them before."""
    parts = [tus.named(name) for name in whole.names]
    kind = reservation_of(creation, tenant.kinds, caller).kind
    before = await tus.concatenate.made_of(caller.tenant, parts, kind)
    if before is not None and before.actor != _as_known_later(caller):  # its tokens are for who made it
        raise no_upload()
    if before is not None:
        write, read = (derive_token(tus.server_key, purpose, before.id) for purpose in (Purpose.WRITE, Purpose.READ))
        return Reserved(before, write, read, repeated=True), {}
    made, allowances = await _reserved(request, tus, caller, tenant, creation)
    try:
        await tus.concatenate(made.upload, parts)
    except Problem:
        await tus.abort(tus.wish(made.upload))
        raise
    return made, allowances


def _as_known_later(caller: Caller) -> Actor | None:
    """Return the caller as an upload's row will have them (`Upload.actor`)."""
    return Actor(caller.tenant, caller.actor.key, caller.actor.account) if caller.actor is not None else None


def _announced(made: Reserved, now: Found, target: UploadTargetJson) -> UploadJson:
    """Return the upload with its tokens: those who began it without an account have nothing else."""
    shown = present_upload(now.upload, [])
    shown.upload = target
    shown.write_token, shown.read_token = made.write_token.reveal(), made.read_token.reveal()
    return shown


@get(
    "/{upload_name:str}",
    summary="Ask where a resumable upload stands",
    description="By HEAD: `Upload-Offset` is how many bytes are safely there; `Tintype-Image` what became of them.",
    operation_id="lookAtTusUpload",
    responses=problems(404, 403, 410, 412, 503),
)
async def look(request: ApiRequest, tus: NamedDependency[TusApi], upload_name: FromPath[str]) -> Response[None]:
    """Return where it stands; what a connection that broke has left counts."""
    _speak(request)
    return await _look(tus, upload_name)


async def _look(tus: TusApi, name: str) -> Response[None]:
    upload = tus.named(name)
    found = await tus.found.settled(await _tenant_of(tus, upload), upload)
    return Response(None, status_code=200, headers=status_headers(found.status), media_type="text/plain")


@patch(
    "/{upload_name:str}",
    request_max_body_size=None,
    status_code=204,
    summary="Send bytes of a resumable upload",
    description="From `Upload-Offset` on. With the last byte the upload is complete, and its image is in work.",
    operation_id="appendToTusUpload",
    responses=problems(401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 429, 460, 503, 507),
)
async def append(request: ApiRequest, tus: NamedDependency[TusApi], upload_name: FromPath[str]) -> Response[None]:
    """Receive bytes; what came in counts even if not all of them did."""
    async with receiving(request, tus.images) as body:
        _speak(request)
        return await _appended(request, tus, upload_name, body)


async def _appended(request: ApiRequest, tus: TusApi, name: str, body: RequestBody) -> Response[None]:
    upload = tus.named(name)
    tenant_id = await _tenant_of(tus, upload)
    wanted = read_append(request.headers)
    found = await tus.found.get(tenant_id, upload)
    tenant = await tus.images.tenants.get(tenant_id)
    wish = _appending(found.upload, tenant, wanted, request, partial=found.partial)
    if found.stand.final:
        permit(found.stand, wanted, max_size=wish.max_size)
    caller = Caller(tenant_id, found.upload.actor, tus.images.address(request))
    if found.upload.size is None and found.stand.offset == wanted.offset:
        news = wanted.length - wanted.offset if wanted.length is not None else wanted.size or 0
        await tus.images.gate.go_on(caller, max(0, news))
    if found.tus.held:
        await tus.append.make_way(wish)
    await _append(tus, wish, caller, body)
    now = await tus.found.get(tenant_id, upload)
    return Response(None, status_code=204, headers=progress_headers(now.status))


async def _append(tus: TusApi, wish: Appending, caller: Caller, body: RequestBody) -> None:
    with tus.images.gate.place(caller):
        await tus.append(wish, body.chunks())


@delete(
    "/{upload_name:str}",
    status_code=204,
    summary="Give a resumable upload up",
    description="What was sent is gone, and what was reserved is returned.",
    operation_id="terminateTusUpload",
    responses=problems(403, 404, 409, 410, 412, 503),
)
async def terminate(request: ApiRequest, tus: NamedDependency[TusApi], upload_name: FromPath[str]) -> Response[None]:
    """Abort the upload."""
    _speak(request)
    return await _terminate(tus, upload_name)


async def _terminate(tus: TusApi, name: str) -> Response[None]:
    upload = tus.named(name)
    tenant = await _tenant_of(tus, upload)
    found = await tus.found.get(tenant, upload)
    aborted = await tus.abort(tus.wish(found.upload))
    tus.images.records.forget((upload,))
    if not aborted:
        raise Problem(Code.CONFLICT, "This upload is an image by now. Delete the image instead.")
    return Response(None, status_code=204)


@post(
    "/{upload_name:str}",
    request_max_body_size=None,
    status_code=200,
    summary="HEAD, PATCH or DELETE of a resumable upload",
    description="For clients whose proxies let nothing but POST through: `X-HTTP-Method-Override` says what is meant.",
    operation_id="overrideTusMethod",
    responses=problems(401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 429, 460, 503, 507),
)
async def overridden(request: ApiRequest, tus: NamedDependency[TusApi], upload_name: FromPath[str]) -> Response[None]:
    """Do what X-HTTP-Method-Override says."""
    async with receiving(request, tus.images) as body:
        _speak(request)
        meant = method_meant(request.method, request.headers)
        if meant == "PATCH":
            return await _appended(request, tus, upload_name, body)
        if meant == "HEAD":
            return await _look(tus, upload_name)
        if meant == "DELETE":
            return await _terminate(tus, upload_name)
    raise Problem(Code.METHOD_NOT_ALLOWED, "POST begins an upload at the address without a name. Send PATCH here.")


def _speak(request: ApiRequest) -> None:
    """Say in the answer, whatever it will be, which version we speak; `Problem` when the client speaks another."""
    added: list[tuple[bytes, bytes]] = request.scope["state"][ADDED_KEY]
    added.append((b"tus-resumable", VERSION.encode()))
    try:
        refuse_other_version(request.headers)
    except Problem:
        added.append((b"tus-version", VERSION.encode()))
        raise


async def _tenant_of(tus: TusApi, upload: int) -> int:
    tenant = await tus.found.tenant_of(upload)
    (await tus.images.tenants.get(tenant)).refuse_if_suspended()
    return tenant


def _appending(
    upload: Upload, tenant: TenantSettings, wanted: Append, request: ApiRequest, *, partial: bool = False
) -> Appending:
    kind = None if partial else _kind(upload, tenant)
    return Appending(
        tenant=upload.tenant,
        upload=upload.id,
        append=wanted,
        kind=kind,
        max_size=kind.limits.max_bytes if kind is not None else _longest(tenant),
        all_or_nothing=wanted.checksum is not None or any(name in request.headers for name in _DIGESTS),
    )


def _kind(upload: Upload, tenant: TenantSettings) -> UploadKind:
    kind = tenant.kinds.get(upload.kind)
    if kind is None:
        raise Problem(Code.CONFLICT, f"There is no kind {upload.kind!r} any more. Begin a new upload of another kind.")
    return kind


def _longest(tenant: TenantSettings) -> int:
    return max(kind.limits.max_bytes for kind in tenant.kinds.values())


def tus_routes(api: TusApi) -> Router:
    """Return the routes of resumable uploads."""
    return Router(
        path=RESUMABLE_PREFIX,
        route_handlers=[describe, begin, look, append, terminate, overridden],
        dependencies={"tus": Provide(lambda: api, sync_to_thread=False)},
        tags=["Uploads"],
    )
