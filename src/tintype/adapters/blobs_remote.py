"""Blobs in a bucket: S3, Google or Azure, by obstore.

An object appears whole or not at all, and is durable when the store says that it is there. A put of up to PIECE_BYTES
is verified before a byte is sent, and sent once, if nothing has the name yet; a larger one goes in pieces, which the
store puts together only after the last of them was verified. A put that died leaves pieces without a name, which cost
money until `leftovers` finds them.

Every request has its deadline and a bounded number of attempts, so that a store that is away is a failure within
seconds. What is read is fetched piece by piece, the next one when the last one is taken: a slow reader holds a piece
and no connection.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import from_url

from tintype.adapters.remote_errors import told
from tintype.adapters.remote_file import RemoteFile
from tintype.adapters.verified_bytes import verified
from tintype.ports.blobs import BlobInfo, BlobMissing, BlobStoreFailed, Chunks, check_key, check_prefix
from tintype.ports.staging import Staging
from tintype.settings_blobs import OtherBucket

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

PIECE_BYTES: Final = 8 * 2**20
"""What is sent at once, and what a put holds in memory, up to three times while one piece is sent. Nearly every image
is one piece; 10,000 of them, which is what S3 takes, are 80 GB."""

READ_BYTES: Final = 2**20
"""What is read at once for somebody: what they hold in memory when they are slow."""

FETCH_BYTES: Final = 8 * 2**20
"""Likewise for a file of ours, which waits for nobody."""

SOURCES: Final = 8
"""Puts that read their source at once, in threads of their own."""

CONNECT_SECONDS: Final = 2.0
REQUEST_SECONDS: Final = 15.0
"""For one attempt of one request, with all its bytes: a piece at half a megabyte a second."""
ATTEMPTS: Final = 3
RETRY_SECONDS: Final = 5.0
"""No attempt begins later than this after the first: a store that hangs is told as a failure within 20 s."""

ANSWER_SECONDS: Final = 8.0
"""For all attempts of a request that moves no bytes, or at most READ_BYTES."""

PUT_SECONDS: Final = 20.0
SLOWEST_BYTES: Final = 500_000
"""A put may take PUT_SECONDS, and a second for each so many bytes. Whoever uploads is told while they still listen."""

LIST_BATCH: Final = 500
TRUSTED_SECONDS: Final = 30.0
"""How long it is believed that there is a bucket: where there is none, an object is "not found" as any other."""

CLIENT: Final["ClientConfig"] = {
    "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
    "timeout": timedelta(seconds=REQUEST_SECONDS),
}
RETRY: Final["RetryConfig"] = {
    "max_retries": ATTEMPTS - 1,
    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}

_T = TypeVar("_T")


class RemoteBlobStore:
    """Blobs in a bucket, behind whatever prefix `store` has; `scratch` is where whole files of them are put."""

    def __init__(self, store: "ObjectStore", scratch: Staging) -> None:
        self._store = store
        self._scratch = scratch
        self._sources = ThreadPoolExecutor(SOURCES, thread_name_prefix="blobs-source")
        self._seen_bucket = float("-inf")

    async def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:  # noqa: ARG002 -- the bytes have to travel anyway
        """Store the bytes; see `BlobStore.put`. `chunks` is called and consumed in a thread."""
        check_key(key)
        source = _Source(verified(chunks, size, sha256), self._sources)
        if size > PIECE_BYTES:
            if await self._holds(key, size, sha256):
                return False
            return await self._put_in_pieces(key, source, size)
        content = await source.take(size + 1)
        return await self._put_at_once(key, content, sha256)

    async def read(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes in chunks of at most READ_BYTES; see `BlobStore.read`."""
        check_key(key)
        if offset < 0 or (length is not None and length < 0):
            raise ValueError("a range has no negative numbers")
        first, size = await self._fetch(key, offset, READ_BYTES if length is None else min(READ_BYTES, length))
        end = size if length is None else min(size, offset + length)
        return self._chunks(key, first, offset, end)

    @asynccontextmanager
    async def open(self, key: str, *, fresh: bool = False) -> AsyncIterator[BinaryIO]:
        """Give a file without a name that has the bytes, or, `fresh`, one that fetches what is read of it."""
        check_key(key)
        if fresh:
            found = await self._found(key)
            remote = RemoteFile(self._store, key, found.size)
            with BufferedReader(remote, FETCH_BYTES) as reader:
                yield cast("BinaryIO", reader)
            return
        content, size = await self._fetch(key, 0, FETCH_BYTES)
        async with self._scratch.open() as staged:
            while content:
                await staged.write(content)
                content = (await self._fetch(key, staged.size, FETCH_BYTES))[0] if staged.size < size else b""
            file, _sha256 = await staged.finish()
            file.seek(0)
            yield file

    async def head(self, key: str) -> BlobInfo | None:
        """Return what is stored under `key`, or None."""
        check_key(key)
        try:
            return await self._found(key)
        except BlobMissing:
            return None

    async def copy(self, source: str, target: str) -> None:
        """Store the bytes of `source` under `target` too, within the store; see `BlobStore.copy`."""
        check_key(target)
        await self._found(source)
        if source != target:
            await self._done(obstore.copy_async(self._store, source, target), source)

    async def delete(self, key: str) -> bool:
        """Remove the blob and return whether it was there; the store is told even when it seems not to be."""
        there = await self.head(key) is not None
        try:
            await self._done(obstore.delete_async(self._store, key), key)
        except BlobMissing:
            return False
        return there

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Give every blob whose key begins with `prefix`, in the order of keys."""
        check_prefix(prefix)
        return self._listed(prefix)

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: what Google and Azure keep of a put that died they drop by themselves within a week."""
        return ()

    def path(self, key: str) -> Path | None:
        """Return None: no kernel reads from here."""
        check_key(key)
        return None

    def close(self) -> None:
        """End the threads; nothing can be put afterwards."""
        self._sources.shutdown()

    # Writing

    async def _put_at_once(self, key: str, content: bytes, sha256: str) -> bool:
        """Store what was verified, unless it is there; what is there and damaged is replaced."""
        try:
            await self._send(key, content, create=True)
        except AlreadyExistsError:
            if await self._holds(key, len(content), sha256):
                return False
            await self._send(key, content, create=False)
        return True

    async def _send(self, key: str, content: bytes, *, create: bool) -> None:
        """Store an object. Raises obstore's AlreadyExistsError when it is to be new and is not."""
        putting = obstore.put_async(
            self._store, key, content, mode="create" if create else "overwrite", use_multipart=False
        )
        try:
            await self._done(putting, key, seconds=_put_seconds(len(content)))
        except BlobMissing:  # what is not found when something is stored is the bucket
            raise BlobStoreFailed("the store has no such bucket") from None

    async def _put_in_pieces(self, key: str, source: "_Source", size: int) -> bool:
        putting = obstore.put_async(
            self._store, key, source.pieces(PIECE_BYTES), use_multipart=True, chunk_size=PIECE_BYTES, max_concurrency=2
        )
        try:
            await self._done(putting, key, seconds=_put_seconds(size))
        except (BlobStoreFailed, BlobMissing):
            if source.error is not None:  # it was not the store that failed
                raise source.error from None
            raise
        return True

    async def _holds(self, key: str, size: int, sha256: str) -> bool:
        """Return whether the right bytes are there, read again from the store."""
        found = await self.head(key)
        if found is None or found.size != size:
            return False
        digest = hashlib.sha256()
        async for chunk in await self.read(key):
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest() == sha256

    # Reading

    async def _found(self, key: str) -> BlobInfo:
        """Return what is stored under `key`. Raises `BlobMissing`."""
        check_key(key)
        try:
            meta = await self._done(obstore.head_async(self._store, key), key)
        except BlobMissing:
            await self._require_bucket()
            raise
        return BlobInfo(key, meta["size"], meta["last_modified"].timestamp())

    async def _fetch(self, key: str, start: int, length: int) -> tuple[bytes, int]:
        """Return at most `length` bytes from `start`, and the size of the whole. Raises `BlobMissing`."""
        if length == 0:
            return b"", (await self._found(key)).size
        try:
            seconds = ANSWER_SECONDS + length / SLOWEST_BYTES
            return await self._done(self._get(key, start, length), key, seconds=seconds)
        except BlobMissing:
            await self._require_bucket()
            raise
        except BlobStoreFailed:  # a range of nothing, or behind the end, is refused: HTTP 416
            found = await self._found(key)
            if start >= found.size:
                return b"", found.size
            raise

    async def _get(self, key: str, start: int, length: int) -> tuple[bytes, int]:
        answer = await obstore.get_async(self._store, key, options={"range": (start, start + length)})
        content = bytes(await answer.bytes_async())
        if len(content) != min(length, answer.meta["size"] - start):
            raise BlobStoreFailed(f"the store gave {len(content)} bytes of {length}")
        return content, answer.meta["size"]

    async def _chunks(self, key: str, content: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        while content:
            yield content
            start += len(content)
            content = (await self._fetch(key, start, min(READ_BYTES, end - start)))[0] if start < end else b""

    async def _listed(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Give the blobs; obstore compares prefixes word by word, so the last word is compared here."""
        folder, _slash, _rest = prefix.rpartition("/")
        batches = obstore.list(self._store, folder or None, chunk_size=LIST_BATCH).__aiter__()
        while True:
            try:
                batch = await self._done(anext(batches))
            except StopAsyncIteration:
                return
            for meta in batch:
                key = meta["path"]
                if key.startswith(prefix) and _is_key(key):
                    yield BlobInfo(key, meta["size"], meta["last_modified"].timestamp())

    async def _require_bucket(self) -> None:
        """Raise `BlobStoreFailed` unless there is a bucket to miss something in."""
        if time.monotonic() - self._seen_bucket < TRUSTED_SECONDS:
            return
        try:
            await self._done(anext(obstore.list(self._store, chunk_size=1).__aiter__(), None))
        except BlobMissing:
            raise BlobStoreFailed("the store has no such bucket") from None
        self._seen_bucket = time.monotonic()

    async def _done(self, request: Awaitable[_T], key: str = "", *, seconds: float = ANSWER_SECONDS) -> _T:
        with told(key):
            async with asyncio.timeout(seconds):
                return await request


def other_store(place: OtherBucket, scratch: Staging) -> RemoteBlobStore:
    """Return the store of a bucket of Google or Azure, with the credentials that obstore finds by itself."""
    url = f"{place.scheme}://{place.bucket}/{place.prefix}"
    return RemoteBlobStore(from_url(url, client_options=CLIENT, retry_config=RETRY), scratch)


class _Source:
    """What a put stores, read in a thread and verified on the way."""

    def __init__(self, chunks: Iterator[memoryview], threads: ThreadPoolExecutor) -> None:
        self._chunks = chunks
        self._threads = threads
        self.error: BaseException | None = None
        """What ended it: a source that failed, or bytes that are not the promised ones."""

    async def take(self, length: int) -> bytes:
        """Return the next bytes: at least so many, or the rest, verified to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._taken, length)

    async def pieces(self, length: int) -> AsyncIterator[bytes]:
        """Give everything in pieces of about that length; the last one only when all of them were verified."""
        try:
            held = await self.take(length)
            while following := await self.take(length):
                yield held
                held = following
            yield held
        except BaseException as error:
            self.error = error
            raise

    def _taken(self, length: int) -> bytes:
        taken = bytearray()
        for chunk in self._chunks:
            taken += chunk
            if len(taken) >= length:
                break
        return bytes(taken)


def _put_seconds(size: int) -> float:
    return PUT_SECONDS + size / SLOWEST_BYTES


def _is_key(key: str) -> bool:
    """Return whether one of ours can be named so: a bucket may hold what others put there."""
    try:
        check_key(key)
    except ValueError:
        return False
    return True
