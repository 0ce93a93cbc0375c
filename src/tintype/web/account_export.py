"""`/account/export`: asking for everything that is kept of oneself, how far it is, and the file."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.response import Stream

from tintype.db.account_exports import Export, ExportState
from tintype.db.audit import record
from tintype.domain.actor import Scope
from tintype.domain.audit import Action, Entry, account_object
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import public_id
from tintype.domain.keys import export_key
from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed
from tintype.reads.account_exports import AccountExports
from tintype.usecases.export_account import ExportAccount
from tintype.web.auth import Authenticator, Caller
from tintype.web.client_address import Proxies
from tintype.web.conditional import ByteRange, Unsatisfiable, parse_range
from tintype.web.idempotency import attempt_of, replayed
from tintype.web.image_json import utc_time
from tintype.web.openapi import ExportFileOperation, RepeatableCreation, problems

ApiRequest = Request[Any, Any, AppState]

EXPORT_PREFIX: Final = "exp_"
FILE_PATH: Final = "/api/v1/account/export/file"

_UNSHARED: Final = {"cache-control": "no-store"}


class ExportJson(msgspec.Struct, kw_only=True):
    """An export. `url` is where its owner can have the file, signed in, until `expires_at`; null until it is ready."""

    id: str
    state: Literal["waiting", "running", "ready", "failed"]
    images_done: int
    images_total: int
    bytes: int | None
    requested_at: str
    finished_at: str | None
    expires_at: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class ExportApi:
    """What the handlers work with."""

    export_account: ExportAccount
    exports: AccountExports
    blobs: BlobStore
    authenticator: Authenticator
    proxies: Proxies
    public_url: str | None

    def base_url(self, request: ApiRequest) -> str:
        """Return where clients reach us: as configured, else as this one did."""
        return self.public_url or f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"

    async def owner(self, request: ApiRequest) -> tuple[Caller, int]:
        """Return who asks, and their account; `Problem` for whoever has none."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "This is about your account. Sign in first.")
        caller.actor.need(Scope.ACCOUNT)
        if caller.actor.account is None:
            raise Problem(Code.AUTH_FORBIDDEN, "This is about an account, and a tenant's key has none. Sign in.")
        return caller, caller.actor.account


@post(
    "/account/export",
    status_code=202,
    summary="Ask for everything that is kept of you",
    description="A zip with your originals and what is recorded, made by a job: one at a time, there for a week.",
    operation_id="exportAccount",
    operation_class=RepeatableCreation,
    responses=problems(401, 403, 409, 503),
)
async def export_account(request: ApiRequest, api: NamedDependency[ExportApi]) -> Response[ExportJson]:
    """Begin an export, or return the one that is under way."""
    caller, account = await api.owner(request)
    attempt = attempt_of(request.headers, caller, "POST /account/export", {})
    asked = await api.export_account.request(
        tenant=caller.tenant, account=account, by=caller.requester, attempt=attempt
    )
    location = {"location": f"{api.base_url(request)}/api/v1/account/export"}
    headers = {**_UNSHARED, **location, **replayed(again=asked.again)}
    return Response(_present(asked.export, api.base_url(request)), status_code=202, headers=headers)


@get(
    "/account/export",
    summary="How far your export is, and where",
    operation_id="getExport",
    responses=problems(401, 403, 404, 503),
)
async def get_export(request: ApiRequest, api: NamedDependency[ExportApi]) -> Response[ExportJson]:
    """Return the export that was asked for last."""
    caller, account = await api.owner(request)
    export = await api.exports.of(caller.tenant, account)
    return Response(_present(export, api.base_url(request)), headers=_UNSHARED)


@get(
    "/account/export/file",
    summary="Download your export",
    description="One range may be asked for, so that a download that was cut off goes on.",
    operation_id="downloadExport",
    operation_class=ExportFileOperation,
    responses=problems(401, 403, 404, 409, 416, 503),
)
async def download_export(request: ApiRequest, api: NamedDependency[ExportApi]) -> Response[bytes]:
    """Return the file."""
    caller, account = await api.owner(request)
    export = await api.exports.of(caller.tenant, account)
    if export.state is not ExportState.READY or export.size is None:
        raise Problem(Code.CONFLICT, "The export is not ready yet. Look how far it is, and come again.")
    wanted = _range(request.headers.get("range"), export.size)
    start, length = (wanted.start, wanted.length) if wanted is not None else (0, export.size)
    try:
        chunks = await api.blobs.read(export_key(caller.tenant, account, export.id), offset=start, length=length)
    except BlobMissing as error:
        raise Problem(Code.NOT_FOUND, "The file of this export is gone. Ask for another one.") from error
    except BlobStoreFailed as error:
        raise Problem(Code.UNAVAILABLE, "The file cannot be read right now. Try again.", retry_after=5) from error
    if start == 0:
        async with api.exports.database.transaction(caller.tenant) as connection:
            named = account_object(account)
            entry = Entry(action=Action.EXPORT_DOWNLOADED, by=caller.requester, account=account, object=named)
            await record(connection, entry)
    headers = {
        **_UNSHARED,
        "content-length": str(length),
        "content-disposition": 'attachment; filename="tintype-export.zip"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    if wanted is not None:
        headers["content-range"] = f"bytes {wanted.start}-{wanted.end}/{export.size}"
    status = 206 if wanted is not None else 200
    return cast("Response[bytes]", Stream(chunks, status_code=status, headers=headers, media_type="application/zip"))


def _range(value: str | None, size: int) -> ByteRange | None:
    """Return the range that is asked for, None for all of it; `Problem` request.range for one that there is not."""
    try:
        return parse_range(value, size) if value is not None else None
    except Unsatisfiable as error:
        message = f"The file has {size:,} bytes; ask for one range of them."
        raise Problem(Code.REQUEST_RANGE, message) from error


def _present(export: Export, base_url: str) -> ExportJson:
    return ExportJson(
        id=public_id(EXPORT_PREFIX, export.id),
        state=export.state.value,
        images_done=export.images_done,
        images_total=export.images_total,
        bytes=export.size,
        requested_at=utc_time(export.requested_at),
        finished_at=utc_time(export.finished_at) if export.finished_at is not None else None,
        expires_at=utc_time(export.expires_at) if export.expires_at is not None else None,
        url=base_url + FILE_PATH if export.state is ExportState.READY else None,
    )


def export_routes(api: ExportApi) -> Router:
    """Return the routes of exports."""
    return Router(
        path="/api/v1",
        route_handlers=[export_account, get_export, download_export],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Account"],
    )
