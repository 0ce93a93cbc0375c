"""Builds what tenants and their API keys need; `bootstrap.py` calls it."""

from collections.abc import Awaitable, Callable

from litestar import Router

from tintype.db.clock import DatabaseClock
from tintype.db.notify import ImageListener
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.kind import Limits
from tintype.reads.api_keys import ApiKeys
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.tenant_list import TenantList
from tintype.reads.tenants import Installation, Tenants
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


def tenants_of(settings: Settings, database: Database) -> Tenants:
    """Return what reads tenants, each over what the installation is set to."""
    return Tenants(database, Installation(settings.kind_tables, settings.kinds, settings.anonymous_uploads))


def change_listener(
    config: DatabaseConfig, records: DeliveryRecords, tenants: Tenants, *, on_upload: Callable[[str], None]
) -> ImageListener:
    """Return what hears of changes, and drops what this process remembers of them.

    `on_upload` hears of requests that want an upload which this process may hold.
    """

    def forget_tenant(tenant: int) -> None:
        tenants.forget(tenant)  # before the records, which are read anew with what it says
        records.forget_tenant(tenant)

    def hearing(connected: bool) -> None:  # noqa: FBT001 -- the listener's callback has one argument
        if connected:
            tenants.forget_all()
        records.hearing(connected)

    return ImageListener(
        config,
        on_change=records.forget,
        on_account=records.forget_owner,
        on_tenant=forget_tenant,
        on_upload=on_upload,
        on_connection=hearing,
    )


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
