"""The story of what a tus client said of an upload that was reserved just now: it is kept, because HEAD repeats it.

How it fails: the client is told, and begins again; the reservation, whose address nobody was given, expires.
"""

from tintype.db.pool import Database
from tintype.db.tus import insert_tus_upload
from tintype.domain.upload import Upload


class NoteTusUpload:
    """Writes down what tus clients say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, upload: Upload, metadata: str, concat: str) -> None:
        """Keep the headers `Upload-Metadata` and `Upload-Concat` as they were sent."""
        if metadata or concat:
            async with self._database.transaction(upload.tenant) as connection:
                await insert_tus_upload(
                    connection, tenant=upload.tenant, upload=upload.id, metadata=metadata, concat=concat
                )
