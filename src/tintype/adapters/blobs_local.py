"""The blob store on the local disk: `BlobDirectory` behind the port, in threads of its own.

Nothing blocks the event loop: each call is one job of a bounded pool, and a put is one hop however long it takes. A
task that is cancelled leaves its job running; the blob is then whole or absent like any other. Those who write have
threads of their own: a disk that takes seconds to flush holds up no reader (I12), and a writer gives up after a while.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

from tintype.adapters.blob_directory import BlobDirectory
from tintype.adapters.verified_bytes import READ_BYTES, forget_pages, read_block
from tintype.ports.blobs import BlobInfo, BlobStoreFailed, Chunks, check_prefix

THREADS: Final = 16
"""Jobs at once. They wait for the disk, not for a core: a disk takes about this many requests at a time, and flushes
that arrive together share one commit of the journal."""

WRITE_SECONDS: Final = 20.0
"""How long a write may take, with its wait for a thread. A good disk needs 0.02 s for 10 MB, a bad one a second; one
that takes this long hangs, and whoever uploads is told so while they still listen."""

LIST_BATCH: Final = 500
"""Blobs described per hop to a thread: some 100 kB."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LocalBlobStore:
    """Blobs in a directory of this machine. Made by `root`; everything there is made when first needed."""

    def __init__(self, root: Path, *, threads: int = THREADS) -> None:
        self._directory: BlobDirectory = BlobDirectory(root)
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="blobs-read")
        self._writers = ThreadPoolExecutor(threads, thread_name_prefix="blobs-write")

    async def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:
        """Store the bytes; see `BlobStore.put`. `chunks` is called and consumed in the thread."""
        return await self._write(self._directory.put, key, chunks, size=size, sha256=sha256, file=file)

    async def read(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes in chunks of at most READ_BYTES; see `BlobStore.read`. Whoever calls this iterates."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError("a range has no negative numbers")
        file = await self._run(self._directory.open, key)
        file.seek(offset)
        return self._chunks(file, length)

    @asynccontextmanager
    async def open(self, key: str, *, fresh: bool = False) -> AsyncIterator[BinaryIO]:
        """Give the blob's own file."""
        with await self._run(self._directory.open, key) as file:
            if fresh:
                forget_pages(file.fileno())
            yield file

    async def head(self, key: str) -> BlobInfo | None:
        """Return what is stored under `key`, or None."""
        return await self._run(self._directory.head, key)

    async def copy(self, source: str, target: str) -> None:
        """Store the bytes of `source` under `target` too; see `BlobStore.copy`."""
        await self._write(self._directory.copy, source, target)

    async def delete(self, key: str) -> bool:
        """Remove the blob durably and return whether it was there."""
        return await self._remove(self._directory.delete, key)

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Give every blob whose key begins with `prefix`, in the order of keys."""
        check_prefix(prefix)
        return self._listed(prefix)

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name what is half-written; see `BlobStore.leftovers`."""
        return await self._run(self._directory.leftovers, older_seconds=older_seconds, remove=remove)

    def path(self, key: str) -> Path | None:
        """Return the absolute path, for the kernel or nginx to read from."""
        return self._directory.locate(key)

    def close(self) -> None:
        """Wait for what is under way and end the threads; nothing can be asked afterwards."""
        self._writers.shutdown()
        self._readers.shutdown()

    async def _chunks(self, file: BinaryIO, remaining: int | None) -> AsyncIterator[bytes]:
        with file:
            while remaining is None or remaining > 0:
                wanted = READ_BYTES if remaining is None else min(READ_BYTES, remaining)
                chunk = await self._run(read_block, file, wanted)
                if not chunk:
                    return
                if remaining is not None:
                    remaining -= len(chunk)
                yield chunk

    async def _listed(self, prefix: str) -> AsyncIterator[BlobInfo]:
        walk = self._directory.walk(prefix)
        while batch := await self._run(_next_batch, walk):
            for found in batch:
                yield found

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, functools.partial(work, *args, **kwargs))

    async def _write(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `work` returns; `BlobStoreFailed` when it takes too long: it may still come to its end."""
        job = self._writers.submit(functools.partial(work, *args, **kwargs))
        return await self._finished(job, abandon=True)

    async def _remove(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `work` returns; `BlobStoreFailed` when it did not begin in time.

        One that has begun is waited for, however long it takes: whoever removes a file holds a lock on what it is, and
        a file that went after the lock would be somebody else's.
        """
        job = self._writers.submit(functools.partial(work, *args, **kwargs))
        return await self._finished(job, abandon=False)

    async def _finished(self, job: Future[_T], *, abandon: bool) -> _T:
        waiting = asyncio.wrap_future(job)
        waiting.add_done_callback(_take_note)
        try:
            await asyncio.wait({waiting}, timeout=WRITE_SECONDS)
            if not waiting.done() and (job.cancel() or abandon):
                raise BlobStoreFailed(f"the disk did not finish within {WRITE_SECONDS} s")
            return await waiting
        except asyncio.CancelledError:
            job.cancel()
            raise


def _take_note(job: asyncio.Future[_T]) -> None:
    """Look at how a job ended that nobody waits for any more: asyncio would complain otherwise."""
    if not job.cancelled():
        job.exception()


def _next_batch(walk: Generator[BlobInfo, None, None]) -> tuple[BlobInfo, ...]:
    return tuple(islice(walk, LIST_BATCH))
