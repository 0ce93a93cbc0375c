import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tintype.adapters.blobs_local import LocalBlobStore
from tintype.domain.format import Format
from tintype.ports.blobs import BlobMissing
from tintype.web.delivery_answer import StoredFile
from tintype.web.small_files import SMALL_BYTES, SmallFiles


class CountedReads(LocalBlobStore):
    """The local store, and which keys were read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    async def read(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Note the key and read."""
        self.reads.append(key)
        return await super().read(key, offset=offset, length=length)


def stored(store: LocalBlobStore, key: str, size: int, *, claimed: int | None = None) -> StoredFile:
    """Return the description of a file of `size` bytes that is in the store."""
    path = store.path(key)
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key[:1].encode() * size)
    return StoredFile(key, path, Format.JPEG, claimed or size, '"etag"', "thumb")


def read(files: SmallFiles, *wanted: StoredFile) -> list[bytes | None]:
    async def one_by_one() -> list[bytes | None]:
        return [await files.read(file) for file in wanted]

    return asyncio.run(one_by_one())


def test_a_small_file_is_read_from_the_store_once(tmp_path: Path) -> None:
    store = CountedReads(tmp_path)
    file = stored(store, "a", 20_000)

    assert read(SmallFiles(store), file, file) == [b"a" * 20_000] * 2
    assert store.reads == ["a"]


def test_a_large_file_is_left_to_the_kernel(tmp_path: Path) -> None:
    store = CountedReads(tmp_path)

    assert read(SmallFiles(store), stored(store, "a", SMALL_BYTES + 1)) == [None]
    assert store.reads == []


def test_what_was_not_asked_for_the_longest_makes_room(tmp_path: Path) -> None:
    store = CountedReads(tmp_path)
    a, b, c = (stored(store, key, 10_000) for key in "abc")

    read(SmallFiles(store, budget=20_000), a, b, a, c, a, b)

    assert store.reads == ["a", "b", "c", "b"]


def test_a_file_that_is_gone_or_of_another_size_is_lost(tmp_path: Path) -> None:
    store = CountedReads(tmp_path)
    gone, cut = stored(store, "a", 10), stored(store, "b", 10, claimed=11)
    (tmp_path / "a").unlink()

    for file in (gone, cut):
        with pytest.raises(BlobMissing):
            read(SmallFiles(store), file)


def test_two_requests_that_load_the_same_file_count_it_once(tmp_path: Path) -> None:
    store = CountedReads(tmp_path)
    file, other = stored(store, "a", 10_000), stored(store, "b", 10_000)
    files = SmallFiles(store, budget=20_000)

    async def at_once() -> None:
        await asyncio.gather(files.read(file), files.read(file), files.read(file))

    asyncio.run(at_once())
    read(files, other, file, other)

    assert store.reads == ["a", "a", "a", "b"]
