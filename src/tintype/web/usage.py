"""`/usage` and `/quota`: what a tenant or an account keeps, did, and may keep.

An operator and the tenant's keys see the tenant as a whole, everybody else their own account; `?account=` names
another. How much an account may keep is the tenant's decision; how much the tenant may keep is for whoever manages the
installation.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, put
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, TENANT_PREFIX, BadId, parse_public_id, public_id
from tintype.domain.quota import WHOLE_TENANT, Quota
from tintype.domain.tenant import manages_all
from tintype.reads.tenants import Tenants
from tintype.reads.usage import Report, Usage
from tintype.usecases.set_quota import SetQuota
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.days import read_span
from tintype.web.openapi import problems

_UNSHARED: Final = {"cache-control": "no-store"}

ApiRequest = Request[Any, Any, AppState]

Most = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

AccountName = Annotated[
    str | None, QueryParameter(name="account", description="An account, `acc_…`, instead of what is yours.")
]
TenantName = Annotated[
    str | None,
    QueryParameter(name="tenant", description="Another tenant, `ten_…`: for whoever manages the installation."),
]


@dataclass(frozen=True, slots=True)
class UsageApi:
    """What the handlers work with."""

    usage: Usage
    set_quota: SetQuota
    tenants: Tenants
    authenticator: Authenticator
    proxies: Proxies

    async def readable(self, request: ApiRequest, tenant: str | None, account: str | None) -> tuple[int, int]:
        """Return tenant and account (or the tenant as a whole) whose usage the caller wants to see and may."""
        actor, _ = await self._who(request)
        actor.need(Scope.USAGE)
        if tenant is not None:
            return await self._other_tenant(actor, tenant), WHOLE_TENANT
        if account is not None:
            found = await self._account(actor, account)
            if not actor.may(Scope.USAGE, tenant=actor.tenant, owner=found):
                raise _no_account()
            return actor.tenant, found
        if actor.account is None or actor.may(Scope.USAGE, tenant=actor.tenant, owner=None):
            return actor.tenant, WHOLE_TENANT
        return actor.tenant, actor.account

    async def settable(self, request: ApiRequest, tenant: str | None, account: str | None) -> "Settable":
        """Return whose quota the caller wants to set and may."""
        actor, by = await self._who(request)
        if tenant is None and account is not None:
            actor.need_all(Scope.TENANT)
            return Settable(actor.tenant, await self._account(actor, account), by)
        actor.need_all(Scope.TENANTS)
        return Settable(await self._other_tenant(actor, tenant), WHOLE_TENANT, by)

    async def _who(self, request: ApiRequest) -> tuple[Actor, Requester]:
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "Usage is of your own. Sign in, or send an API key as Bearer.")
        return caller.actor, caller.requester

    async def _account(self, actor: Actor, name: str) -> int:
        """Return the account of the actor's tenant with that name; `Problem` not_found when there is none."""
        try:
            account = parse_public_id(ACCOUNT_PREFIX, name)
        except BadId as error:
            raise _no_account() from error
        if not await self.usage.knows(actor.tenant, account):
            raise _no_account()
        return account

    async def _other_tenant(self, actor: Actor, name: str | None) -> int:
        """Return the tenant of that name (the actor's own for None), for whoever manages the installation."""
        if not manages_all(actor, tenant=(await self.tenants.get(actor.tenant)).tenant):
            raise Problem(Code.AUTH_FORBIDDEN, "This is for whoever manages the installation.")
        try:
            tenant = actor.tenant if name is None else parse_public_id(TENANT_PREFIX, name)
        except BadId as error:
            raise Problem(Code.NOT_FOUND, "There is no such tenant.") from error
        return (await self.tenants.get(tenant)).tenant.id


@dataclass(frozen=True, slots=True)
class Settable:
    """A tenant, an account of it (or the tenant as a whole), and who sets its quota."""

    tenant: int
    account: int
    by: Requester


class QuotaJson(msgspec.Struct, forbid_unknown_fields=True):
    """The most that may be kept, in the trash or not; null is no limit."""

    max_bytes: Most | None = None
    max_images: Most | None = None


class UsageDayJson(msgspec.Struct):
    """What was done on a day, `YYYY-MM-DD` in UTC; `bytes_in` are those of the uploads, as they are stored."""

    day: str
    requests: int
    uploads: int
    bytes_in: int
    deletes: int


class UsageJson(msgspec.Struct, kw_only=True):
    """What is kept now, what may be, and every day that was asked for, the oldest first. `account` null: the tenant."""

    account: str | None
    bytes: int
    images: int
    quota: QuotaJson
    items: list[UsageDayJson]


@get(
    "/usage",
    operation_id="getUsage",
    summary="What is kept and done",
    description="Of the whole tenant for its keys and operators, of their own account for everybody else. Images in the"
    " trash are kept, too. Requests are those to the API, a few seconds late.",
    responses=problems(401, 403, 404, 503),
)
async def get_usage(
    request: ApiRequest,
    api: NamedDependency[UsageApi],
    *,
    tenant: TenantName = None,
    account: AccountName = None,
    from_: Annotated[
        str | None, QueryParameter(name="from", description="The first day, `YYYY-MM-DD`; 29 days before `to`.")
    ] = None,
    to: Annotated[str | None, QueryParameter(description="The last day, `YYYY-MM-DD`; today.")] = None,
) -> Response[UsageJson]:
    """Return what is kept now, and what was done on each day."""
    whose, holder = await api.readable(request, tenant, account)
    first, last = read_span(from_, to)
    report = await api.usage.report(whose, holder, first=first, last=last)
    return Response(_present(holder, report), headers=_UNSHARED)


@get(
    "/quota",
    operation_id="getQuota",
    summary="How much may be kept",
    responses=problems(401, 403, 404, 503),
)
async def get_quota(
    request: ApiRequest, api: NamedDependency[UsageApi], *, tenant: TenantName = None, account: AccountName = None
) -> Response[QuotaJson]:
    """Return the quota of the tenant or of an account."""
    whose, holder = await api.readable(request, tenant, account)
    return Response(_quota(await api.usage.quota(whose, holder)), headers=_UNSHARED)


@put(
    "/quota",
    operation_id="setQuota",
    summary="Set how much may be kept",
    description="Of an account, by an operator or a key with the scope `tenant`; of the whole tenant, by whoever"
    " manages the installation. What is kept already stays.",
    responses=problems(401, 403, 404, 422, 503),
)
async def put_quota(
    request: ApiRequest,
    api: NamedDependency[UsageApi],
    data: QuotaJson,
    *,
    tenant: TenantName = None,
    account: AccountName = None,
) -> Response[QuotaJson]:
    """Set the quota of the tenant or of an account."""
    whose = await api.settable(request, tenant, account)
    quota = Quota(data.max_bytes, data.max_images)
    await api.set_quota(tenant=whose.tenant, account=whose.account, quota=quota, by=whose.by)
    return Response(data, headers=_UNSHARED)


@delete(
    "/quota",
    status_code=204,
    operation_id="clearQuota",
    summary="Leave it to the settings how much may be kept",
    responses=problems(401, 403, 404, 503),
)
async def delete_quota(
    request: ApiRequest, api: NamedDependency[UsageApi], *, tenant: TenantName = None, account: AccountName = None
) -> None:
    """Forget the quota of the tenant or of an account."""
    whose = await api.settable(request, tenant, account)
    await api.set_quota(tenant=whose.tenant, account=whose.account, quota=None, by=whose.by)


def _no_account() -> Problem:
    return Problem(Code.NOT_FOUND, "There is no such account; an id looks like acc_ and 11 letters and digits.")


def _quota(quota: Quota) -> QuotaJson:
    return QuotaJson(quota.max_bytes, quota.max_images)


def _present(holder: int, report: Report) -> UsageJson:
    kept = report.now.kept
    return UsageJson(
        account=None if holder == WHOLE_TENANT else public_id(ACCOUNT_PREFIX, holder),
        bytes=kept.bytes,
        images=kept.images,
        quota=_quota(report.now.quota),
        items=[
            UsageDayJson(day.isoformat(), done.requests, done.uploads, done.bytes_in, done.deletes)
            for day, done in report.days
        ],
    )


def usage_routes(api: UsageApi) -> Router:
    """Return the routes."""
    return Router(
        path="/api/v1",
        route_handlers=[get_usage, get_quota, put_quota, delete_quota],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Usage"],
    )
