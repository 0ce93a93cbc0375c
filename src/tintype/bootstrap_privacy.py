"""Builds what is about people's rights and traces: the audit log, exports, deletions."""

from collections.abc import Awaitable, Callable

from litestar import Router

from tintype.db.clock import DatabaseClock
from tintype.db.pool import Database
from tintype.periodic import Report
from tintype.reads.audit import AuditLog
from tintype.settings import Settings
from tintype.usecases.forget_audit import ForgetAudit
from tintype.web.audit import AuditApi, audit_routes
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies


def privacy_routes(database: Database, authenticator: Authenticator, proxies: Proxies) -> Router:
    """Return the routes of the audit log."""
    return audit_routes(AuditApi(AuditLog(database), database, authenticator, proxies))


def privacy_sweep(settings: Settings, database: Database, clock: DatabaseClock) -> Callable[[], Awaitable[Report]]:
    """Return what forgets what is kept for a time."""
    forget_audit = ForgetAudit(database=database, clock=clock, keep=settings.privacy.audit_keep)

    async def sweep() -> Report:
        return {"audit_entries": await forget_audit()}

    return sweep
