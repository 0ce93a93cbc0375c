"""Where a tus upload stands: its row, and what its client said."""

from dataclasses import dataclass

from tintype.db.pool import Database
from tintype.db.tus import TusUpload, get_tus_upload
from tintype.db.uploads import get_upload, tenant_of_upload
from tintype.domain.errors import Code, Problem
from tintype.domain.tus.appending import Stand
from tintype.domain.tus.concatenation import PARTIAL
from tintype.domain.tus.status import Status
from tintype.domain.upload import Method, Upload, UploadState, no_upload, refuse_if_over
from tintype.storage.holds import Holds


@dataclass(frozen=True, slots=True)
class Found:
    """An upload, and what it has by tus."""

    upload: Upload
    tus: TusUpload

    @property
    def partial(self) -> bool:
        """Whether it is a part of another one."""
        return self.tus.concat == PARTIAL

    @property
    def stand(self) -> Stand:
        """Where it stands."""
        final = bool(self.tus.concat) and not self.partial
        return Stand(self.upload.received, self.upload.size, final=final)

    @property
    def status(self) -> Status:
        """What is said of it."""
        image = self.stand.complete and not self.partial
        return Status(
            self.stand,
            self.tus.metadata,
            self.tus.concat,
            self.upload.expires_at,
            str(self.upload.ref) if image else None,
        )


class TusUploads:
    """Finds uploads."""

    def __init__(self, database: Database, holds: Holds) -> None:
        self._database = database
        self._holds = holds

    async def tenant_of(self, upload: int) -> int:
        """Return whose upload it is; `Problem` not_found when there is none."""
        async with self._database.lookup() as connection:
            tenant = await tenant_of_upload(connection, upload)
        if tenant is None:
            raise no_upload()
        return tenant

    async def get(self, tenant: int, upload: int) -> Found:
        """Return the upload; `Problem` not_found, upload.expired or upload.aborted when there is nothing more to it."""
        async with self._database.transaction(tenant) as connection:
            row, tus = await get_upload(connection, upload), await get_tus_upload(connection, upload)
        if row is None or row.method is not Method.TUS:
            raise no_upload()
        refuse_if_over(row)
        if row.state is UploadState.REJECTED and row.received != row.size:  # its first bytes were enough
            raise Problem(Code.UPLOAD_ABORTED, "This upload was refused: its bytes are not those of an accepted image.")
        return Found(row, tus)

    async def settled(self, tenant: int, upload: int) -> Found:
        """Likewise, when whoever receives it has put down what it has."""
        await self._holds.ask(tenant, upload)
        return await self.get(tenant, upload)
