"""Staged bytes that are encrypted: they come back whole, in memory or piece by piece, and the disk has none of them."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tintype.adapters import staging_sealed
from tintype.adapters.staging_local import FLUSH_BYTES
from tintype.adapters.staging_sealed import CLEAR_UPLOADS, SealedStagedBytes, SealedStaging
from tintype.ports.blobs import BlobStoreFailed

pytestmark = pytest.mark.anyio

CONTENT = hashlib.shake_128(b"staged").digest(2 * FLUSH_BYTES + 12_345)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def stage(staged: SealedStagedBytes) -> None:
    for start in range(0, len(CONTENT), 60_000):
        await staged.write(CONTENT[start : start + 60_000])


async def test_an_upload_comes_into_memory_when_it_is_whole_and_leaves_its_place_to_the_next(
    tmp_path: Path,
) -> None:
    staging = SealedStaging(tmp_path, held_bytes=0)
    for _ in range(CLEAR_UPLOADS + 2):
        async with staging.open() as staged:
            assert isinstance(staged, SealedStagedBytes)
            await stage(staged)
            file, sha256 = await staged.finish()
            assert sha256 == hashlib.sha256(CONTENT).digest()
            assert os.pread(file.fileno(), len(CONTENT) + 1, 0) == CONTENT
            assert staged._file
            on_disk = os.pread(staged._file.fileno(), 2 * len(CONTENT), 0)
            assert len(on_disk) > len(CONTENT)
            assert not any(CONTENT[start : start + 16] in on_disk for start in range(0, len(CONTENT), 9973))


@pytest.mark.parametrize(
    ("held", "each", "in_memory"),
    [
        (len(CONTENT), len(CONTENT), True),
        (len(CONTENT), FLUSH_BYTES + 100_000, False),
        (FLUSH_BYTES * 3 // 2, 2**22, False),
    ],
    ids=["small, and there is room", "too large", "no room"],
)
async def test_what_is_small_stays_in_memory_and_its_room_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, each: int, *, in_memory: bool
) -> None:
    monkeypatch.setattr(staging_sealed, "HELD_EACH_BYTES", each)
    staging = SealedStaging(tmp_path, held_bytes=held)
    async with staging.open() as staged:
        assert isinstance(staged, SealedStagedBytes)
        await stage(staged)
        file, sha256 = await staged.finish()
        assert sha256 == hashlib.sha256(CONTENT).digest()
        assert os.pread(file.fileno(), len(CONTENT) + 1, 0) == CONTENT
        assert staged._file
        on_disk = os.pread(staged._file.fileno(), 2 * len(CONTENT), 0)
        assert (len(on_disk) == 0) is in_memory
        assert CONTENT[:16] not in on_disk
        assert staging._room.take(held) is not in_memory
        staging._room.give_back(held * (not in_memory))
    for _ in range(100):
        if staging._room.take(held):
            return
        await asyncio.sleep(0.01)  # a thread closes it
    pytest.fail("the room was not given back")


async def test_what_is_too_large_for_memory_is_opened_while_it_is_read(tmp_path: Path) -> None:
    async with SealedStaging(tmp_path, held_bytes=0, clear_bytes=1000).open() as staged:
        assert isinstance(staged, SealedStagedBytes)
        await stage(staged)
        file, _ = await staged.finish()
        for _ in range(2):
            file.seek(0)
            assert b"".join(iter(lambda: file.read(70_000), b"")) == CONTENT
        file.seek(FLUSH_BYTES - 3)
        assert (file.read(), file.tell()) == (CONTENT[FLUSH_BYTES - 3 :], len(CONTENT))
        with pytest.raises(OSError, match="fileno"):
            file.fileno()


async def test_what_a_disk_changed_meanwhile_is_not_taken_for_what_was_sent(tmp_path: Path) -> None:
    async with SealedStaging(tmp_path, held_bytes=0).open() as staged:
        assert isinstance(staged, SealedStagedBytes)
        await stage(staged)
        await staged._flush()
        assert staged._file
        await staged._under_way
        os.pwrite(staged._file.fileno(), b"x", 1000)
        with pytest.raises(BlobStoreFailed):
            await staged.finish()
