"""What every blob store does: `ports/blobs.py` as code.

A new store adds a function to `STORES` that gives the store and a way to damage a blob behind its back; nothing else.
"""

import asyncio
import hashlib
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_server import S3Server
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.blobs_encrypted import EncryptedBlobStore
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.adapters.blobs_mirrored import MirroredBlobStore
from tintype.adapters.blobs_s3 import S3BlobStore
from tintype.adapters.staging_local import LocalStaging
from tintype.domain.keys import original_key
from tintype.ports.blobs import BlobInfo, BlobMismatch, BlobMissing, BlobStore, BlobStoreFailed, Chunks
from tintype.settings_blobs import S3Bucket, place_of, s3_credentials

pytestmark = pytest.mark.anyio

KEY = "1/original/ab/cd/abcd"
OTHER_KEY = "1/thumb/ab/cd/abcd-0123.webp"
MIB = 2**20
MEMORY = "/dev/shm"  # noqa: S108 -- a file system of its own, on every Linux


@dataclass(frozen=True)
class Stored:
    """A store under test; `damage` flips a byte of a blob as a failing disk would."""

    store: BlobStore
    damage: Callable[[str], None]
    has_paths: bool = True
    many: int = 1100
    """Blobs that are more than a store lists at once."""


@contextmanager
def local(directory: Path) -> Iterator[Stored]:
    root = directory / "blobs"
    store = LocalBlobStore(root)
    yield Stored(store, lambda key: flip_byte(root / key))
    store.close()


def flip_byte(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))


def flipped(content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


@contextmanager
def encrypted(directory: Path) -> Iterator[Stored]:
    root = directory / "blobs"
    store = EncryptedBlobStore(root, KeyRing(b"current key of thirty-two bytes!"), accept_clear=False)
    yield Stored(store, lambda key: flip_byte(root / key), has_paths=False)
    store.close()


@contextmanager
def s3(directory: Path, server: S3Server) -> Iterator[Stored]:
    bucket, prefix = server.shared_bucket, f"some/{directory.name}"  # to make a bucket takes longer than most tests
    place = place_of(bucket.url(prefix))
    assert isinstance(place, S3Bucket)
    store = S3BlobStore(place, s3_credentials(server.environment), LocalStaging(directory / "staging"))

    def damage(key: str) -> None:
        content = bucket.s3.get_object(Bucket=bucket.name, Key=f"{prefix}/{key}")["Body"].read()
        bucket.s3.put_object(Bucket=bucket.name, Key=f"{prefix}/{key}", Body=flipped(content))

    yield Stored(store, damage, has_paths=False, many=120)  # the server lists 50 at once, and takes its time
    store.close()


@contextmanager
def mirrored(directory: Path) -> Iterator[Stored]:
    first, second = directory / "first", directory / "second"
    stores = LocalBlobStore(first), LocalBlobStore(second)
    yield Stored(MirroredBlobStore(*stores), lambda key: flip_byte(first / key), has_paths=False, many=120)
    for store in stores:
        store.close()


Make = Callable[[Path], AbstractContextManager[Stored]]


def make_of(name: str, request: pytest.FixtureRequest) -> Make:
    if name == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        return lambda directory: s3(directory, server)
    return {"local": local, "encrypted": encrypted, "mirrored": mirrored}[name]


STORES = ("local", "encrypted", "mirrored", "s3")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stored]:
    with make_of(request.param, request)(tmp_path) as made:
        yield made


@pytest.fixture
def store(stored: Stored) -> BlobStore:
    return stored.store


def pieces(content: bytes, length: int = 1000) -> Chunks:
    return lambda: (content[start : start + length] for start in range(0, len(content), length))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def put(store: BlobStore, key: str, content: bytes) -> bool:
    return await store.put(key, pieces(content), size=len(content), sha256=digest(content))


async def read(store: BlobStore, key: str, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in await store.read(key, offset=offset, length=length)])


async def sound(store: BlobStore, key: str, content: bytes) -> bool:
    """Return whether the store gives the content; one that can tell refuses what is damaged."""
    try:
        return await read(store, key) == content
    except BlobStoreFailed:
        return False


async def everything(found: AsyncIterator[BlobInfo]) -> dict[str, int]:
    return {blob.key: blob.size async for blob in found}


# put


async def test_what_was_put_is_read_back(store: BlobStore) -> None:
    assert await put(store, KEY, b"content") is True
    assert await read(store, KEY) == b"content"


async def test_the_same_bytes_under_the_same_key_are_not_new_the_second_time(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    assert await put(store, KEY, b"content") is False
    assert await read(store, KEY) == b"content"


async def test_a_source_may_give_memoryviews_and_empty_chunks(store: BlobStore) -> None:
    chunks: list[bytes | memoryview] = [memoryview(b"con"), b"", memoryview(b"tent"), b""]
    await store.put(KEY, lambda: chunks, size=7, sha256=digest(b"content"))
    assert await read(store, KEY) == b"content"


async def test_no_bytes_are_a_blob_too(store: BlobStore) -> None:
    assert await put(store, KEY, b"") is True
    assert await read(store, KEY) == b""


@pytest.mark.parametrize(
    ("size", "sha256"),
    [
        pytest.param(6, digest(b"content"), id="shorter than sent"),
        pytest.param(8, digest(b"content"), id="longer than sent"),
        pytest.param(7, digest(b"another"), id="another SHA-256"),
    ],
)
async def test_bytes_other_than_the_promised_ones_are_not_kept(store: BlobStore, size: int, sha256: str) -> None:
    with pytest.raises(BlobMismatch):
        await store.put(KEY, pieces(b"content"), size=size, sha256=sha256)
    assert await store.head(KEY) is None
    assert await everything(store.list()) == {}


async def test_a_source_that_gives_too_much_is_cut_off_at_the_promised_size(store: BlobStore) -> None:
    given_out = []

    def too_much() -> Iterator[bytes]:
        for number in range(1000):
            given_out.append(number)
            yield bytes(1000)

    with pytest.raises(BlobMismatch):
        await store.put(KEY, too_much, size=10_000, sha256=digest(bytes(10_000)))
    assert len(given_out) < 100


async def test_a_source_that_fails_passes_its_error_on_and_leaves_nothing(store: BlobStore) -> None:
    def failing() -> Iterator[bytes]:
        yield b"con"
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await store.put(KEY, failing, size=7, sha256=digest(b"content"))
    assert await store.head(KEY) is None
    assert await everything(store.list()) == {}


async def test_puts_of_the_same_blob_at_once_all_succeed(store: BlobStore) -> None:
    content = bytes(range(256)) * 4000
    new = await asyncio.gather(*(put(store, KEY, content) for _ in range(8)))
    assert any(new)
    assert await read(store, KEY) == content
    assert await everything(store.list()) == {KEY: len(content)}


async def test_a_damaged_blob_is_replaced_by_the_good_one(stored: Stored) -> None:
    await put(stored.store, KEY, b"content")
    stored.damage(KEY)
    assert await sound(stored.store, KEY, b"content") is False
    assert await put(stored.store, KEY, b"content") is True
    assert await read(stored.store, KEY) == b"content"
    assert await everything(stored.store.list()) == {KEY: 7}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["of the store's disk", "of another disk"])
async def test_a_file_is_taken_in_with_its_bytes(stored: Stored, tmp_path: Path, elsewhere: bool) -> None:  # noqa: FBT001 -- a parameter
    content = digest(b"seed").encode() * 1000

    async def put_file() -> bool:
        with tempfile.TemporaryDirectory(dir=MEMORY if elsewhere else tmp_path) as directory:
            async with LocalStaging(Path(directory)).open() as staged:
                await staged.write(content)
                file, sha256 = await staged.finish()
                return await stored.store.put(KEY, pieces(content), size=len(content), sha256=sha256.hex(), file=file)

    assert await put_file() is True
    assert await read(stored.store, KEY) == content
    assert await put_file() is False
    stored.damage(KEY)
    assert await put_file() is True
    assert await read(stored.store, KEY) == content


async def test_a_failed_put_does_not_touch_what_is_there(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    with pytest.raises(BlobMismatch):
        await store.put(KEY, pieces(b"another"), size=7, sha256=digest(b"promised"))
    assert await read(store, KEY) == b"content"


async def test_a_blob_is_not_there_until_it_is_whole(store: BlobStore) -> None:
    half, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"con"
        half.set()
        assert go_on.wait(10)
        yield b"tent"

    task = asyncio.create_task(store.put(KEY, slow, size=7, sha256=digest(b"content")))
    await asyncio.to_thread(half.wait, 10)
    assert await store.head(KEY) is None
    assert await everything(store.list()) == {}
    with pytest.raises(BlobMissing):
        await store.read(KEY)
    go_on.set()
    assert await task is True
    assert await everything(store.list()) == {KEY: 7}


# read, open, head


async def test_a_large_blob_is_read_in_bounded_chunks(store: BlobStore) -> None:
    content = hashlib.shake_128(b"seed").digest(3 * MIB + 1)
    await put(store, KEY, content)
    chunks = [chunk async for chunk in await store.read(KEY)]
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= MIB


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        pytest.param(3, None, b"tent", id="from an offset"),
        pytest.param(0, 3, b"con", id="the beginning"),
        pytest.param(2, 3, b"nte", id="the middle"),
        pytest.param(5, 100, b"nt", id="past the end"),
        pytest.param(7, None, b"", id="at the end"),
        pytest.param(100, 5, b"", id="behind the end"),
        pytest.param(2, 0, b"", id="nothing"),
    ],
)
async def test_a_range_is_cut_to_what_is_there(
    store: BlobStore, offset: int, length: int | None, expected: bytes
) -> None:
    await put(store, KEY, b"content")
    assert await read(store, KEY, offset, length) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
async def test_a_range_with_negative_numbers_is_refused(store: BlobStore, offset: int, length: int | None) -> None:
    await put(store, KEY, b"content")
    with pytest.raises(ValueError, match="negative"):
        await store.read(KEY, offset=offset, length=length)


async def test_a_missing_blob_is_missing_before_its_first_byte(store: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await store.read(KEY)
    with pytest.raises(BlobMissing):
        async with store.open(KEY):
            pass
    assert await store.head(KEY) is None


async def test_a_blob_can_be_opened_as_a_file_from_its_first_byte(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    async with store.open(KEY) as file:
        assert (file.read(3), file.seek(0), file.read()) == (b"con", 0, b"content")


async def test_a_blob_of_any_size_can_be_read_afresh(store: BlobStore) -> None:
    content = hashlib.shake_128(b"seed").digest(300_001)
    await put(store, KEY, content)
    async with store.open(KEY, fresh=True) as file:
        assert b"".join(iter(lambda: file.read(70_000), b"")) == content
    with pytest.raises(BlobMissing):
        async with store.open(OTHER_KEY, fresh=True):
            pass


async def test_head_tells_size_and_time(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    found = await store.head(KEY)
    assert found
    assert (found.key, found.size) == (KEY, 7)
    assert found.modified > 1.7e9  # seconds, not milliseconds, and of this decade
    assert found.modified < 1.7e10


# copy, delete


async def test_a_copy_has_the_bytes_and_outlives_its_source(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    await store.copy(KEY, OTHER_KEY)
    assert await store.delete(KEY) is True
    assert await read(store, OTHER_KEY) == b"content"


async def test_a_copy_onto_itself_or_onto_its_like_changes_nothing(store: BlobStore) -> None:
    for key in (KEY, OTHER_KEY):
        await put(store, key, b"content")
    await store.copy(KEY, OTHER_KEY)
    await store.copy(KEY, KEY)
    assert await everything(store.list()) == {KEY: 7, OTHER_KEY: 7}


async def test_rot_in_a_blob_does_not_reach_its_copy(stored: Stored) -> None:
    await put(stored.store, KEY, b"content")
    await stored.store.copy(KEY, OTHER_KEY)
    stored.damage(KEY)
    assert await read(stored.store, OTHER_KEY) == b"content"


async def test_what_is_not_there_cannot_be_copied(store: BlobStore) -> None:
    with pytest.raises(BlobMissing):
        await store.copy(KEY, OTHER_KEY)
    assert await everything(store.list()) == {}


async def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_error(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    await put(store, OTHER_KEY, b"content")
    assert await store.delete(KEY) is True
    assert await store.delete(KEY) is False
    assert await store.delete("1/never/seen") is False
    assert await store.head(KEY) is None
    assert await everything(store.list()) == {OTHER_KEY: 7}


async def test_a_deleted_blob_can_be_put_again(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    await store.delete(KEY)
    assert await put(store, KEY, b"content") is True
    assert await read(store, KEY) == b"content"


# list


async def test_a_list_has_every_blob_whose_key_begins_so(store: BlobStore) -> None:
    keys = [
        "1/original/ab/cd/abcd",
        "1/original/ab/ce/abce",
        "1/original/ac/cd/accd",
        "1/orig",
        "2/original/ab/cd/abcd",
    ]
    for key in keys:
        await put(store, key, key.encode())
    for prefix in ("", "1", "1/", "1/orig", "1/original/", "1/original/ab", "1/original/ab/c", keys[0], "3", "1/o/p/"):
        expected = {key: len(key) for key in keys if key.startswith(prefix)}
        assert await everything(store.list(prefix)) == expected, prefix


async def test_a_list_of_many_blobs_has_each_once(stored: Stored) -> None:
    store = stored.store
    keys = [f"1/{number % 7}/{number}" for number in range(stored.many)]
    for group in range(0, len(keys), 100):
        await asyncio.gather(*(put(store, key, b"x") for key in keys[group : group + 100]))
    listed = [blob.key async for blob in store.list()]
    assert sorted(listed) == sorted(keys)


async def test_a_list_is_in_the_order_of_keys(store: BlobStore) -> None:
    keys = ["1/a/b", "1/a-b/c", "1/a.b", "1/ab/0/9", "1/ab/0-9", "1/b", "10/a", "1-0/a", "journal/x", "z"]
    for key in keys:
        await put(store, key, b"content")
    assert [blob.key async for blob in store.list()] == sorted(keys)
    assert [blob.key async for blob in store.list("1/a")] == sorted(key for key in keys if key.startswith("1/a"))


async def test_what_puts_left_half_written_is_none_of_the_blobs_and_at_first_nothing(store: BlobStore) -> None:
    await put(store, KEY, b"content")
    assert await store.leftovers(older_seconds=0, remove=True) == ()
    assert await everything(store.list()) == {KEY: 7}


async def test_deleting_while_listing_does_no_harm(store: BlobStore) -> None:
    for number in range(20):
        await put(store, f"1/{number}/x", b"x")
    async for blob in store.list():
        await store.delete(blob.key)
    assert await everything(store.list()) == {}


async def test_an_empty_store_lists_nothing(store: BlobStore) -> None:
    assert await everything(store.list()) == {}


# Keys


BAD_KEYS = [
    *("", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "a/./b", ".tmp/a", "a/.b", "A", "ä"),
    *("a b", "a\n", "a\0b", "a\\b", "a%2e", "a?b", "a*", "-a", "_a", "a" * 201, "/".join(["a" * 100] * 6)),
]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_is_no_key_is_refused_everywhere(store: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await put(store, key, b"content")
    with pytest.raises(ValueError, match="key"):
        await store.read(key)
    with pytest.raises(ValueError, match="key"):
        await store.head(key)
    with pytest.raises(ValueError, match="key"):
        await store.delete(key)
    with pytest.raises(ValueError, match="key"):
        await store.copy(key, KEY)
    with pytest.raises(ValueError, match="key"):
        store.path(key)
    with pytest.raises(ValueError, match="key"):
        async with store.open(key):
            pass
    await put(store, KEY, b"content")
    with pytest.raises(ValueError, match="key"):
        await store.copy(KEY, key)


@pytest.mark.parametrize("prefix", ["/", "../", "a//", ".", "a/.", "A", "a b", "-"])
async def test_a_prefix_that_no_key_begins_with_is_refused(store: BlobStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await everything(store.list(prefix))


async def test_the_keys_of_the_domain_are_keys(store: BlobStore) -> None:
    key = original_key(2**63 - 1, hashlib.sha256(b"content").digest())
    await put(store, key, b"content")
    assert await everything(store.list(key.rpartition("/")[0])) == {key: 7}


async def test_a_path_is_absolute_whether_or_not_the_blob_is_there(stored: Stored) -> None:
    before = stored.store.path(KEY)
    assert (before is not None) is stored.has_paths
    if before is not None:
        assert before.is_absolute()
        await put(stored.store, KEY, b"content")
        assert before.read_bytes() == b"content"


# Any bytes


@pytest.fixture(scope="module", params=STORES)
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStore]:
    with make_of(request.param, request)(tmp_path_factory.mktemp("lasting")) as made:
        yield made.store


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=3000), offset=st.integers(0, 4000), length=st.none() | st.integers(0, 4000))
async def test_any_range_of_any_bytes_is_what_a_slice_would_be(
    lasting: BlobStore, content: bytes, offset: int, length: int | None
) -> None:
    key = f"1/{digest(content)}"
    await put(lasting, key, content)
    expected = content[offset:] if length is None else content[offset : offset + length]
    assert await read(lasting, key, offset, length) == expected
