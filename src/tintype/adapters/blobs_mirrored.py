"""Two blob stores as one, while blobs move from one to the other.

All that is written is in both, and all that is deleted is gone from both.
Reads ask the first store, and the second for what the first does not have (yet). The two may change places at any
moment, node by node: whoever has them in this order and whoever has them in the other write to both and find
everything. A write is acknowledged when it is durable in both, so one that is away costs uploads a 503 and no bytes.

A delete looks at the first store once more when both have done it: `move_blobs.py`, which copies from the second one
meanwhile, may have put the blob back between the two.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from tintype.ports.blobs import BlobInfo, BlobMissing, BlobStore, Chunks


class MirroredBlobStore:
    """The store that counts, and its mirror."""

    def __init__(self, first: BlobStore, second: BlobStore) -> None:
        self.first = first
        self.second = second
        self.uploads = getattr(first, "uploads", None)
        """What clients put straight into the first store is staged there alone, and found."""

    async def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:
        """Store the bytes in both; see `BlobStore.put`. They are new when the first store had not got them."""
        new = await self.first.put(key, chunks, size=size, sha256=sha256)  # `file` may be taken in once alone
        await self.second.put(key, chunks, size=size, sha256=sha256, file=file)
        return new

    async def read(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes of whichever has them; see `BlobStore.read`."""
        try:
            return await self.first.read(key, offset=offset, length=length)
        except BlobMissing:
            return await self.second.read(key, offset=offset, length=length)

    @asynccontextmanager
    async def open(self, key: str, *, fresh: bool = False) -> AsyncIterator[BinaryIO]:
        """Give the file of whichever has it; see `BlobStore.open`."""
        store = self.first if await self.first.head(key) is not None else self.second
        async with store.open(key, fresh=fresh) as file:
            yield file

    async def head(self, key: str) -> BlobInfo | None:
        """Return what is stored in the first, else in the second."""
        return await self.first.head(key) or await self.second.head(key)

    async def copy(self, source: str, target: str) -> None:
        """Copy within each store; one that has no source is given the other's bytes by the next move."""
        done = 0
        for store in (self.first, self.second):
            try:
                await store.copy(source, target)
            except BlobMissing:
                continue
            done += 1
        if not done:
            raise BlobMissing(source)

    async def delete(self, key: str) -> bool:
        """Remove the blob from both and return whether either had it."""
        there = [await store.delete(key) for store in (self.first, self.second)]
        if await self.first.head(key) is not None:
            await self.first.delete(key)
        return any(there)

    async def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Give every blob that either has, in the order of keys."""
        first, second = self.first.list(prefix), self.second.list(prefix)
        one, two = await anext(first, None), await anext(second, None)
        while one is not None:
            while two is not None and two.key < one.key:
                yield two
                two = await anext(second, None)
            yield one
            if two is not None and two.key == one.key:
                two = await anext(second, None)
            one = await anext(first, None)
        while two is not None:
            yield two
            two = await anext(second, None)

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name what either has half-written; see `BlobStore.leftovers`."""
        found = await asyncio.gather(
            *(store.leftovers(older_seconds=older_seconds, remove=remove) for store in (self.first, self.second))
        )
        return (*found[0], *found[1])

    def path(self, key: str) -> Path | None:
        """Return where a kernel can read the blob from, if the first store is such and has it.

        It looks: what only the second has must be read from there. A name is looked up in memory or on a local disk.
        """
        path = self.first.path(key)
        return path if path is not None and path.exists() else None
