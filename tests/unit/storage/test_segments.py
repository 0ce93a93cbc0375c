"""Segments of a resumable upload: whole, in order, and durable before they count."""

import hashlib
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.domain.upload import Part
from tintype.ports.blobs import BlobStoreFailed
from tintype.storage import segments
from tintype.storage.segments import Segments

SEGMENT = 10
"""Bytes of a segment here."""


class InMemory:
    """A place for bytes (`ports/staging.py` StagedBytes)."""

    def __init__(self) -> None:
        self.size = 0
        self._content = b""

    async def write(self, chunk: bytes) -> None:
        """Append the chunk."""
        self._content += chunk
        self.size += len(chunk)

    async def finish(self) -> tuple[BinaryIO, bytes]:
        """Return what was written."""
        return io.BytesIO(self._content), hashlib.sha256(self._content).digest()


class Staging:
    """Makes places (`ports/staging.py` Staging), and counts those that are open."""

    def __init__(self) -> None:
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[InMemory]:
        """Give a place."""
        self.opened += 1
        try:
            yield InMemory()
        finally:
            self.opened -= 1

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Nobody asks."""
        raise NotImplementedError


class Upload:
    """An upload: what is durable of it, and what counts. The store fails when it is asked for `fails_at`."""

    def __init__(self, *, offset: int, held_back: bool = False, fails_at: int | None = None) -> None:
        self.durable: dict[int, bytes] = {}
        self.offset = offset
        self.staging = Staging()
        self._fails_at = fails_at
        self.segments = Segments(
            staging=self.staging, store=self._store, count=self._count, offset=offset, held_back=held_back
        )

    async def _store(self, part: Part, file: BinaryIO) -> None:
        await anyio.lowlevel.checkpoint()
        if part.number == self._fails_at:
            raise BlobStoreFailed("it was told to")
        self.durable[part.number] = file.read()

    async def _count(self, parts: Sequence[Part]) -> None:
        for part in parts:
            assert part.number == self.offset
            assert len(self.durable[part.number]) == part.size
            self.offset += part.size

    @property
    def content(self) -> bytes:
        """What is durable, in its order."""
        return b"".join(self.durable[number] for number in sorted(self.durable))


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_BYTES", SEGMENT)
        yield


pieces = st.lists(st.binary(max_size=35) | st.none(), max_size=12)
"""Chunks as they come; None is somebody who asks for what came so far."""


@given(pieces, st.integers(0, 50), st.booleans())
def test_whatever_comes_is_the_same_bytes_in_segments_that_count_in_order(
    given_pieces: list[bytes | None],
    offset: int,
    held_back: bool,  # noqa: FBT001 -- drawn
) -> None:

    async def receive() -> None:
        upload, came = Upload(offset=offset, held_back=held_back), b""
        for piece in given_pieces:
            if piece is None:
                await upload.segments.checkpoint()
                assert upload.offset == (offset if held_back else offset + len(came))
            else:
                await upload.segments.write(piece)
                came += piece
                assert upload.offset <= offset + len(upload.content)
        await upload.segments.finish()
        assert await upload.segments.close() == ()
        assert (upload.content, upload.offset, upload.staging.opened) == (came, offset + len(came), 0)
        assert all(len(found) <= SEGMENT for found in upload.durable.values())

    anyio.run(receive)


def test_a_store_that_fails_is_told_and_nothing_after_it_counts() -> None:
    async def receive() -> None:
        upload = Upload(offset=0, fails_at=10)
        for _ in range(5):  # the third segment comes in while the second one fails
            await upload.segments.write(bytes(5))
        with pytest.raises(BlobStoreFailed):
            await upload.segments.checkpoint()
        assert await upload.segments.close() == ()
        assert (upload.offset, upload.staging.opened) == (10, 0)

    anyio.run(receive)


def test_what_is_held_back_and_never_finished_is_named_to_be_removed() -> None:
    async def receive() -> None:
        upload = Upload(offset=0, held_back=True)
        await upload.segments.write(bytes(25))
        await upload.segments.checkpoint()
        left = await upload.segments.close()
        assert [(part.number, part.size) for part in left] == [(0, 10), (10, 10), (20, 5)]
        assert upload.offset == 0

    anyio.run(receive)
