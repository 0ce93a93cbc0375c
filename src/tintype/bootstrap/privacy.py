"""Builds what is about people's rights and traces: the audit log, exports, deletions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tintype.bootstrap.blobs import direct_uploads, staging
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import Task
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.periodic import Report
from tintype.ports.blobs import BlobStore
from tintype.settings import Settings
from tintype.storage.staged_uploads import StagedUploads
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.delete_account import DeleteAccount
from tintype.usecases.export_account import ExportAccount
from tintype.usecases.forget_audit import ForgetAudit
from tintype.usecases.purge_image import PurgeImage
from tintype.usecases.sweep_deletions import SweepDeletions
from tintype.usecases.sweep_exports import SweepExports

Job = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What is built beneath."""

    database: Database
    clock: DatabaseClock
    blobs: BlobStore
    notifier: Notifier
    purge_image: PurgeImage


def account_exporter(settings: Settings, foundation: Foundation) -> ExportAccount:
    """Return the story of exports."""
    return ExportAccount(
        database=foundation.database,
        blobs=foundation.blobs,
        staging=staging(settings),
        clock=foundation.clock,
        notifier=foundation.notifier,
        keep=settings.privacy.export_keep,
    )


def account_deleter(foundation: Foundation) -> DeleteAccount:
    """Return the story of leaving."""
    return DeleteAccount(
        database=foundation.database,
        blobs=foundation.blobs,
        notifier=foundation.notifier,
        purge_image=foundation.purge_image.with_account,
        abort_upload=AbortUpload(
            database=foundation.database,
            staged=StagedUploads(foundation.database, foundation.blobs, direct_uploads(foundation.blobs)),
        ).of_deleted,
    )


def privacy_jobs(settings: Settings, foundation: Foundation) -> Mapping[Task, Job]:
    """Return the jobs that a worker does."""
    return {
        Task.DELETE_ACCOUNT: account_deleter(foundation).finish,
        Task.EXPORT_ACCOUNT: account_exporter(settings, foundation).make,
    }


def privacy_sweep(settings: Settings, foundation: Foundation) -> Callable[[], Awaitable[Report]]:
    """Return what forgets what is kept for a time."""
    database, clock, kept = foundation.database, foundation.clock, settings.privacy
    forget_audit = ForgetAudit(database=database, clock=clock, keep=kept.audit_keep)
    sweep_deletions = SweepDeletions(
        database=database, clock=clock, keep_handles=kept.handle_keep, keep_receipts=kept.audit_keep
    )
    sweep_exports = SweepExports(database=database, blobs=foundation.blobs, clock=clock)

    async def sweep() -> Report:
        return {"audit_entries": await forget_audit(), **await sweep_deletions(), **await sweep_exports()}

    return sweep
