"""Builds what tenants and their API keys need; `bootstrap.py` calls it."""

from collections.abc import Awaitable, Callable

from tintype.db.notify import ImageListener
from tintype.db.pool import Database, DatabaseConfig
from tintype.domain.kind import Limits
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.tenants import Installation, Tenants
from tintype.settings import Settings
from tintype.web.auth import Authenticator
from tintype.web.upload_request import DEFAULT_KIND


def tenants_of(settings: Settings, database: Database) -> Tenants:
    """Return what reads tenants, each over what the installation is set to."""
    return Tenants(database, Installation(settings.kind_tables, settings.kinds, settings.anonymous_uploads))


def change_listener(config: DatabaseConfig, records: DeliveryRecords, tenants: Tenants) -> ImageListener:
    """Return what hears of changes, and drops what this process remembers of them."""

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
        on_connection=hearing,
    )


def limits_of_host(authenticator: Authenticator, tenants: Tenants) -> Callable[[str], Awaitable[Limits]]:
    """Return what tells the limits of what is uploaded at a host by its page."""

    async def limits(host: str) -> Limits:
        tenant = await tenants.get(await authenticator.tenant_of_host(host))
        tenant.refuse_if_suspended()
        return tenant.kinds[DEFAULT_KIND].limits

    return limits
