"""`/api/v1/keys`: API keys. A secret is shown once, in the answer that makes its key."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.db.api_keys import ApiKey
from tintype.domain.actor import EVERY_SCOPE, Actor, Scope
from tintype.domain.api_key import MAX_KEY_NAME_CHARACTERS
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, KEY_PREFIX, BadId, base62, parse_public_id, public_id
from tintype.domain.tokens import Purpose
from tintype.reads.api_keys import ApiKeys
from tintype.usecases.create_api_key import CreateApiKey, RepeatableKey, WantedKey
from tintype.usecases.revoke_api_key import RevokeApiKey
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.idempotency import REPLAYED, attempt_of, text_of
from tintype.web.image_fields import check_expires_at, check_text, invalid
from tintype.web.image_json import utc_time
from tintype.web.openapi import RepeatableCreation, problems

ApiRequest = Request[Any, Any, AppState]

_UNSHARED: Final = {"cache-control": "no-store"}
_ABOVE_ALL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class KeysApi:
    """What the handlers work with."""

    authenticator: Authenticator
    proxies: Proxies
    keys: ApiKeys
    create_key: CreateApiKey
    revoke_key: RevokeApiKey

    async def asking(self, request: ApiRequest) -> tuple[Actor, Requester]:
        """Return who asks; `Problem` auth.required for nobody."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Keys are somebody's. Sign in, or send an API key as Bearer.")
        return caller.actor, caller.requester


class KeyJson(msgspec.Struct, kw_only=True):
    """A key. `prefix` is what its text begins with; `account` is null for a key of the tenant itself."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    account: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewKeyJson(KeyJson, kw_only=True):
    """A key that was just made. `secret` is shown here and never again."""

    secret: str


class KeyListJson(msgspec.Struct, kw_only=True):
    """Keys, newest first; `next` is the cursor of those after them, null at the end."""

    items: list[KeyJson]
    next: str | None


class KeyWanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A key to make. `owner`: your account's, as it is when nothing is said, or the tenant's (for its operator)."""

    name: str
    scopes: list[str]
    expires_at: str | None = None
    owner: Literal["account", "tenant"] | None = None


def present_key(key: ApiKey) -> KeyJson:
    """Return the key's JSON, which tells nothing of its secret."""
    return KeyJson(
        id=public_id(KEY_PREFIX, key.id),
        name=key.name,
        prefix=Purpose.API_KEY + base62(key.id),
        scopes=sorted(key.scopes),
        account=public_id(ACCOUNT_PREFIX, key.account) if key.account is not None else None,
        created_at=utc_time(key.created_at),
        expires_at=utc_time(key.expires_at) if key.expires_at is not None else None,
        last_used_at=utc_time(key.last_used_at) if key.last_used_at is not None else None,
    )


@get("/keys", operation_id="listKeys", summary="List API keys, newest first", responses=problems(401, 403, 503))
async def list_keys(
    request: ApiRequest,
    api: NamedDependency[KeysApi],
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many, from 1 to 100.")] = 30,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[KeyListJson]:
    """Return one's own keys; the tenant's, too, to its operator and to its own keys. Revoked ones are not shown."""
    actor, _ = await api.asking(request)
    page = await api.keys.page(actor, before=_before(cursor), limit=limit)
    following = public_id(KEY_PREFIX, page.keys[-1].id) if page.more else None
    return Response(KeyListJson(items=[present_key(key) for key in page.keys], next=following), headers=_UNSHARED)


def _before(cursor: str | None) -> int:
    try:
        return parse_public_id(KEY_PREFIX, cursor) if cursor is not None else _ABOVE_ALL
    except BadId as error:
        message = "This cursor is none. Take the one that `next` of a list gave you."
        raise Problem(Code.REQUEST_UNREADABLE, message) from error


@post(
    "/keys",
    status_code=201,
    operation_id="createKey",
    operation_class=RepeatableCreation,
    summary="Make an API key",
    description="The answer shows the `secret`, once. A key is given no scope that its maker lacks.",
    responses=problems(401, 403, 409, 422, 503),
)
async def create_key(request: ApiRequest, api: NamedDependency[KeysApi], data: KeyWanted) -> Response[NewKeyJson]:
    """Make a key and show its secret."""
    actor, by = await api.asking(request)
    made = await api.create_key(actor, _wanted(actor, data), by, _repeatable(request, actor, data))
    if made.key is not None:
        shown, headers = present_key(made.key), _UNSHARED
    else:
        shown = msgspec.json.decode(made.answer or "", type=KeyJson)
        headers = {**_UNSHARED, **REPLAYED}
    answer = NewKeyJson(**msgspec.structs.asdict(shown), secret=made.token.reveal())
    return Response(answer, headers={**headers, "location": f"/api/v1/keys/{shown.id}"})


def _wanted(actor: Actor, data: KeyWanted) -> WantedKey:
    errors: list[FieldError] = []
    name = check_text("name", data.name, MAX_KEY_NAME_CHARACTERS, errors)
    if name is None:
        errors.append(FieldError("name", "A key has a name, such as the program that will use it."))
    unknown = [scope for scope in data.scopes if scope not in EVERY_SCOPE]
    if unknown or not data.scopes:
        known = ", ".join(sorted(EVERY_SCOPE))
        said = f"There is no scope {unknown[0][:40]!r}" if unknown else "A key has at least one scope"
        errors.append(FieldError("scopes", f"{said}; there are {known}."))
    expires_at = check_expires_at(data.expires_at, errors) if data.expires_at is not None else None
    if data.owner == "account" and actor.account is None:
        errors.append(FieldError("owner", "A key of the tenant has no account; leave `owner` out."))
    if errors or name is None:
        raise invalid(errors)
    account = None if data.owner == "tenant" else actor.account
    return WantedKey(name, frozenset(map(Scope, data.scopes)), account, expires_at)


def _repeatable(request: ApiRequest, actor: Actor, data: KeyWanted) -> RepeatableKey | None:
    attempt = attempt_of(request.headers, actor, "POST /keys", msgspec.to_builtins(data))
    return RepeatableKey(attempt, text_of(request.headers), _as_text) if attempt is not None else None


def _as_text(key: ApiKey) -> str:
    return msgspec.json.encode(present_key(key)).decode()


@get(
    "/keys/{key_id:str}",
    operation_id="getKey",
    summary="Look at an API key",
    responses=problems(401, 403, 404, 503),
)
async def get_key(request: ApiRequest, api: NamedDependency[KeysApi], key_id: FromPath[str]) -> Response[KeyJson]:
    """Return the key without its secret."""
    actor, _ = await api.asking(request)
    return Response(present_key(await api.keys.get(actor, _key_id(key_id))), headers=_UNSHARED)


@delete(
    "/keys/{key_id:str}",
    status_code=204,
    operation_id="revokeKey",
    summary="Revoke an API key",
    responses=problems(401, 403, 404, 503),
)
async def revoke_key(request: ApiRequest, api: NamedDependency[KeysApi], key_id: FromPath[str]) -> None:
    """Have the key open nothing from now on."""
    actor, by = await api.asking(request)
    actor.need(Scope.KEYS)
    await api.revoke_key(actor, _key_id(key_id), by)


def _key_id(text: str) -> int:
    try:
        return parse_public_id(KEY_PREFIX, text)
    except BadId as error:
        message = "There is no such key; an id looks like key_ and 11 letters and digits."
        raise Problem(Code.NOT_FOUND, message) from error


def key_routes(api: KeysApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[list_keys, create_key, get_key, revoke_key],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Keys"],
    )
