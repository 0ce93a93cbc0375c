"""Staging on a disk that is full, has no inodes left, may not be written, or fails at the last moment."""

import asyncio
import errno
import hashlib
import io
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from product import eventually
from tintype.adapters.staging_local import FLUSH_BYTES, LocalStagedBytes, LocalStaging
from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull

pytestmark = pytest.mark.anyio

DISK_BYTES: Final = 1 << 20
INODES: Final = 4
SECONDS: Final = 10


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 1 MiB and four inodes; the root directory is one of them."""
    options = f"size={DISK_BYTES},nr_inodes={INODES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


async def stage(staging: LocalStaging, *chunks: bytes) -> tuple[bytes, bytes]:
    """Return the bytes that were staged, and the hash that staging tells."""
    async with staging.open() as staged:
        for chunk in chunks:
            await staged.write(chunk)
        file, sha256 = await staged.finish()
        file.seek(0)
        return file.read(), sha256


def wait_until_closed(directory: Path) -> None:
    """Return when no file of the directory is open any more, which happens in a thread, soon after the block."""
    assert eventually(lambda: not any(is_open_in(directory, link) for link in Path("/proc/self/fd").iterdir()))


def is_open_in(directory: Path, link: Path) -> bool:
    with suppress(FileNotFoundError):
        return str(link.readlink()).startswith(f"{directory}/")
    return False


@pytest.mark.root
@pytest.mark.parametrize("last", [1, 4096, 100_000])
async def test_a_file_whose_last_bytes_do_not_fit_is_told_as_a_full_disk(disk: Path, last: int) -> None:
    staging, fits = LocalStaging(disk), os.urandom(DISK_BYTES)
    assert await stage(staging, fits) == (fits, hashlib.sha256(fits).digest())
    await asyncio.to_thread(wait_until_closed, disk)
    with pytest.raises(BlobStoreFull):
        await stage(staging, fits, bytes(last))
    await asyncio.to_thread(wait_until_closed, disk)
    with pytest.raises(BlobStoreFull):
        await stage(staging, fits[:-10], bytes(10 + last))  # of this chunk a part is taken
    await asyncio.to_thread(wait_until_closed, disk)
    assert await stage(staging, fits) == (fits, hashlib.sha256(fits).digest())


@pytest.mark.root
async def test_a_disk_without_inodes_is_full(disk: Path) -> None:
    staging = LocalStaging(disk / "staging")
    for number in range(INODES - 2):
        (disk / str(number)).touch()
    with pytest.raises(BlobStoreFull):
        await stage(staging, b"x")
    (disk / "0").unlink()
    assert (await stage(staging, b"x"))[0] == b"x"


@pytest.mark.root
async def test_a_disk_that_may_not_be_written_has_failed_and_may_recover(disk: Path) -> None:
    staging = LocalStaging(disk)
    remount(disk, "ro")
    with pytest.raises(BlobStoreFailed):
        await stage(staging, b"x")
    remount(disk, "rw")
    assert (await stage(staging, b"x"))[0] == b"x"


async def test_a_process_without_descriptors_has_failed_and_may_recover(tmp_path: Path) -> None:
    staging = LocalStaging(tmp_path)
    assert (await stage(staging, b"x"))[0] == b"x"  # starts the threads, which need descriptors of their own
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(BlobStoreFailed):
            await stage(staging, b"x")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await stage(staging, b"x"))[0] == b"x"


async def test_a_directory_that_went_away_has_failed(tmp_path: Path) -> None:
    staging = LocalStaging(tmp_path / "staging")
    (tmp_path / "staging").rmdir()
    with pytest.raises(BlobStoreFailed):
        await stage(staging, b"x")


class Reluctant(io.BytesIO):
    """Takes at most a thousand bytes at once, as write(2) may."""

    def write(self, data: object, /) -> int:
        """Return how much of it was taken."""
        return super().write(memoryview(data)[:1000])  # type: ignore[arg-type] # what a file takes is a buffer


async def test_what_is_taken_in_parts_is_staged_whole() -> None:
    data = os.urandom(FLUSH_BYTES + 12_345)
    staged = LocalStagedBytes(Reluctant)
    await staged.write(data)
    file, sha256 = await staged.finish()
    file.seek(0)
    assert (file.read(), sha256) == (data, hashlib.sha256(data).digest())


class FailsToClose(io.BytesIO):
    """Says at the end that something went wrong, as close(2) may."""

    def close(self) -> None:
        """Close it, and raise all the same."""
        super().close()
        raise OSError(errno.EIO, "the disk is gone")


async def test_a_disk_that_fails_when_all_was_read_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: FailsToClose())
    assert (await stage(LocalStaging(tmp_path), b"x"))[0] == b"x"


async def test_a_cancelled_upload_lets_go_of_its_file_only_when_the_last_write_has_ended() -> None:
    """Closed before, its descriptor could be another file's by the time that the thread writes to it."""
    begun, may_go_on, closed_while_writing = threading.Event(), threading.Event(), []

    class Slow(io.BytesIO):
        def write(self, data: object, /) -> int:
            begun.set()
            assert may_go_on.wait(SECONDS)
            closed_while_writing.append(self.closed)
            return super().write(data)  # type: ignore[arg-type] # likewise

    file = Slow()
    staged = LocalStagedBytes(lambda: file)

    async def upload() -> None:
        try:
            await staged.write(bytes(FLUSH_BYTES))
            await staged.finish()
        finally:
            staged.discard()

    task = asyncio.create_task(upload())
    await asyncio.to_thread(begun.wait, SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not file.closed
    may_go_on.set()
    assert await asyncio.to_thread(eventually, lambda: file.closed)
    assert closed_while_writing == [False]
