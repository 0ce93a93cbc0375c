"""Builds what takes in uploads of several requests: their stories, their job, their sweep."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from tintype.bootstrap.blobs import direct_uploads, staging
from tintype.db.clock import DatabaseClock
from tintype.db.jobs import Task
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.periodic import PeriodicTask
from tintype.ports.blobs import BlobStore
from tintype.reads.tenants import Tenants
from tintype.server_key import server_key
from tintype.settings import Settings
from tintype.storage.intake import Intake
from tintype.storage.staged_uploads import StagedUploads
from tintype.usecases.abort_upload import AbortUpload
from tintype.usecases.examine_upload import ExamineUpload
from tintype.usecases.reserve_upload import ReserveUpload
from tintype.usecases.sweep_uploads import SweepUploads


@dataclass(frozen=True, slots=True)
class UploadBase:
    """What uploads stand on, in an API process and in a worker."""

    settings: Settings
    database: Database
    clock: DatabaseClock
    blobs: BlobStore
    notifier: Notifier
    tenants: Tenants

    @property
    def staged(self) -> StagedUploads:
        """Where their bytes wait."""
        return StagedUploads(self.database, self.blobs, direct_uploads(self.blobs))


def reserving(base: UploadBase) -> ReserveUpload:
    """Return the story of a reservation, which every door begins with."""
    return ReserveUpload(
        database=base.database,
        clock=base.clock,
        server_key=server_key(base.settings),
        quotas=base.settings.quotas,
        keep=base.settings.upload.expire,
        direct=base.staged.direct,
    )


def aborting(base: UploadBase) -> AbortUpload:
    """Return the story of giving up."""
    return AbortUpload(database=base.database, staged=base.staged)


def upload_jobs(base: UploadBase) -> Mapping[Task, Callable[..., Awaitable[None]]]:
    """Return the jobs of a worker."""
    examine = ExamineUpload(
        database=base.database,
        intake=Intake(blobs=base.blobs, staging=staging(base.settings)),
        staged=base.staged,
        clock=base.clock,
        notifier=base.notifier,
        quotas=base.settings.quotas,
        kinds_of=base.tenants.kinds_of,
    )
    return {Task.EXAMINE_UPLOAD: examine}


def upload_tasks(base: UploadBase) -> Iterator[PeriodicTask]:
    """Give what a worker does at its time."""
    sweep = SweepUploads(
        database=base.database,
        clock=base.clock,
        notifier=base.notifier,
        staged=base.staged,
        lost_seconds=base.settings.jobs.lost_seconds,
    )
    yield PeriodicTask("sweep_uploads", base.settings.schedule["sweep_uploads"], sweep)
