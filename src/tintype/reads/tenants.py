"""What every request needs to know of its tenant: whether it is served, its kinds, its origins, who may upload.

Read once and remembered for a few seconds, by every process for itself; a NOTIFY drops it sooner. So a change acts at
once where it can be heard, and within `REMEMBER_SECONDS` where it cannot, and an upload costs no question more.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from tintype.db.pool import Database
from tintype.db.tenant_rows import get_tenant
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.tenant import Tenant, suspended_tenant
from tintype.kind_settings import KindTables

REMEMBER_SECONDS: Final = 4.0
"""How long a tenant is believed to be what it was: a suspension acts within 5 s, whether it is heard of or not."""

REMEMBERED_TENANTS: Final = 1_000
"""With kinds of their own some 20 kB each; without, next to nothing."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What a tenant has that says nothing else."""

    kind_tables: KindTables
    kinds: Mapping[str, UploadKind]
    anonymous_uploads: bool


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A tenant, and what holds for it: its own settings over the installation's."""

    tenant: Tenant
    kinds: Mapping[str, UploadKind]
    anonymous_uploads: bool
    loaded: float = field(default_factory=time.monotonic)

    def refuse_if_suspended(self) -> None:
        """Raise `Problem` tenant.suspended for a tenant that is not served."""
        if self.tenant.suspended:
            raise suspended_tenant()


class Tenants:
    """Reads tenants and remembers them."""

    def __init__(self, database: Database, installation: Installation) -> None:
        self._database = database
        self._installation = installation
        self._remembered: OrderedDict[int, TenantSettings] = OrderedDict()
        self._reads: dict[int, asyncio.Task[TenantSettings]] = {}
        self._log = structlog.get_logger("tintype.tenants")

    async def get(self, tenant: int) -> TenantSettings:
        """Return what holds for the tenant; `Problem` not_found when there is none."""
        known = self._remembered.get(tenant)
        if known is not None and time.monotonic() - known.loaded < REMEMBER_SECONDS:
            return known
        read = self._reads.get(tenant)
        if read is None:
            read = self._reads[tenant] = asyncio.create_task(self._read(tenant))
            read.add_done_callback(lambda task: self._end_read(tenant, task))
        return await asyncio.shield(read)

    async def kinds_of(self, tenant: int) -> Mapping[str, UploadKind]:
        """Return the kinds that the tenant's images may be of; the installation's, for one that is not there."""
        try:
            return (await self.get(tenant)).kinds
        except Problem as problem:
            if problem.code is not Code.NOT_FOUND:
                raise
            return self._installation.kinds

    def forget(self, tenant: int) -> None:
        """Read the tenant anew when it is asked for next, and believe no read that is under way."""
        self._remembered.pop(tenant, None)
        self._reads.pop(tenant, None)

    def forget_all(self) -> None:
        """Likewise for every tenant: anything may have been missed."""
        self._remembered.clear()
        self._reads.clear()

    def _end_read(self, tenant: int, task: asyncio.Task[TenantSettings]) -> None:
        current = self._reads.get(tenant) is task
        if current:
            del self._reads[tenant]
        if task.cancelled() or task.exception() is not None or not current:
            return
        self._remembered[tenant] = task.result()
        self._remembered.move_to_end(tenant)
        if len(self._remembered) > REMEMBERED_TENANTS:
            self._remembered.popitem(last=False)

    async def _read(self, tenant: int) -> TenantSettings:
        began, known = time.monotonic(), self._remembered.get(tenant)
        async with self._database.transaction(tenant) as connection:
            found = await get_tenant(connection, tenant)
        if found is None:
            raise Problem(Code.NOT_FOUND, "There is no such tenant.")
        said = found.anonymous_uploads
        anonymous_uploads = self._installation.anonymous_uploads if said is None else said
        unchanged = known is not None and known.tenant.revision == found.revision
        kinds = known.kinds if known is not None and unchanged else self._kinds(found)
        return TenantSettings(found, kinds, anonymous_uploads, loaded=began)

    def _kinds(self, tenant: Tenant) -> Mapping[str, UploadKind]:
        if not tenant.configuration:
            return self._installation.kinds
        kinds, complaints = self._installation.kind_tables.overlaid(tenant.configuration)
        for complaint in complaints:  # it was checked when it was set: the installation's settings have changed since
            self._log.warning("tenant_setting_unusable", tenant=tenant.slug, path=complaint.path)
        return kinds
