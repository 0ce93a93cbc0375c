"""`/api/v1/tenants`: tenants. Who manages the installation manages them all; an operator, the settings of their own."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, get, patch, post
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from tintype.domain import tenant as moves
from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import KEY_PREFIX, TENANT_PREFIX, BadId, parse_public_id, public_id
from tintype.domain.tenant import Tenant, TenantState, manages_all
from tintype.kind_settings import KindTables
from tintype.reads.tenant_list import TenantList, no_tenant
from tintype.reads.tenants import Tenants
from tintype.usecases.change_tenant import ChangeTenant
from tintype.usecases.create_tenant import CreateTenant, MadeTenant, RepeatableTenant
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.conditional import parse_if_match
from tintype.web.idempotency import REPLAYED, attempt_of, text_of
from tintype.web.image_json import utc_time
from tintype.web.openapi import problems
from tintype.web.tenant_fields import changed_tenant, new_tenant, refuse_installation_fields
from tintype.web.tenant_openapi import TenantChange, TenantCreation

ApiRequest = Request[Any, Any, AppState]

MAX_BODY_BYTES: Final = 131_072
"""Fifty kinds and fifty presets with every word spelt out take a third of it."""

_UNSHARED: Final = {"cache-control": "no-store"}
_ABOVE_ALL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks about tenants; `all` says whether they manage the installation."""

    actor: Actor
    by: Requester
    own: Tenant
    all: bool


@dataclass(frozen=True, slots=True)
class TenantsApi:
    """What the handlers work with."""

    authenticator: Authenticator
    proxies: Proxies
    tenants: Tenants
    kind_tables: KindTables
    tenant_list: TenantList
    create_tenant: CreateTenant
    change_tenant: ChangeTenant

    async def asking(self, request: ApiRequest) -> Asking:
        """Return who asks; `Problem` auth.required for nobody."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Tenants are their operators'. Sign in, or send an API key as Bearer.")
        own = (await self.tenants.get(caller.tenant)).tenant
        return Asking(caller.actor, caller.requester, own, manages_all(caller.actor, tenant=own))

    async def manager(self, request: ApiRequest) -> Asking:
        """Return who asks, who manages the installation; `Problem` auth.forbidden for anybody else."""
        asking = await self.asking(request)
        if not asking.all:
            asking.actor.need(Scope.TENANTS)
            message = "This is for whoever runs the server: an operator of the tenant default, or its key."
            raise Problem(Code.AUTH_FORBIDDEN, message)
        return asking

    async def meant(self, asking: Asking, name: str) -> int:
        """Return the tenant that the path names, if who asks may see it; `Problem` not_found, auth.forbidden."""
        own = name in {asking.own.slug, public_id(TENANT_PREFIX, asking.own.id)}
        if not own and not asking.all:
            raise no_tenant()
        if not asking.all:
            asking.actor.need_all(Scope.TENANT)
        return asking.own.id if own else await self.tenant_list.named(name)


class TenantJson(msgspec.Struct, kw_only=True):
    """A tenant. `anonymous_uploads` null, and what is not in `presets` and `kinds`, is as the installation has it."""

    id: str
    slug: str
    name: str
    state: TenantState
    hostnames: list[str]
    origins: list[str]
    anonymous_uploads: bool | None
    presets: dict[str, Any]
    kinds: dict[str, Any]
    revision: int
    created_at: str
    updated_at: str


class FirstKeyJson(msgspec.Struct):
    """The first key of a new tenant. `secret` is shown here and never again."""

    id: str
    secret: str


class NewTenantJson(TenantJson, kw_only=True):
    """A tenant that was just made."""

    api_key: FirstKeyJson


class TenantListJson(msgspec.Struct):
    """Tenants, newest first; `next` is the cursor of those after them, null at the end."""

    items: list[TenantJson]
    next: str | None


def present_tenant(tenant: Tenant) -> TenantJson:
    """Return the tenant's JSON."""
    return TenantJson(
        id=public_id(TENANT_PREFIX, tenant.id),
        slug=tenant.slug,
        name=tenant.name,
        state=tenant.state,
        hostnames=list(tenant.hostnames),
        origins=list(tenant.origins),
        anonymous_uploads=tenant.anonymous_uploads,
        presets=tenant.configuration.get("presets", {}),
        kinds=tenant.configuration.get("kinds", {}),
        revision=tenant.revision,
        created_at=utc_time(tenant.created_at),
        updated_at=utc_time(tenant.updated_at),
    )


def _shown(tenant: Tenant) -> Response[TenantJson]:
    return Response(present_tenant(tenant), headers={"etag": tenant.etag, **_UNSHARED})


@get("/tenants", operation_id="listTenants", summary="List tenants, newest first", responses=problems(401, 403, 503))
async def list_tenants(
    request: ApiRequest,
    api: NamedDependency[TenantsApi],
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many, from 1 to 100.")] = 30,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[TenantListJson]:
    """Return the installation's tenants, for whoever runs it."""
    await api.manager(request)
    page = await api.tenant_list.page(before=_before(cursor), limit=limit)
    items = [present_tenant(tenant) for tenant in page.tenants]
    return Response(TenantListJson(items, items[-1].id if page.more else None), headers=_UNSHARED)


def _before(cursor: str | None) -> int:
    try:
        return parse_public_id(TENANT_PREFIX, cursor) if cursor is not None else _ABOVE_ALL
    except BadId as error:
        message = "This cursor is none. Take the one that `next` of a list gave you."
        raise Problem(Code.REQUEST_UNREADABLE, message) from error


@post(
    "/tenants",
    status_code=201,
    request_max_body_size=MAX_BODY_BYTES,
    operation_id="createTenant",
    operation_class=TenantCreation,
    summary="Make a tenant",
    description="For whoever runs the server. The answer shows the secret of the tenant's first API key, once.",
    responses=problems(401, 403, 409, 413, 422, 503),
)
async def create_tenant(
    request: ApiRequest, api: NamedDependency[TenantsApi], data: dict[str, Any]
) -> Response[NewTenantJson]:
    """Make a tenant and a first key of its own."""
    asking = await api.manager(request)
    wanted = new_tenant(data, api.kind_tables)
    made = await api.create_tenant(wanted, asking.by, _repeatable(request, asking.actor, data))
    shown, headers = _made(made)
    key = FirstKeyJson(public_id(KEY_PREFIX, made.key.id), made.key.reveal())
    answer = NewTenantJson(**msgspec.structs.asdict(shown), api_key=key)
    return Response(answer, headers={"location": f"/api/v1/tenants/{shown.slug}", **headers, **_UNSHARED})


def _made(made: MadeTenant) -> tuple[TenantJson, dict[str, str]]:
    if made.tenant is not None:
        return present_tenant(made.tenant), {"etag": made.tenant.etag}
    return msgspec.json.decode(made.answer or "", type=TenantJson), REPLAYED


def _repeatable(request: ApiRequest, actor: Actor, given: dict[str, Any]) -> RepeatableTenant | None:
    attempt = attempt_of(request.headers, actor, "POST /tenants", given)
    return RepeatableTenant(attempt, text_of(request.headers), _as_text) if attempt is not None else None


def _as_text(tenant: Tenant) -> str:
    return msgspec.json.encode(present_tenant(tenant)).decode()


@get(
    "/tenants/{tenant:str}",
    operation_id="getTenant",
    summary="Look at a tenant",
    description="By its id or slug. Its own operator may, and whoever runs the server.",
    responses=problems(401, 403, 404, 503),
)
async def get_tenant(
    request: ApiRequest, api: NamedDependency[TenantsApi], tenant: FromPath[str]
) -> Response[TenantJson]:
    """Return the tenant as it is now."""
    asking = await api.asking(request)
    return _shown(await api.tenant_list.get(await api.meant(asking, tenant)))


@patch(
    "/tenants/{tenant:str}",
    status_code=200,
    request_max_body_size=MAX_BODY_BYTES,
    operation_id="changeTenant",
    operation_class=TenantChange,
    summary="Change a tenant",
    description="A JSON merge patch: what is not named stays, null in `presets` and `kinds` takes away.",
    responses=problems(401, 403, 404, 409, 412, 413, 422, 503),
)
async def change_tenant(
    request: ApiRequest, api: NamedDependency[TenantsApi], tenant: FromPath[str], data: dict[str, Any]
) -> Response[TenantJson]:
    """Change the tenant and return it."""
    asking = await api.asking(request)
    meant = await api.meant(asking, tenant)
    if not asking.all:
        refuse_installation_fields(data)
    expected = parse_if_match(request.headers.get("if-match"))
    changed = await api.change_tenant(
        meant, lambda old: changed_tenant(old, data, api.kind_tables), by=asking.by, expected=expected
    )
    api.tenants.forget(meant)
    return _shown(changed)


@post(
    "/tenants/{tenant:str}/suspend",
    status_code=200,
    operation_id="suspendTenant",
    summary="Suspend a tenant",
    description="Within five seconds nothing of it is answered or served. It keeps everything.",
    responses=problems(401, 403, 404, 409, 503),
)
async def suspend_tenant(
    request: ApiRequest, api: NamedDependency[TenantsApi], tenant: FromPath[str]
) -> Response[TenantJson]:
    """Suspend the tenant; one that is suspended stays so."""
    return await _move(request, api, tenant, suspend=True)


@post(
    "/tenants/{tenant:str}/resume",
    status_code=200,
    operation_id="resumeTenant",
    summary="Resume a tenant that was suspended",
    responses=problems(401, 403, 404, 503),
)
async def resume_tenant(
    request: ApiRequest, api: NamedDependency[TenantsApi], tenant: FromPath[str]
) -> Response[TenantJson]:
    """Serve the tenant again."""
    return await _move(request, api, tenant, suspend=False)


async def _move(request: ApiRequest, api: TenantsApi, name: str, *, suspend: bool) -> Response[TenantJson]:
    asking = await api.manager(request)
    meant = await api.tenant_list.named(name)
    moved = await api.change_tenant(meant, moves.suspended if suspend else moves.resumed, by=asking.by)
    api.tenants.forget(meant)
    return _shown(moved)


def tenant_routes(api: TenantsApi) -> Router:
    """Return the routes of the resource."""
    return Router(
        path="/api/v1",
        route_handlers=[list_tenants, create_tenant, get_tenant, change_tenant, suspend_tenant, resume_tenant],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Tenants"],
    )
