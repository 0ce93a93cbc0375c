"""`DELETE /account`, and `GET /account-deletions/{id}`: leaving, and the receipt of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, Router, delete, get
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.db.account_deletions import DeletionCause
from tintype.domain.actor import Scope
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.ids import DELETION_PREFIX, WIDTH, BadId, base62, from_base62, public_id
from tintype.domain.tokens import Purpose, derive_token, parse_token
from tintype.reads.account_deletions import AccountDeletions, DeletionReceipt
from tintype.usecases.delete_account import DeleteAccount
from tintype.web.auth import SESSION_COOKIE, Authenticator, Caller, Credentials
from tintype.web.client_address import Proxies
from tintype.web.image_json import utc_time
from tintype.web.image_receipt import ReceiptJson, present_receipt
from tintype.web.openapi import DeletionOperation, problems

ApiRequest = Request[Any, Any, AppState]

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 30

MAX_SECRET_CHARACTERS: Final = 1_000
"""Of a password or a code that is sent: nobody's is longer, and looking at it costs."""

_UNSHARED: Final = {"cache-control": "no-store"}
_NO_COOKIE: Final = {"set-cookie": f"{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"}

Prove = Callable[[Caller, str | None, str | None], Awaitable[None]]
"""Raises `Problem` unless password or code, or a sign-in just now, show that the caller is who owns the account."""


class ProofOfSelfJson(msgspec.Struct, kw_only=True):
    """Who it is, once more: the account's password, or a code of its app."""

    password: str | None = None
    totp: str | None = None


class LeavingJson(msgspec.Struct, kw_only=True):
    """A deletion. `removed` are rows by what they were; `held` are images that a legal hold keeps out of sight.

    `token` reads the receipt later: it is given once, and nobody can sign in to ask for it again.
    """

    id: str
    state: Literal["under_way", "done"]
    cause: Literal["request", "operator", "journal"]
    requested_at: str
    finished_at: str | None
    images_purged: int
    removed: dict[str, int]
    held: list[str]
    token: str | msgspec.UnsetType = msgspec.UNSET


class DeletionReceiptJson(LeavingJson, kw_only=True):
    """A deletion with the receipts of its images; `next` is the cursor of those after them, null at the end."""

    images: list[ReceiptJson]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeletionApi:
    """What the handlers work with."""

    delete_account: DeleteAccount
    deletions: AccountDeletions
    prove: Prove
    authenticator: Authenticator
    proxies: Proxies
    server_key: bytes = field(repr=False)
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


@delete(
    "/account",
    status_code=202,
    summary="Delete your account",
    description="For good, and at once: nobody can sign in any more and nothing of it is shown; then its images are "
    "purged. Show once more who you are: with a `password`, a `totp` code, or a sign-in just now.",
    operation_id="deleteAccount",
    responses=problems(401, 403, 413, 422, 429, 503),
)
async def delete_account(
    request: ApiRequest, api: NamedDependency[DeletionApi], data: ProofOfSelfJson | None = None
) -> Response[LeavingJson]:
    """Delete the caller's account."""
    caller, account = await api.owner(request)
    given = data or ProofOfSelfJson()
    await api.prove(caller, _short("password", given.password), _short("totp", given.totp))
    token = derive_token(api.server_key, Purpose.DELETION, account)
    await api.delete_account(
        tenant=caller.tenant, account=account, by=caller.requester, cause=DeletionCause.REQUEST, token=token
    )
    shown = LeavingJson(**_leaving(await api.deletions.of(caller.tenant, account)), token=token.reveal())
    location = {"location": f"{api.base_url(request)}/api/v1/account-deletions/{shown.id}"}
    return Response(shown, status_code=202, headers={**_UNSHARED, **_NO_COOKIE, **location})


@get(
    "/account-deletions/{deletion:str}",
    summary="What the deletion of an account removed",
    description="With the `token` of its answer as `Deletion-Token`, or for the operator.",
    operation_id="getAccountDeletion",
    operation_class=DeletionOperation,
    responses=problems(401, 404, 503),
)
async def get_account_deletion(
    request: ApiRequest,
    api: NamedDependency[DeletionApi],
    deletion: FromPath[str],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many images.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[DeletionReceiptJson]:
    """Return the receipt."""
    actor = await api.authenticator.actor(Credentials.of(request.headers, request.method))
    token = parse_token(Purpose.DELETION, request.headers.get("deletion-token", ""))
    account, after = _account(deletion), _after(cursor)
    found = await api.deletions.get(account, actor=actor, token=token, after=after, limit=limit)
    images = [present_receipt(each.ref, each.purge, api.base_url(request)) for each in found.page]
    following = base62(found.next) if found.next is not None else None
    shown = DeletionReceiptJson(**_leaving(found), images=images, next=following)
    return Response(shown, headers=_UNSHARED)


def _leaving(found: DeletionReceipt) -> dict[str, Any]:
    deletion = found.deletion
    return {
        "id": public_id(DELETION_PREFIX, deletion.account),
        "state": "under_way" if deletion.finished_at is None else "done",
        "cause": deletion.cause.value,
        "requested_at": utc_time(deletion.requested_at),
        "finished_at": utc_time(deletion.finished_at) if deletion.finished_at is not None else None,
        "images_purged": found.purged,
        "removed": dict(deletion.removed),
        "held": [str(ref) for ref in found.kept],
    }


def _account(text: str) -> int:
    digits = text.removeprefix(DELETION_PREFIX)
    try:
        number = from_base62(digits) if text.startswith(DELETION_PREFIX) and len(digits) == WIDTH else 1 << 63
    except BadId:
        number = 1 << 63
    if number >= 1 << 63:
        raise Problem(Code.NOT_FOUND, "There is no such receipt; an id looks like del_ and 11 letters and digits.")
    return number


def _after(cursor: str | None) -> int:
    try:
        after = from_base62(cursor) if cursor is not None and len(cursor) == WIDTH else (0 if cursor is None else -1)
    except BadId:
        after = -1
    if not 0 <= after < 1 << 63:
        raise Problem(Code.REQUEST_UNREADABLE, "This cursor is none. Take the one that `next` of a page gave you.")
    return after


def _short(name: str, value: str | None) -> str | None:
    if value is not None and len(value) > MAX_SECRET_CHARACTERS:
        error = FieldError(name, f"At most {MAX_SECRET_CHARACTERS} characters.")
        raise Problem(Code.REQUEST_INVALID, "A field is not right.", errors=(error,))
    return value


def deletion_routes(api: DeletionApi) -> Router:
    """Return the routes of leaving."""
    return Router(
        path="/api/v1",
        route_handlers=[delete_account, get_account_deletion],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Account"],
    )
