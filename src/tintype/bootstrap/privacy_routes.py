"""Builds the routes of the audit log, of exports and of deletions."""

from litestar import Router

from tintype.bootstrap.privacy import Foundation, account_deleter, account_exporter
from tintype.reads.account_deletions import AccountDeletions
from tintype.reads.account_exports import AccountExports
from tintype.reads.audit import AuditLog
from tintype.server_key import server_key
from tintype.settings import Settings
from tintype.web.account_deletion import DeletionApi, Prove, deletion_routes
from tintype.web.account_export import ExportApi, export_routes
from tintype.web.audit import AuditApi, audit_routes
from tintype.web.auth import Authenticator
from tintype.web.client_address import Proxies


def privacy_routes(
    settings: Settings, foundation: Foundation, authenticator: Authenticator, proxies: Proxies, prove: Prove
) -> list[Router]:
    """Return the routes of the audit log and of leaving."""
    database = foundation.database
    deletion = DeletionApi(
        delete_account=account_deleter(foundation),
        deletions=AccountDeletions(database),
        prove=prove,
        authenticator=authenticator,
        proxies=proxies,
        server_key=server_key(settings),
        public_url=settings.public_url,
    )
    audit = AuditApi(AuditLog(database), database, authenticator, proxies)
    export = ExportApi(
        export_account=account_exporter(settings, foundation),
        exports=AccountExports(database, foundation.clock),
        blobs=foundation.blobs,
        authenticator=authenticator,
        proxies=proxies,
        public_url=settings.public_url,
    )
    return [audit_routes(audit), deletion_routes(deletion), export_routes(export)]
