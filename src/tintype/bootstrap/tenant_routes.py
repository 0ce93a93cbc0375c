"""Builds the routes of tenants and their API keys."""

from collections.abc import Awaitable, Callable

from litestar import Router

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.domain.kind import Limits
from tintype.reads.api_keys import ApiKeys
from tintype.reads.tenant_list import TenantList
from tintype.reads.tenants import Tenants
from tintype.server_key import server_key
from tintype.settings import Settings
from tintype.usecases.change_tenant import ChangeTenant
from tintype.usecases.create_api_key import CreateApiKey
from tintype.usecases.create_tenant import CreateTenant
from tintype.usecases.revoke_api_key import RevokeApiKey
from tintype.web.api_keys import KeysApi, key_routes
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies
from tintype.web.tenants import TenantsApi, tenant_routes
from tintype.web.upload_request import DEFAULT_KIND


def limits_of_host(authenticator: Authenticator, tenants: Tenants) -> Callable[[str], Awaitable[Limits]]:
    """Return what tells the limits of what is uploaded at a host by its page."""

    async def limits(host: str) -> Limits:
        tenant = await tenants.get(await authenticator.tenant_of_host(host))
        tenant.refuse_if_suspended()
        return tenant.kinds[DEFAULT_KIND].limits

    return limits


def tenant_routes_of(
    settings: Settings,
    database: Database,
    clock: DatabaseClock,
    tenants: Tenants,
    authenticator: Authenticator,
    proxies: Proxies,
) -> tuple[Router, ...]:
    """Return the routes of tenants and of API keys."""
    key = server_key(settings)
    return (
        tenant_routes(
            TenantsApi(
                authenticator=authenticator,
                proxies=proxies,
                tenants=tenants,
                kind_tables=settings.kind_tables,
                tenant_list=TenantList(database),
                create_tenant=CreateTenant(database=database, clock=clock, server_key=key),
                change_tenant=ChangeTenant(database=database, clock=clock),
            )
        ),
        key_routes(
            KeysApi(
                authenticator=authenticator,
                proxies=proxies,
                keys=ApiKeys(database),
                create_key=CreateApiKey(database=database, clock=clock, server_key=key),
                revoke_key=RevokeApiKey(database),
            )
        ),
    )
