"""Blobs on their way from one store to another, in both directions, while somebody uploads and deletes."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from s3_server import S3Server
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.adapters.blobs_mirrored import MirroredBlobStore
from tintype.adapters.blobs_s3 import S3BlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.domain.keys import original_key
from tintype.ports.blobs import BlobMissing, BlobStore
from tintype.settings_blobs import S3Bucket, place_of, s3_credentials
from tintype.storage.blob_moves import BlobMove, MoveReport

pytestmark = pytest.mark.anyio

KEYS = ("1/original/ab/cd/abcd", "1/thumb/ab/cd/abcd-0123.webp", "journal/purges/2026-11-20/1.json")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LocalBlobStore]:
    store = LocalBlobStore(tmp_path / "blobs")
    yield store
    store.close()


@pytest.fixture
def another_disk(tmp_path: Path) -> Iterator[LocalBlobStore]:
    store = LocalBlobStore(tmp_path / "other")
    yield store
    store.close()


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> S3BlobStore:
    place = place_of(s3_server.shared_bucket.url(f"moves/{tmp_path.name}"))
    assert isinstance(place, S3Bucket)
    return S3BlobStore(place, s3_credentials(s3_server.environment), LocalStaging(tmp_path / "staging"))


async def put(store: BlobStore, key: str, content: bytes) -> None:
    await store.put(key, lambda: (content,), size=len(content), sha256=hashlib.sha256(content).hexdigest())


async def read(store: BlobStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in await store.read(key)])


async def keys(store: BlobStore) -> list[str]:
    return [blob.key async for blob in store.list()]


async def move(source: BlobStore, target: BlobStore, *, to_mirror: bool = True) -> MoveReport:
    return await BlobMove(source, target, to_mirror=to_mirror, step=lambda _: None).run()


@pytest.mark.parametrize("to_bucket", [True, False], ids=["to S3", "from S3"])
async def test_every_blob_is_copied_once_and_what_is_cut_short_again(
    disk: LocalBlobStore,
    bucket: S3BlobStore,
    to_bucket: bool,  # noqa: FBT001 -- a parameter
) -> None:
    source, target = (disk, bucket) if to_bucket else (bucket, disk)
    for key in KEYS:
        await put(source, key, key.encode())
    await put(target, KEYS[1], b"of another size")
    first, second = await move(source, target), await move(source, target)
    assert (first.looked, first.copied, first.failed) == (3, 3, [])
    assert (second.looked, second.copied) == (3, 0)
    assert [await read(target, key) for key in KEYS] == [key.encode() for key in KEYS]
    assert await keys(target) == sorted(KEYS)


async def test_what_rotted_is_named_and_not_copied(disk: LocalBlobStore, another_disk: LocalBlobStore) -> None:
    content = b"the content"
    key = original_key(1, hashlib.sha256(content).digest())
    await put(disk, key, content)
    path = disk.path(key)
    assert path is not None
    path.write_bytes(b"the contend")
    report = await move(disk, another_disk)
    assert [failure.partition(":")[0] for failure in report.failed] == [key]
    assert await keys(another_disk) == []


class Meddled(LocalBlobStore):
    """A source during whose reading somebody does something; it happens once."""

    meddle: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def open(self, key: str, *, fresh: bool = False) -> AsyncIterator[BinaryIO]:
        """Give the blob's file; when it has been read, somebody else was here."""
        async with super().open(key, fresh=fresh) as file:
            if self.meddle is not None:
                meddle, self.meddle = self.meddle, None
                await meddle()
            yield file


@pytest.mark.parametrize("to_mirror", [True, False], ids=["to the mirror", "from the mirror"])
@pytest.mark.parametrize("again", [False, True], ids=["deleted", "deleted and uploaded again"])
async def test_what_is_deleted_while_it_is_copied_is_gone_from_both(
    tmp_path: Path,
    another_disk: LocalBlobStore,
    to_mirror: bool,  # noqa: FBT001 -- a parameter
    again: bool,  # noqa: FBT001 -- a parameter
) -> None:
    source = Meddled(tmp_path / "source")
    both = MirroredBlobStore(*((source, another_disk) if to_mirror else (another_disk, source)))
    await put(source, KEYS[0], b"content")

    async def meddle() -> None:
        assert await both.delete(KEYS[0]) is True
        if again:
            await put(both, KEYS[0], b"content")

    source.meddle = meddle
    report = await move(source, another_disk, to_mirror=to_mirror)
    assert report.failed == []
    if again:
        assert [await read(store, KEYS[0]) for store in (source, another_disk)] == [b"content", b"content"]
    elif to_mirror:
        assert (await keys(source), await keys(another_disk), report.gone) == ([], [], 1)
    else:  # it came too late for the delete to see it: `gc` removes it, under the lock of its row
        assert await keys(source) == []
    source.close()


async def test_a_delete_from_both_removes_what_a_move_puts_back_between_the_two(
    disk: LocalBlobStore, tmp_path: Path
) -> None:
    class PutsBack(LocalBlobStore):
        async def delete(self, key: str) -> bool:
            await put(disk, key, b"content")  # a move had read it before
            return await super().delete(key)

    mirror = PutsBack(tmp_path / "mirror")
    both = MirroredBlobStore(disk, mirror)
    await put(both, KEYS[0], b"content")
    assert await both.delete(KEYS[0]) is True
    assert (await keys(disk), await keys(mirror)) == ([], [])
    mirror.close()


async def test_both_stores_answer_as_one(disk: LocalBlobStore, another_disk: LocalBlobStore) -> None:
    both = MirroredBlobStore(disk, another_disk)
    for key in ("1/a", "1/c"):
        await put(disk, key, key.encode())
    for key in ("1/b", "1/c", "1/d"):
        await put(another_disk, key, key.encode())
    assert await keys(both) == ["1/a", "1/b", "1/c", "1/d"]
    assert [await read(both, key) for key in ("1/a", "1/b")] == [b"1/a", b"1/b"]
    async with both.open("1/b") as file:
        assert file.read() == b"1/b"
    assert both.path("1/b") is None
    with pytest.raises(BlobMissing):
        await both.read("1/e")
