"""Builds what knows tenants."""

from collections.abc import Callable

from tintype.db.notify import ImageListener
from tintype.db.pool import Database, DatabaseConfig
from tintype.reads.delivery import DeliveryRecords
from tintype.reads.tenants import Installation, Tenants
from tintype.settings import Settings


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
