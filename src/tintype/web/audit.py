"""`/api/v1/audit`: what was done in the tenant, for its operator; `/api/v1/account/audit`: what concerns oneself."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Request, Response, Router, get
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from tintype.db.audit import AuditFilter, record
from tintype.db.pool import Database
from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.reads.audit import AuditLog, audit_actor, audit_object
from tintype.web.audit_json import AuditEntryJson, AuditListJson, present_entry
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.openapi import AuditOperation, problems

ApiRequest = Request[Any, Any, AppState]

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 30

NDJSON: Final = "application/x-ndjson"
"""A JSON value on each line."""

_UNSHARED: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class AuditApi:
    """What the handlers work with."""

    log: AuditLog
    database: Database
    authenticator: Authenticator
    proxies: Proxies

    async def requester(self, request: ApiRequest) -> tuple[Actor, Requester]:
        """Return who asks; `Problem` auth.required for a stranger."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_of(peer, request.headers)
        caller = await self.authenticator.caller(request.headers, address, method=request.method)
        if caller.actor is None:
            raise Problem(Code.AUTH_REQUIRED, "The audit log is not public. Sign in, or send an API key as Bearer.")
        return caller.actor, caller.requester


@get(
    "/audit",
    summary="List what was done in the tenant",
    description="Newest first, for the operator. With `format=ndjson` everything at once, an entry on each line.",
    operation_id="listAudit",
    operation_class=AuditOperation,
    responses=problems(401, 403, 503),
)
async def list_audit(  # noqa: PLR0913 -- each is a parameter of the query
    request: ApiRequest,
    api: NamedDependency[AuditApi],
    *,
    action: Annotated[Action | None, QueryParameter(description="Only this was done.")] = None,
    actor: Annotated[str | None, QueryParameter(description="Only by this `acc_…` or `key_…`.")] = None,
    named: Annotated[str | None, QueryParameter(name="object", description="Only to this `img_…` or other id.")] = None,
    since: Annotated[datetime | None, QueryParameter(name="from", description="Not before this time.")] = None,
    until: Annotated[datetime | None, QueryParameter(name="to", description="Before this time.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many, from 1 to 100.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
    written_as: Annotated[
        Literal["json", "ndjson"], QueryParameter(name="format", description="A page, or a line for each entry.")
    ] = "json",
) -> Response[AuditListJson]:
    """Return a page of the tenant's log, or all of it."""
    reader, requester = await api.requester(request)
    reader.need_all(Scope.AUDIT)
    who = audit_actor(actor)
    wanted = AuditFilter(
        action=action,
        actor=who.actor,
        key=who.key,
        object=audit_object(named),
        since=_utc(since),
        until=_utc(until),
    )
    if written_as == "json":
        page = await api.log.page(tenant=reader.tenant, wanted=wanted, cursor=cursor, limit=limit)
        return Response(AuditListJson([present_entry(row) for row in page.entries], page.next), headers=_UNSHARED)
    async with api.database.transaction(reader.tenant) as connection:
        await record(connection, Entry(action=Action.LOG_EXPORTED, by=requester))
    lines = Stream(_lines(api, reader.tenant, wanted), headers=_UNSHARED, media_type=NDJSON)
    return cast("Response[AuditListJson]", lines)  # what is declared, and documented, is the page


async def _lines(api: AuditApi, tenant: int, wanted: AuditFilter) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode_lines
    async for page in api.log.everything(tenant=tenant, wanted=wanted):
        yield encode([present_entry(row) for row in page])


@get(
    "/account/audit",
    summary="List what was done by you and to your account",
    description="Newest first: sign-ins and attempts, changes of credentials, keys and images.",
    operation_id="listOwnAudit",
    responses=problems(401, 403, 503),
)
async def list_own_audit(
    request: ApiRequest,
    api: NamedDependency[AuditApi],
    *,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many, from 1 to 100.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[AuditListJson]:
    """Return a page of what concerns the caller's account."""
    reader, _ = await api.requester(request)
    reader.need(Scope.ACCOUNT)
    if reader.account is None:
        raise Problem(
            Code.AUTH_FORBIDDEN, "This key is the tenant's: it has no account, and the tenant a log of its own."
        )
    wanted = AuditFilter(account=reader.account)
    page = await api.log.page(tenant=reader.tenant, wanted=wanted, cursor=cursor, limit=limit)
    shown: list[AuditEntryJson] = [present_entry(row, reader=reader.account) for row in page.entries]
    return Response(AuditListJson(shown, page.next), headers=_UNSHARED)


def _utc(value: datetime | None) -> datetime | None:
    """Return the time; one without a zone is UTC, as every time here is."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def audit_routes(api: AuditApi) -> Router:
    """Return the routes of the log."""
    return Router(
        path="/api/v1",
        route_handlers=[list_audit, list_own_audit],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        tags=["Audit"],
    )
