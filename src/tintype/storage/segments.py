"""Bytes of a resumable upload on their way to the store: cut into segments, each durable before it counts.

Bytes come into staging without a name; when a segment is full, or no more come, it is put into the store under a name
of its own, and only then counted (`Count`), in order. While one segment is made durable the next comes in, and no more
than that: what is not durable yet is at most two segments, on the disk. A name has the segment's SHA-256 in it, so that
two who receive the same upload (one of them in vain) never write to one name.

A body with a checksum is *held back*: its segments are made durable as they come, and count all together when its end
shows that they are what they were said to be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import BinaryIO, Final

from tintype.domain.errors import Problem
from tintype.domain.upload import Part
from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull
from tintype.ports.staging import StagedBytes, Staging

SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""Of a segment. Each costs a flush of the disk and a commit; on S3 a part has at least 5 MiB."""

Store = Callable[[Part, BinaryIO], Awaitable[None]]
"""Makes a segment durable, read from a file that nobody writes to any more."""

Count = Callable[[Sequence[Part]], Awaitable[None]]
"""Has the upload go on to the end of these segments, which are durable; `Problem` when it may not."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """One that is coming in, and what ends its place in staging."""

    start: int
    staged: StagedBytes
    place: AsyncExitStack


class Segments:
    """Receives the bytes of one request, from `offset` on."""

    def __init__(self, *, staging: Staging, store: Store, count: Count, offset: int, held_back: bool) -> None:
        self._staging = staging
        self._store = store
        self._count = count
        self._held_back = held_back
        self._next = offset
        self._stored: list[Part] = []
        self._incoming: _Segment | None = None
        self._storing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes; an earlier segment that could not be stored is told here, too."""
        async with self._lock:
            while chunk:
                segment = await self._open()
                room = SEGMENT_BYTES - segment.staged.size
                await segment.staged.write(chunk[:room])
                self._next += min(room, len(chunk))
                chunk = chunk[room:]

    async def checkpoint(self) -> None:
        """Have all that came in made durable, and counted unless it is held back."""
        async with self._lock:
            await self._put_away()
            await self._stored_all()

    async def finish(self) -> None:
        """Have everything durable and counted."""
        await self.checkpoint()
        if self._stored:
            await self._count(self._stored)
            self._stored = []

    async def close(self) -> tuple[Part, ...]:
        """Let go of what came in, and return what is durable and does not count."""
        with suppress(Problem, BlobStoreFailed, BlobStoreFull):
            await self._stored_all()
        if self._incoming is not None:
            await self._incoming.place.aclose()
        return tuple(self._stored)

    async def _open(self) -> _Segment:
        """Return the segment that has room for a byte more."""
        if self._incoming is not None and self._incoming.staged.size >= SEGMENT_BYTES:
            await self._put_away()
        if self._incoming is None:
            place = AsyncExitStack()
            self._incoming = _Segment(self._next, await place.enter_async_context(self._staging.open()), place)
        return self._incoming

    async def _put_away(self) -> None:
        """Begin to store what came in, once what came before it is stored."""
        await self._stored_all()
        if self._incoming is not None:
            self._storing = asyncio.create_task(self._make_durable(self._incoming))
            self._incoming = None

    async def _stored_all(self) -> None:
        if self._storing is not None:
            await asyncio.wait({self._storing})  # who is cancelled here cancels no write
            storing, self._storing = self._storing, None
            storing.result()

    async def _make_durable(self, segment: _Segment) -> None:
        async with segment.place:
            file, sha256 = await segment.staged.finish()
            part = Part(segment.start, segment.staged.size, sha256)
            await self._store(part, file)
        if self._held_back:
            self._stored.append(part)
        else:
            await self._count([part])
