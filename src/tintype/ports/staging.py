"""Where the bytes of a request wait until they were examined: local scratch that a crash leaves nothing of."""

from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Protocol


class StagedBytes(Protocol):
    """Bytes on their way in. Memory stays flat whatever their number."""

    size: int

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`; `BlobStoreFull` or `BlobStoreFailed` of `ports/blobs.py` when the disk does not take it."""
        ...

    async def finish(self) -> tuple[BinaryIO, bytes]:
        """Return the file, readable by any thread, and the SHA-256 (32 bytes) of what was written.

        One of more than 64 MiB may have no descriptor: it is there to be read, from its beginning on.
        """
        ...


class Staging(Protocol):
    """Makes places for incoming bytes; each is gone at the end of its block, and after any crash."""

    def open(self) -> AbstractAsyncContextManager[StagedBytes]:
        """Give an empty place."""
        ...

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name what a crash left all the same, untouched for so long; remove it if `remove` says so."""
        ...
