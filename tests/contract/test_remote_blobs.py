"""What is a bucket's own: pieces, what a put leaves that died, keys of others, and what it says when it fails."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from s3_server import Bucket, S3Server
from tintype.adapters.blobs_remote import PIECE_BYTES
from tintype.adapters.blobs_s3 import S3BlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.ports.blobs import BlobMismatch, BlobStoreFailed, Chunks
from tintype.settings_blobs import S3Bucket, S3Credentials, place_of, s3_credentials

pytestmark = pytest.mark.anyio

KEY: Final = "exports/1/0000000000000001-0000000000000002.zip"
BLOCK: Final = hashlib.shake_128(b"block").digest(2**20)
BLOCKS: Final = PIECE_BYTES // len(BLOCK) + 1
SIZE: Final = BLOCKS * len(BLOCK)
SHA256: Final = hashlib.sha256(BLOCK * BLOCKS).hexdigest()
SECRET: Final = "anything but the secret"  # noqa: S105 -- it opens nothing


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return s3_server.shared_bucket


@pytest.fixture
def store(s3_server: S3Server, bucket: Bucket, tmp_path: Path) -> Iterator[S3BlobStore]:
    made = store_of(bucket.url(f"remote/{tmp_path.name}"), s3_credentials(s3_server.environment), tmp_path)
    yield made
    made.close()


def store_of(url: str, credentials: S3Credentials, directory: Path) -> S3BlobStore:
    place = place_of(url)
    assert isinstance(place, S3Bucket)
    return S3BlobStore(place, credentials, LocalStaging(directory / "staging"))


def blocks(count: int) -> Chunks:
    return lambda: (BLOCK for _ in range(count))


async def unfinished(store: S3BlobStore) -> list[str]:
    return [upload.key async for upload in store.uploads.unfinished(older_seconds=-60)]


async def test_a_blob_of_several_pieces_is_whole_or_nothing(store: S3BlobStore) -> None:
    for count, sha256 in ((BLOCKS - 1, SHA256), (BLOCKS + 1, SHA256), (BLOCKS, hashlib.sha256(b"").hexdigest())):
        with pytest.raises(BlobMismatch):
            await store.put(KEY, blocks(count), size=SIZE, sha256=sha256)
    assert (await store.head(KEY), await unfinished(store)) == (None, [])
    assert await store.put(KEY, blocks(BLOCKS), size=SIZE, sha256=SHA256) is True
    assert await store.put(KEY, blocks(BLOCKS), size=SIZE, sha256=SHA256) is False
    async with store.open(KEY) as file:
        assert hashlib.sha256(file.read()).hexdigest() == SHA256
    async with store.open(KEY, fresh=True) as file:
        file.seek(SIZE - 3)
        assert file.read(10) == BLOCK[-3:]


async def test_what_a_put_leaves_that_died_is_found_and_removed(store: S3BlobStore, bucket: Bucket) -> None:
    bucket.s3.create_multipart_upload(Bucket=bucket.name, Key=f"{store.bucket.prefix}{KEY}")
    left = await store.leftovers(older_seconds=-60, remove=True)
    assert [name.split()[0] for name in left] == [KEY]
    assert await unfinished(store) == []


async def test_what_others_put_into_the_bucket_is_none_of_our_blobs(store: S3BlobStore, bucket: Bucket) -> None:
    for name in ("A", ".hidden", "with space", "ä"):
        bucket.s3.put_object(Bucket=bucket.name, Key=f"{store.bucket.prefix}{name}", Body=b"x")
    assert [blob.key async for blob in store.list()] == []


async def test_a_store_that_does_not_do_it_says_why_in_few_words_and_no_secret(
    bucket: Bucket, s3_server: S3Server, tmp_path: Path
) -> None:
    good, url = s3_credentials(s3_server.environment), bucket.url("p")
    for broken, credentials, reason in (
        (url.replace(f"//{bucket.name}/", "//never-there/"), good, "no such bucket"),
        (url, S3Credentials("test:tester", SECRET), "credentials"),
        (url.replace(bucket.endpoint, "http://127.0.0.1:9"), good, "cannot be reached"),
    ):
        store = store_of(broken, credentials, tmp_path)
        for work in doings(store):
            with pytest.raises(BlobStoreFailed) as caught:
                await work()
            assert reason in str(caught.value)
            assert caught.value.__cause__ is None
            assert len(str(caught.value)) < 100
        store.close()


def doings(store: S3BlobStore) -> tuple[Callable[[], Awaitable[object]], ...]:
    async def listed() -> list[str]:
        return [blob.key async for blob in store.list()]

    return (
        lambda: store.head(KEY),
        lambda: store.read(KEY),
        lambda: store.put(KEY, lambda: (b"",), size=0, sha256=hashlib.sha256().hexdigest()),
        lambda: store.delete(KEY),
        lambda: store.copy(KEY, "a/b"),
        listed,
    )
