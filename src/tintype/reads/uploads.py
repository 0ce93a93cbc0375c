"""An upload as whoever began it may look at it: its row, and what of it is there."""

from dataclasses import dataclass, replace

from tintype.db.pool import Database
from tintype.db.uploads import get_parts, get_upload, tenant_of_upload
from tintype.domain.upload import Part, Upload, no_upload
from tintype.reads.tenants import Tenants
from tintype.storage.staged_uploads import StagedUploads


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload, and what lies of it in the store."""

    upload: Upload
    parts: tuple[Part, ...]


class Uploads:
    """Reads uploads."""

    def __init__(self, database: Database, tenants: Tenants, staged: StagedUploads) -> None:
        self._database = database
        self._staged = staged
        self._tenants = tenants

    async def get(self, upload_id: int) -> UploadRecord:
        """Return the upload; `Problem` not_found or tenant.suspended. Who may see it is the caller's to ask."""
        async with self._database.lookup() as connection:
            tenant = await tenant_of_upload(connection, upload_id)
        if tenant is None:
            raise no_upload()
        (await self._tenants.get(tenant)).refuse_if_suspended()
        async with self._database.transaction(tenant) as connection:
            upload = await get_upload(connection, upload_id)
            parts = await get_parts(connection, upload_id)
        if upload is None:
            raise no_upload()
        return UploadRecord(upload, parts)

    async def there(self, record: UploadRecord) -> UploadRecord:
        """Return the record with what is there by now, where clients write to the store by themselves."""
        parts = tuple(await self._staged.there(record.upload, record.parts))
        return replace(record, parts=parts)
