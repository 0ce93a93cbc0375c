"""Copies every blob from one store to another while the product writes to both: what `tintype move-blobs` does.

Both are listed side by side, in the order of keys, so that a run costs a listing and what is missing, and goes on where
it was cut off by beginning again. A blob is read, hashed, compared with what its own name says of it, and put, which
verifies it again: what rotted is named and not copied.

What is deleted meanwhile must not come back. The product deletes in the order (first, second) of `blobs_mirrored.py`.
*To the mirror*: after a put we look whether the source still has the blob. If not, a delete came between, and we remove
what we put; an upload of the same bytes that came between, too, wrote to the source before it wrote to the target, so
we look again, and copy again when it is back. *From the mirror*: the product looks at the target once more when it has
deleted from both, and removes what we put. What we put later than that, or before we were killed, no row knows: nobody
is served it, and `gc` removes it, which holds the lock that an upload of the same bytes would wait for.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from tintype.domain.keys import PROBE_PREFIX, named_digest
from tintype.ports.blobs import BlobInfo, BlobMismatch, BlobMissing, BlobStore, BlobStoreFailed, BlobStoreFull

AT_ONCE: Final = 8
"""Copies under way: each waits for two stores most of its time."""

READ_BYTES: Final = 2**20


@dataclass(slots=True)
class MoveReport:
    """What a run found and did."""

    looked: int = 0
    copied: int = 0
    copied_bytes: int = 0
    gone: int = 0
    failed: list[str] = field(default_factory=list)


class BlobMove:
    """Copies what `target` lacks of `source`; `to_mirror` says that the product deletes from `source` first."""

    def __init__(
        self, source: BlobStore, target: BlobStore, *, to_mirror: bool, step: Callable[[MoveReport], None]
    ) -> None:
        """`step` is called for each key that was looked at."""
        self._source = source
        self._target = target
        self._to_mirror = to_mirror
        self._step = step

    async def run(self) -> MoveReport:
        """Go through both stores once. Raises `BlobStoreFailed` when one of them cannot be listed."""
        report, waiting = MoveReport(), list[str]()
        async for key in self._missing(report):
            waiting.append(key)
            if len(waiting) == AT_ONCE:
                await asyncio.gather(*(self._move(key, report) for key in waiting))
                waiting = []
        await asyncio.gather(*(self._move(key, report) for key in waiting))
        return report

    async def _missing(self, report: MoveReport) -> AsyncIterator[str]:
        """Give each key that the target has not got, or not whole."""
        there = self._target.list()
        found = await anext(there, None)
        async for blob in self._source.list():
            report.looked += 1
            self._step(report)
            while found is not None and found.key < blob.key:
                found = await anext(there, None)
            if not _same(found, blob) and not blob.key.startswith(PROBE_PREFIX):
                yield blob.key

    async def _move(self, key: str, report: MoveReport) -> None:
        try:
            size = await self._copy(key)
        except BlobMissing:
            report.gone += 1
        except (BlobMismatch, BlobStoreFailed, BlobStoreFull) as error:
            report.failed.append(f"{key}: {error}")
        else:
            report.copied += 1
            report.copied_bytes += size

    async def _copy(self, key: str) -> int:
        """Copy until the two agree, and return the size. Raises `BlobMissing` when there is nothing to copy."""
        while True:
            size = await self._copy_once(key)
            if not self._to_mirror or await self._source.head(key) is not None:
                return size
            await self._target.delete(key)
            if await self._source.head(key) is None:
                raise BlobMissing(key)

    async def _copy_once(self, key: str) -> int:
        async with self._source.open(key) as file:
            size, sha256 = await asyncio.to_thread(_measured, file)
            if not sha256.startswith(named_digest(key)):
                raise BlobMismatch(f"its SHA-256 is {sha256[:16]}…, and not what its name says")

            def chunks() -> Iterator[bytes]:
                file.seek(0)
                return _blocks(file)

            await self._target.put(key, chunks, size=size, sha256=sha256)
        return size


def _same(found: BlobInfo | None, blob: BlobInfo) -> bool:
    return found is not None and found.key == blob.key and found.size == blob.size


def _measured(file: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for block in _blocks(file):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(READ_BYTES):
        yield block
