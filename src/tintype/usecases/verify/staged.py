"""Staged bytes held against the uploads that they belong to: what was acknowledged is there, and nothing else is."""

from typing import Final

from tintype.db.uploads import StagedPart, get_part, get_upload, staged_page
from tintype.domain.ids import image_name
from tintype.domain.invariant import Invariant
from tintype.domain.upload import ENDED
from tintype.ports.blobs import BlobInfo
from tintype.storage.staged_uploads import StagedUploads, key_of
from tintype.usecases.verify.run import Run

PAGE_ROWS: Final = 1000


async def verify_staged_rows(run: Run, tenant: int) -> None:
    """Go through the pieces that rows of the tenant say are there."""
    after = (-1, -1)
    while True:
        async with run.database.transaction(tenant) as connection:
            page = await staged_page(connection, tenant=tenant, after=after, limit=PAGE_ROWS)
        for found in page:
            await _verify_row(run, tenant, found)
        if len(page) < PAGE_ROWS:
            return
        after = (page[-1].upload, page[-1].part.number)


async def _verify_row(run: Run, tenant: int, found: StagedPart) -> None:
    """Look for the bytes, and, where they are not, once more at the row: the upload may have ended meanwhile."""
    for _ in range(2):
        async with run.database.transaction(tenant) as connection:
            upload = await get_upload(connection, found.upload)
            part = await get_part(connection, found.upload, found.part.number)
        if upload is None or upload.state in ENDED or part is None:
            return
        there = await run.blobs.head(key_of(upload, part))
        if there is not None and there.size == part.size:
            return
    number = found.part.number
    run.accuse(Invariant.DURABLE, f"the bytes of part {number} of the upload of {image_name(found.upload)} are lost")


async def verify_staged_file(run: Run, file: BlobInfo, tenant: int, upload_id: int) -> None:
    """Accuse a staged file that is nobody's any more, once the upload that wrote it had its time."""
    if not run.is_overdue(file) or await StagedUploads(run.database, run.blobs).is_wanted(tenant, upload_id, file.key):
        return
    if await run.blobs.head(file.key) is not None:
        run.accuse(Invariant.REFERENCES, f"no upload knows {file.key}")
