"""Staging on the local disk, in files without a name: whatever ends the process, the kernel frees them."""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from tintype.adapters.blob_listing import abandoned
from tintype.adapters.verified_bytes import reporting
from tintype.ports.blobs import BlobStoreFull

FLUSH_BYTES: Final = 512 * 1024
"""Chunks of the network (64 kB) are joined before they go to a thread: a hop costs as much as writing this. More of an
upload comes in while this is written, so each holds up to twice as much in memory."""


_O_TMPFILE: Final[int] = getattr(os, "O_TMPFILE", 0)
_NO_TMPFILE: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT})
"""What file systems and kernels without `O_TMPFILE` say (open(2)); a directory that is gone says so again."""


class LocalStagedBytes:
    """One file without a name, which is made while the first bytes come in."""

    def __init__(self, make: Callable[[], BinaryIO]) -> None:
        self.size = 0
        self._make = make
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._under_way = self._begin([])

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`. That the disk did not take it may be told by the next one."""
        self.size += len(chunk)
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= FLUSH_BYTES:
            await self._flush()

    async def finish(self) -> tuple[BinaryIO, bytes]:
        """Return the file and the SHA-256 of what was written."""
        return await asyncio.shield(await self._flush()), self._hash.digest()

    def discard(self) -> None:
        """Have the file closed as soon as nobody writes to it: its number must not be another file's by then."""
        self._under_way.add_done_callback(self._close_later)

    def _close_later(self, under_way: asyncio.Future[BinaryIO]) -> None:
        if not under_way.cancelled():
            under_way.exception()  # who waited for it was told, and nobody else wants to know
        under_way.get_loop().run_in_executor(None, self._close)

    async def _flush(self) -> asyncio.Future[BinaryIO]:
        """Begin to write what waits, once what was begun before is written. A cancelled caller cancels no write."""
        await asyncio.shield(self._under_way)
        chunks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._under_way = self._begin(chunks)
        return self._under_way

    def _begin(self, chunks: list[bytes]) -> asyncio.Future[BinaryIO]:
        return asyncio.get_running_loop().run_in_executor(None, self._append, chunks)

    def _append(self, chunks: list[bytes]) -> BinaryIO:
        data = b"".join(
            chunks
        )  # each call for the hash or the disk gives the interpreter up, and waits to have it back
        with reporting():
            if self._file is None:
                self._file = self._make()
            self._hash.update(data)
            self._write(self._file, data)
            return self._file

    def _write(self, file: BinaryIO, data: bytes) -> None:
        """Append the data to the file as it is to lie there. Raises `OSError`."""
        rest = memoryview(data)
        while rest:  # a disk that is almost full takes a part, and says so only when it is asked again
            rest = rest[file.write(rest) :]

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a disk that fails now has nothing left to lose
                self._file.close()


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
        """Give an empty file, gone at the end of the block."""
        staged = self._make()
        try:
            yield staged
        finally:
            staged.discard()

    def _make(self) -> LocalStagedBytes:
        return LocalStagedBytes(self._nameless)

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name the files that have a name, which they have for a moment only; see `Staging.leftovers`."""
        return await asyncio.to_thread(abandoned, self._directory, older_seconds, remove=remove)

    def _nameless(self) -> BinaryIO:
        with reporting():
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize < self._reserve_bytes:
                raise BlobStoreFull(f"fewer than {self._reserve_bytes:,} bytes are free in {self._directory}")
            return _made_nameless(self._directory)


def _made_nameless(directory: Path) -> BinaryIO:
    """Return an empty file that a blob store on the same disk may give a name: `tempfile`'s own can have none."""
    try:
        descriptor = os.open(directory, os.O_RDWR | _O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        return cast("BinaryIO", tempfile.TemporaryFile(dir=directory, buffering=0))
    return os.fdopen(descriptor, "r+b", buffering=0)
