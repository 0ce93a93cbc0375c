"""Small files that are asked for again and again, kept in memory.

Opening a file anew and reading it in another thread takes twice as long as all else that a thumbnail of 20 kB costs. A
key names the same bytes for ever, so nothing here can be out of date; whether anybody may have them was decided before.
"""

from collections import OrderedDict
from typing import Final

from tintype.ports.blobs import BlobMissing, BlobStore
from tintype.web.delivery_answer import StoredFile

SMALL_BYTES: Final = 64 * 1024
"""Thumbnails of up to 600 pixels; above it the kernel's own way wins back what the opening costs."""

BUDGET_BYTES: Final = 32 * 1024 * 1024
"""Some thousand thumbnails, and little beside the 150 MB of an API process."""


class SmallFiles:
    """The most recently asked for small files of a blob store."""

    def __init__(self, blobs: BlobStore, *, budget: int = BUDGET_BYTES) -> None:
        self._blobs = blobs
        self._budget = budget
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def read(self, file: StoredFile) -> bytes | None:
        """Return the file's bytes, or None when it is not small: send it as any other then.

        `BlobMissing` when it is lost.
        """
        if file.size > SMALL_BYTES:
            return None
        content = self._contents.get(file.key)
        if content is not None:
            self._contents.move_to_end(file.key)
            return content
        return await self._load(file)

    async def _load(self, file: StoredFile) -> bytes:
        content = b"".join([chunk async for chunk in await self._blobs.read(file.key)])
        if len(content) != file.size:
            raise BlobMissing(file.key)
        self._keep(file.key, content)
        return content

    def _keep(self, key: str, content: bytes) -> None:
        if key in self._contents:  # another request loaded it meanwhile
            return
        self._contents[key] = content
        self._bytes += len(content)
        while self._bytes > self._budget:
            _, oldest = self._contents.popitem(last=False)
            self._bytes -= len(oldest)
