"""Staging on the local disk, in files without a name: whatever ends the process, the kernel frees them."""

import asyncio
import errno
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull

FLUSH_BYTES: Final = 512 * 1024
"""Chunks of the network (64 kB) are joined before they go to a thread: a hop costs as much as writing this."""


class LocalStagedBytes:
    """One file without a name."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`."""
        self.size += len(chunk)
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= FLUSH_BYTES:
            await asyncio.to_thread(self._flush)

    async def finish(self) -> tuple[BinaryIO, bytes]:
        """Return the file and the SHA-256 of what was written."""
        await asyncio.to_thread(self._flush)
        return self._file, self._hash.digest()

    def _flush(self) -> None:
        chunks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        try:
            for chunk in chunks:
                self._hash.update(chunk)
                self._file.write(chunk)
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise (BlobStoreFull if full else BlobStoreFailed)(str(error)) from error


class LocalStaging:
    """Staging in a directory, which should lie on the disk of the blobs: it is written once and read at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LocalStagedBytes]:
        """Give an empty file, gone at the end of the block."""
        file = await asyncio.to_thread(self._nameless)
        try:
            yield LocalStagedBytes(file)
        finally:
            await asyncio.to_thread(file.close)

    def _nameless(self) -> BinaryIO:
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._directory, buffering=0))
