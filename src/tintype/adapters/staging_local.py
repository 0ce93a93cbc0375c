"""Staging on the local disk, in files without a name: whatever ends the process, the kernel frees them."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from tintype.adapters.verified_bytes import reporting
from tintype.ports.blobs import BlobStoreFull

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
        with reporting():
            for chunk in chunks:
                self._hash.update(chunk)
                rest = memoryview(chunk)
                while rest:  # a disk that is almost full takes a part, and says so only when it is asked again
                    rest = rest[self._file.write(rest) :]


class LocalStaging:
    """Staging in a directory, which should lie on the disk of the blobs: it is written once and read at once.

    It takes nothing once fewer than `reserve_bytes` are free there.
    """

    def __init__(self, directory: Path, *, reserve_bytes: int = 0) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LocalStagedBytes]:
        """Give an empty file, gone at the end of the block. Raises `BlobStoreFull`, `BlobStoreFailed`."""
        file = await asyncio.to_thread(self._nameless)
        try:
            yield LocalStagedBytes(file)
        finally:
            await asyncio.to_thread(_discard, file)

    def _nameless(self) -> BinaryIO:
        with reporting():
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize < self._reserve_bytes:
                raise BlobStoreFull(f"fewer than {self._reserve_bytes:,} bytes are free in {self._directory}")
            return cast("BinaryIO", tempfile.TemporaryFile(dir=self._directory, buffering=0))


def _discard(file: BinaryIO) -> None:
    """Close a file that nobody reads again: a disk that fails now has nothing left to lose."""
    with suppress(OSError):
        file.close()
