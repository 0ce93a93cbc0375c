"""How bytes come in, whichever story wants them: received, examined, cleaned, stored, and only then committed.

Receive into staging, cut off at the kind's limit; refuse what is no accepted image as soon as its first bytes tell;
examine and sanitise; store the bytes durably. Rows are the story's: it claims the blob in its own transaction.

How it fails: any refusal leaves nothing, because staging has no name and rows come last. A crash after the blob was
stored and before the commit leaves a blob that nothing refers to, which `gc` removes. A purge of the same bytes that
races with us is ordered by the blob's row lock: whoever comes second sees what the first did, and we store the bytes
again when they went.
"""

import asyncio
import hashlib
import mmap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Generic, Protocol, TypeVar

from tintype.db.blobs import lock_blob_for_upload
from tintype.db.pool import Connection
from tintype.domain.digest import refuse_other_bytes
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.keys import original_key
from tintype.domain.kind import UploadKind
from tintype.imaging.examine import examine, stored_chunks
from tintype.imaging.examined import Examined
from tintype.imaging.sniff import SNIFF_BYTES, sniff
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull, Chunks
from tintype.ports.staging import Staging

STORE_RETRY_SECONDS: Final = 5


class Expectation(Protocol):
    """What is said about the bytes that come."""

    @property
    def kind(self) -> UploadKind:
        """Whose limits they keep."""
        ...

    @property
    def sha256(self) -> bytes | None:
        """Of the bytes, when the caller knows it: others are refused."""
        ...


E = TypeVar("E", bound=Expectation)
E_co = TypeVar("E_co", bound=Expectation, covariant=True)


class Incoming(Protocol[E_co]):
    """A request on its way in. In a form, fields may come after the file."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file, once."""
        ...

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kinds that the image may still turn out to be: one, when it is known."""
        ...

    def submission(self) -> E_co:
        """Return what is said about the image; complete when `chunks` has ended."""
        ...


@dataclass(frozen=True, slots=True)
class CleanBytes:
    """Sanitised bytes: how to read them, and what they are."""

    examined: Examined
    source_sha256: bytes
    sha256: bytes
    size: int
    chunks: Chunks
    file: BinaryIO | None = None
    """As it was sent, when that was clean: it may be kept as it is."""


@dataclass(frozen=True, slots=True)
class Received(Generic[E]):
    """Bytes that are all there, and what is said about them. They can be read until the end of the block."""

    submission: E
    source_sha256: bytes
    file: BinaryIO

    async def cleaned(self) -> CleanBytes:
        """Return the bytes as they are to be stored; `Problem` when they are no image that the kind takes."""
        return await asyncio.to_thread(_sanitise, self.file, self.source_sha256, self.submission.kind)


class Intake:
    """Takes bytes in."""

    def __init__(self, *, blobs: BlobStore, staging: Staging) -> None:
        self._blobs = blobs
        self._staging = staging

    @asynccontextmanager
    async def receive(self, incoming: Incoming[E]) -> AsyncIterator[Received[E]]:
        """Give what came in.

        `Problem` when they are refused, or when the block finds that they cannot be stored; nothing of them is kept.
        """
        with telling_of_storage():
            async with self._staging.open() as staged:
                async for chunk in _checked(incoming):
                    await staged.write(chunk)
                submission = incoming.submission()
                if staged.size > submission.kind.limits.max_bytes:
                    raise _too_large(submission.kind.limits.max_bytes)
                file, source_sha256 = await staged.finish()
                refuse_other_bytes(submission.sha256, source_sha256)
                yield Received(submission, source_sha256, file)

    async def store(self, tenant: int, clean: CleanBytes) -> None:
        """Store the bytes durably; they are nobody's until they are claimed."""
        key = original_key(tenant, clean.sha256)
        await self._blobs.put(key, clean.chunks, size=clean.size, sha256=clean.sha256.hex(), file=clean.file)

    async def claim(self, connection: Connection, tenant: int, clean: CleanBytes, *, owner: int | None = None) -> bool:
        """Hold the blob until the transaction ends: its row is there, and its bytes, which a purge may have taken.

        Returns whether `owner` had it before.
        """
        had = await lock_blob_for_upload(
            connection, tenant=tenant, sha256=clean.sha256, size=clean.size, fmt=clean.examined.format, owner=owner
        )
        if await self._blobs.head(original_key(tenant, clean.sha256)) is None:
            await self.store(tenant, clean)
        return had


@contextmanager
def telling_of_storage() -> Iterator[None]:
    """Turn what a store says of itself into a `Problem`: storage.full or unavailable."""
    try:
        yield
    except BlobStoreFull as error:
        raise Problem(Code.STORAGE_FULL, "The server has no room for this image. Nothing was kept.") from error
    except BlobStoreFailed as error:
        raise Problem(
            Code.UNAVAILABLE,
            "The image could not be stored safely. Nothing was kept; try again in a moment.",
            retry_after=STORE_RETRY_SECONDS,
        ) from error


async def _checked(incoming: Incoming[Any]) -> AsyncIterator[bytes]:
    """Give the chunks, refusing them as soon as they are too many or the first are those of no accepted image."""
    size, head, sniffed = 0, b"", False
    async for chunk in incoming.chunks():
        size += len(chunk)
        refuse_if_longer(size, incoming.kinds())
        if not sniffed:
            head += chunk[:SNIFF_BYTES]
            sniffed = len(head) >= SNIFF_BYTES
            if sniffed:
                refuse_unless_accepted(head, incoming.kinds())
        yield chunk
    if size == 0:
        raise Problem(Code.UPLOAD_EMPTY, "The file is empty. Choose one that has bytes in it.")


def refuse_if_longer(size: int, kinds: tuple[UploadKind, ...]) -> None:
    """Raise `Problem` when `size` (bytes) is more than any of the kinds takes."""
    most = max(kind.limits.max_bytes for kind in kinds)
    if size > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(
        Code.IMAGE_TOO_LARGE, f"The file is larger than {most:,} bytes, the most that is accepted. Send a smaller one."
    )


def refuse_unless_accepted(head: bytes, kinds: tuple[UploadKind, ...]) -> None:
    """Raise `Problem` unless the first bytes of a file are those of an image that one of the kinds takes."""
    formats = frozenset[Format]().union(*(kind.limits.formats for kind in kinds))
    if sniff(head) not in formats:
        raise Problem(
            Code.IMAGE_UNSUPPORTED_FORMAT,
            f"These bytes are not an image of an accepted format. Send one of: {', '.join(sorted(formats)).upper()}.",
        )


def _sanitise(file: BinaryIO, source_sha256: bytes, kind: UploadKind) -> CleanBytes:
    source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    examined = examine(source, kind.limits)

    def chunks() -> Iterator[bytes | memoryview]:
        return stored_chunks(source, examined)

    if examined.clean:
        return CleanBytes(examined, source_sha256, source_sha256, len(source), chunks, file)
    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    return CleanBytes(examined, source_sha256, digest.digest(), size, chunks)
