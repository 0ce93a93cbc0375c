"""`/api/v1/signing-keys`: the keys that a tenant's addresses are signed with, for its operator."""

import base64
from dataclasses import dataclass

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.signing import KeyState
from tintype.storage.signing_keys import SigningKeys
from tintype.usecases.retire_signing_key import RetireSigningKey
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.idempotency import attempt_of, replayed
from tintype.web.image_json import utc_time
from tintype.web.images_api import UNSHARED
from tintype.web.openapi import RepeatableCreation, problems

ApiRequest = Request[object, object, AppState]


@dataclass(frozen=True, slots=True)
class SigningKeysApi:
    """What the handlers work with."""

    keys: SigningKeys
    retire: RetireSigningKey
    authenticator: Authenticator
    proxies: Proxies

    async def operator(self, request: ApiRequest) -> tuple[Actor, Requester]:
        """Return who asks; `Problem` for whoever is not the tenant's operator."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Signing keys are the operator's. Send an API key as Bearer, or sign in.")
        caller.actor.need_all(Scope.TENANT)
        return caller.actor, caller.requester


class SigningKeyJson(msgspec.Struct, kw_only=True):
    """A valid key. `signing`: new addresses are signed with it; `verifying`: what it signed still opens."""

    kid: str
    state: KeyState
    created_at: str


class NewSigningKeyJson(SigningKeyJson, kw_only=True):
    """A key with its secret (32 bytes, base64url without padding), which is shown in this answer alone."""

    secret: str


class SigningKeyListJson(msgspec.Struct):
    """The valid keys, the one that signs first; none before the first address was signed."""

    items: list[SigningKeyJson]


@get(
    "/signing-keys",
    operation_id="listSigningKeys",
    summary="List the keys that sign addresses",
    responses=problems(401, 403, 503),
)
async def list_signing_keys(request: ApiRequest, api: NamedDependency[SigningKeysApi]) -> Response[SigningKeyListJson]:
    """Return the tenant's valid keys."""
    actor, _ = await api.operator(request)
    rows = await api.keys.listed(actor.tenant)
    return Response(
        SigningKeyListJson(
            [SigningKeyJson(kid=row.kid, state=row.state, created_at=utc_time(row.created_at)) for row in rows]
        ),
        headers=UNSHARED,
    )


@post(
    "/signing-keys",
    status_code=201,
    operation_id="rotateSigningKey",
    operation_class=RepeatableCreation,
    summary="Make the key that signs from now on",
    description="The one before it goes on verifying what it signed, until it is retired or another one is made: two "
    "are valid at most. Known everywhere within five seconds.",
    responses=problems(401, 403, 409, 503),
)
async def rotate_signing_key(request: ApiRequest, api: NamedDependency[SigningKeysApi]) -> Response[NewSigningKeyJson]:
    """Return the new key with its secret."""
    actor, by = await api.operator(request)
    attempt = attempt_of(request.headers, actor, "POST /signing-keys", {})
    made = await api.keys.rotate(actor.tenant, attempt, by)
    secret = base64.urlsafe_b64encode(made.key.secret).rstrip(b"=").decode()
    return Response(
        NewSigningKeyJson(
            kid=made.row.kid, state=made.row.state, created_at=utc_time(made.row.created_at), secret=secret
        ),
        headers={**UNSHARED, **replayed(again=made.again)},
    )


@delete(
    "/signing-keys/{kid:str}",
    status_code=204,
    operation_id="retireSigningKey",
    summary="Retire a key that was rotated out",
    description="What it signed opens nothing any more, everywhere within five seconds.",
    responses=problems(401, 403, 404, 409, 503),
)
async def retire_signing_key(request: ApiRequest, api: NamedDependency[SigningKeysApi], kid: FromPath[str]) -> None:
    """Retire the key."""
    actor, by = await api.operator(request)
    await api.retire(actor.tenant, kid[:100].replace("\0", ""), by)


def signing_key_routes(api: SigningKeysApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[list_signing_keys, rotate_signing_key, retire_signing_key],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Signing keys"],
    )
