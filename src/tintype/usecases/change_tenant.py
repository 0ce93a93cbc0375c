"""The story of a tenant that is changed, suspended or resumed.

Row, host names, the log's entry and the telling of every process are one transaction: from its commit on nobody who
hears believes what was before. How it fails: another's slug or host name, or a state that is not the one that was read,
and nothing is changed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.notify import notify_of_tenant
from tintype.db.pool import Clash, Connection, Database, enter_tenant
from tintype.db.tenant_rows import get_tenant, take_hostnames, update_tenant
from tintype.domain.audit import Action, Entry, Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.ids import TENANT_PREFIX, public_id
from tintype.domain.tenant import Tenant, refuse_taken

_CHANGED: Final = ("slug", "name", "hostnames", "origins", "anonymous_uploads", "configuration")


class ChangeTenant:
    """Changes tenants."""

    def __init__(self, *, database: Database, clock: DatabaseClock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(
        self,
        tenant: int,
        change: Callable[[Tenant], Tenant],
        *,
        by: Requester,
        expected: frozenset[str] | None = None,
    ) -> Tenant:
        """Return the tenant after `change`, which may refuse by a `Problem`; `expected` are the ETags of `If-Match`.

        `Problem`: not_found, precondition_failed, and conflict for what is another's.
        """
        await self._clock.refresh()
        try:
            async with self._database.transaction(tenant) as connection:
                return await self._changed(connection, tenant, change, by, expected)
        except Clash as error:
            raise Problem(Code.CONFLICT, "Another tenant is called so.") from error

    async def _changed(
        self,
        connection: Connection,
        tenant: int,
        change: Callable[[Tenant], Tenant],
        by: Requester,
        expected: frozenset[str] | None,
    ) -> Tenant:
        old = await get_tenant(connection, tenant, lock=True)
        if old is None:
            raise Problem(Code.NOT_FOUND, "There is no such tenant.")
        if expected is not None and old.etag not in expected:
            raise Problem(Code.PRECONDITION_FAILED, "The tenant has changed since you read it. Read it again.")
        new = change(old)
        if new == old:
            return old
        new = replace(new, revision=old.revision + 1, updated_at=self._clock.now())
        await update_tenant(connection, new)
        if new.hostnames != old.hostnames:
            refuse_taken(await take_hostnames(connection, tenant=tenant, hosts=new.hostnames))
        await notify_of_tenant(connection, tenant)
        entry = _entry(old, new, by)
        await record(connection, entry)
        if by.actor is not None and by.actor.tenant != tenant:
            await enter_tenant(connection, by.actor.tenant)
            await record(connection, entry)
        return new


def _entry(old: Tenant, new: Tenant, by: Requester) -> Entry:
    action = Action.TENANT_CHANGED
    if new.state is not old.state:
        action = Action.TENANT_SUSPENDED if new.suspended else Action.TENANT_RESUMED
    changed = [name for name in _CHANGED if getattr(new, name) != getattr(old, name)]
    detail = {"changed": ", ".join(changed)} if changed else {}
    return Entry(action=action, by=by, object=public_id(TENANT_PREFIX, new.id), detail=detail)
