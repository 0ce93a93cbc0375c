"""The local blob store under SIGKILL, power cuts and full disks, beside stores broken on purpose that must fail."""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from disks import cut_power, ext4_image, mounted
from putting_blobs import flush_but_not_names, in_chunks, key_of, putting
from tintype.adapters import blob_directory
from tintype.adapters.blob_directory import TEMPORARY
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.ports.blobs import BlobStoreFull

KILLS = 12
LONGEST_LIFE_SECONDS = 0.4
BLOBS = 40
MIB = 2**20


def damage(root: Path, acknowledged: set[str]) -> list[str]:
    """Return what a crash must not leave: torn blobs, files that are none, acknowledged blobs that are gone."""
    found = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }
    torn = [key for key, sha256 in found.items() if key.rpartition("/")[2] != sha256]
    return torn + sorted(acknowledged - found.keys())


def kill_at_random(root: Path, *, broken: bool) -> set[str]:
    """Put until a random moment, and return the keys that were acknowledged."""
    with putting(root, broken=broken) as process:
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(random.random() * LONGEST_LIFE_SECONDS)
        process.kill()
        return {line.strip() for line in [first, *process.stdout] if line.endswith("\n")}


def test_a_kill_at_any_moment_leaves_only_whole_blobs_and_every_acknowledged_one(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for _ in range(KILLS):
        acknowledged |= kill_at_random(tmp_path, broken=False)
        assert damage(tmp_path, acknowledged) == []
    print(f"{KILLS} kills, {len(acknowledged)} blobs acknowledged, 0 damaged")  # noqa: T201 - a fault test says its trials


def test_a_kill_finds_out_a_store_that_writes_under_the_final_name(tmp_path: Path) -> None:
    assert any(damage(tmp_path, kill_at_random(tmp_path, broken=True)) for _ in range(KILLS))


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, Path]:
    """Make the image of a disk and a place to mount it."""
    image, directory = tmp_path / "image", tmp_path / "disk"
    ext4_image(image, 64 * MIB)
    directory.mkdir()
    return image, directory


async def put(store: LocalBlobStore, content: bytes, chunk: int = 4096) -> str:
    key = key_of(content)
    await store.put(key, in_chunks(content, chunk), size=len(content), sha256=key.rpartition("/")[2])
    return key


async def work(root: Path, last: str, break_store: Callable[[], None]) -> tuple[set[str], set[str]]:
    """Return the keys that were acknowledged as stored and as deleted; the `last` step is done by a broken store.

    A journal carries every earlier step with it, so that only the last one before a cut tells anything.
    """
    store = LocalBlobStore(root)
    kept = [await put(store, random.randbytes(random.randrange(50_000))) for _ in range(BLOBS)]
    deleted = [kept.pop() for _ in range(BLOBS // 2)]
    for key in deleted:
        await store.delete(key)
    break_store()
    if last == "put":
        kept.append(await put(store, random.randbytes(50_000)))
    else:
        deleted.append(kept.pop())
        await store.delete(deleted[-1])
    store.close()
    return set(kept), set(deleted)


def lost_and_risen(disk: tuple[Path, Path], last: str, break_store: Callable[[], None]) -> list[str]:
    """Cut the power after the last answer, and return what is torn or lost and which deleted blobs are back."""
    image, directory = disk
    root = directory / "blobs"
    with mounted(image, directory, "-o", "loop"):
        kept, deleted = asyncio.run(work(root, last, break_store))
        cut_power(directory)
    with mounted(image, directory, "-o", "loop"):
        return damage(root, kept) + [key for key in deleted if (root / key).exists()]


@pytest.mark.root
@pytest.mark.mkfs_ext4
@pytest.mark.parametrize("last", ["put", "delete"])
def test_a_power_cut_after_the_answer_takes_no_blob_and_brings_no_deleted_one_back(
    disk: tuple[Path, Path], last: str
) -> None:
    assert lost_and_risen(disk, last, lambda: None) == []


@pytest.mark.root
@pytest.mark.mkfs_ext4
@pytest.mark.parametrize("last", ["put", "delete"])
def test_a_power_cut_finds_out_a_store_that_does_not_flush_names(
    disk: tuple[Path, Path], last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_store() -> None:
        monkeypatch.setattr(blob_directory, "flush", flush_but_not_names)
        monkeypatch.setattr(blob_directory, "flush_directory", lambda _: None)

    assert len(lost_and_risen(disk, last, break_store)) == 1


@pytest.mark.root
@pytest.mark.parametrize("chunk", [4096, MIB])
def test_a_full_disk_is_told_leaves_nothing_and_is_forgotten_when_there_is_room(tmp_path: Path, chunk: int) -> None:
    with mounted(Path("tmpfs"), tmp_path, "-t", "tmpfs", "-o", "size=4m"):
        asyncio.run(_fill_up(tmp_path / "blobs", chunk))


async def _fill_up(root: Path, chunk: int) -> None:
    store = LocalBlobStore(root)
    small = await put(store, random.randbytes(MIB))
    free = os.statvfs(root).f_bfree
    for _ in range(3):
        with pytest.raises(BlobStoreFull):
            await put(store, random.randbytes(5 * MIB), chunk)
        assert os.statvfs(root).f_bfree == free
    assert [blob.key async for blob in store.list()] == [small]
    assert list((root / TEMPORARY).iterdir()) == []
    assert await store.delete(small) is True
    large = await put(store, random.randbytes(3 * MIB))
    assert await store.head(large)
    store.close()
