"""The local blob store against its file system: errors at every step, rivals, leftovers, a disk that is not there."""

import asyncio
import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from tintype.adapters import blob_directory, blobs_local, sealed_file, verified_bytes
from tintype.adapters.blob_directory import TEMPORARY, BlobDirectory
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.adapters.durable_files import flush
from tintype.adapters.sealed_directory import SealedBlobDirectory
from tintype.ports.blobs import BlobStoreFailed, BlobStoreFull

KEY = "1/original/ab/cd/abcd"
CONTENT = b"content" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SECONDS = 10


def put(blobs: BlobDirectory, file: BinaryIO | None = None) -> bool:
    return blobs.put(KEY, lambda: [CONTENT], size=len(CONTENT), sha256=SHA256, file=file)


@pytest.fixture(params=["nameless", "named", "encrypted"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlobDirectory:
    """Give a store that can write files without names, one on a file system where it cannot, and one that encrypts."""
    if request.param == "named":
        monkeypatch.setattr(blob_directory, "_O_TMPFILE", 0)
    sealed = SealedBlobDirectory(tmp_path / "blobs", KeyRing(bytes(32)))
    store = sealed if request.param == "encrypted" else BlobDirectory(tmp_path / "blobs")
    store.prepare()
    if store._nameless != (request.param != "named"):
        pytest.skip("this file system has no O_TMPFILE")
    return store


def is_encrypted(blobs: BlobDirectory) -> bool:
    return isinstance(blobs, SealedBlobDirectory)


def content(blobs: BlobDirectory) -> bytes:
    with blobs.open(KEY) as file:
        return file.read()


def files(blobs: BlobDirectory) -> list[Path]:
    return [path for path in blobs._root.rglob("*") if path.is_file()]


def watch_flushes(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Have `act` called with every descriptor that the store flushes, instead of the flush."""
    for module in (blob_directory, verified_bytes, sealed_file):
        monkeypatch.setattr(module, "flush", act)


# The order


def test_bytes_are_flushed_before_they_have_a_name_and_the_name_before_it_is_acknowledged(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, steps = blobs.locate(KEY), []

    def note(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "bytes"
        steps.append((kind, target.exists()))
        flush(descriptor)

    watch_flushes(monkeypatch, note)
    assert put(blobs)
    assert steps[0] == ("bytes", False)
    assert steps[-1] == ("directory", True)
    assert target.stat().st_nlink == 1


def test_new_directories_are_flushed_into_the_ones_above_them_before_the_blob_gets_its_name(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, flushed = blobs.locate(KEY), []

    def note(directory: Path) -> None:
        flushed.append((str(directory.relative_to(blobs._root)), target.exists()))

    monkeypatch.setattr(blob_directory, "flush_directory", note)
    put(blobs)
    above = [".", "1", "1/original", "1/original/ab"]
    assert flushed == [(directory, False) for directory in above]
    blobs._known.clear()
    assert put(blobs) is False
    assert flushed[len(above) :] == [(directory, True) for directory in above]


def test_what_another_writer_named_but_may_not_have_flushed_is_flushed_before_it_counts(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, steps = blobs.locate(KEY), []
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    watch_flushes(monkeypatch, lambda descriptor: steps.append(stat.S_IFMT(os.fstat(descriptor).st_mode)))
    assert put(blobs) is False
    assert steps == [stat.S_IFREG, stat.S_IFDIR]


def test_a_delete_is_flushed_even_when_the_name_is_gone_already(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(blobs)
    blobs.locate(KEY).unlink()  # by somebody who crashed right after it
    steps: list[int] = []
    watch_flushes(monkeypatch, lambda descriptor: steps.append(stat.S_IFMT(os.fstat(descriptor).st_mode)))
    assert blobs.delete(KEY) is False
    assert steps == [stat.S_IFDIR]


def test_the_group_can_read_and_others_cannot(blobs: BlobDirectory) -> None:
    put(blobs)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in files(blobs)}
    assert modes == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in blobs._root.rglob("*") if path.is_dir()} == {0o750}


# Errors


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, BlobStoreFull), (errno.EDQUOT, BlobStoreFull), (errno.EIO, BlobStoreFailed)],
    ids=["disk full", "quota used up", "disk broken"],
)
@pytest.mark.parametrize("call", ["open", "write", "link", "mkdir", "fsync"])
def test_an_error_at_any_step_is_told_and_leaves_nothing(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(expected):
            put(blobs)
    assert files(blobs) == []
    assert put(blobs) is True


@pytest.mark.parametrize("nth", range(3), ids=["of the bytes", "of the named file", "of the directory"])
def test_a_failed_flush_is_no_success_at_the_second_try(
    blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    flushes = []

    def fail_once(descriptor: int) -> None:
        flushes.append(descriptor)
        if len(flushes) == nth + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    with monkeypatch.context() as patch:
        watch_flushes(patch, fail_once)
        with pytest.raises(BlobStoreFailed):
            put(blobs)
    assert files(blobs) == []
    assert put(blobs) is True  # written anew, not found


@pytest.mark.parametrize("nth", range(3), ids=["of the bytes", "of the named file", "of the directory"])
def test_a_file_that_cannot_be_taken_in_durably_has_no_name(
    blobs: BlobDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    flushes = []

    def fail_once(descriptor: int) -> None:
        flushes.append(descriptor)
        if len(flushes) == nth + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    with nameless_file(tmp_path) as file, monkeypatch.context() as patch:
        watch_flushes(patch, fail_once)
        with pytest.raises(BlobStoreFailed):
            put(blobs, file)
    assert files(blobs) == []


def test_a_file_that_is_taken_in_is_the_blob_and_its_group_can_read_it(blobs: BlobDirectory, tmp_path: Path) -> None:
    with nameless_file(tmp_path) as file:
        assert put(blobs, file) is True
        found = blobs.locate(KEY).stat()
        assert os.path.samestat(found, os.fstat(file.fileno())) is (blobs._nameless and not is_encrypted(blobs))
    assert stat.S_IMODE(found.st_mode) == 0o640


def nameless_file(directory: Path) -> BinaryIO:
    descriptor = os.open(directory, os.O_RDWR | os.O_TMPFILE, 0o600)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    file.write(CONTENT)
    return file


def test_a_name_that_its_writer_could_not_flush_is_not_trusted_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = BlobDirectory(tmp_path), BlobDirectory(tmp_path)
    named, outcomes = threading.Event(), []
    unlucky = threading.Thread(target=lambda: outcomes.append(_put_or_fail(first)))

    def fail_after_a_while(descriptor: int) -> None:
        if threading.current_thread() is unlucky and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            named.set()
            time.sleep(0.3)  # the other one sees the name meanwhile
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    watch_flushes(monkeypatch, fail_after_a_while)
    unlucky.start()
    assert named.wait(SECONDS)
    assert first.locate(KEY).exists()
    assert put(second) is True
    unlucky.join()
    assert outcomes == ["failed"]
    assert first.locate(KEY).read_bytes() == CONTENT


def _put_or_fail(blobs: BlobDirectory) -> str:
    try:
        put(blobs)
    except BlobStoreFailed:
        return "failed"
    return "put"


def test_a_blob_that_cannot_be_read_is_replaced(blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    put(blobs)
    before = blobs.locate(KEY).stat().st_ino

    def bad_sector(*_: object) -> bytes:
        raise BlobStoreFailed("Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(verified_bytes, "read_block", bad_sector)
        assert put(blobs) is True
    assert blobs.locate(KEY).stat().st_ino != before
    assert content(blobs) == CONTENT
    assert len(files(blobs)) == 1


def test_directories_that_somebody_removed_are_made_again(blobs: BlobDirectory) -> None:
    put(blobs)
    blobs.delete(KEY)
    for directory in ("1/original/ab/cd", "1/original/ab"):
        (blobs._root / directory).rmdir()
    assert put(blobs) is True


def test_a_key_that_is_the_directory_of_another_fails_and_harms_nothing(blobs: BlobDirectory) -> None:
    put(blobs)
    with pytest.raises(BlobStoreFailed):
        blobs.put(f"{KEY}/x", lambda: [CONTENT], size=len(CONTENT), sha256=SHA256)
    with pytest.raises(BlobStoreFailed):
        blobs.put("1/original", lambda: [CONTENT], size=len(CONTENT), sha256=SHA256)
    assert (blobs.head(f"{KEY}/x"), blobs.head("1/original"), blobs.delete("1/original")) == (None, None, False)
    assert content(blobs) == CONTENT


def test_a_store_whose_disk_is_not_mounted_is_broken_and_not_empty(blobs: BlobDirectory) -> None:
    put(blobs)
    blobs._root.rename(blobs._root.with_name("elsewhere"))
    blobs._root.mkdir()
    for ask in (blobs.head, blobs.open, blobs.delete):
        with pytest.raises(BlobStoreFailed):
            ask(KEY)
    with pytest.raises(BlobStoreFailed):
        list(blobs.walk(""))


# Leftovers


def test_old_temporary_files_are_named_and_removed_when_that_is_asked(blobs: BlobDirectory) -> None:
    blobs.prepare()
    old, young = (blobs._root / TEMPORARY / name for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(CONTENT)
    os.utime(old, times=(0, time.time() - 3600))
    assert blobs.leftovers(older_seconds=1800, remove=False) == (f"{TEMPORARY}/old",)
    assert old.exists()
    assert blobs.leftovers(older_seconds=1800, remove=True) == (f"{TEMPORARY}/old",)
    assert (old.exists(), young.exists()) == (False, True)


def test_what_else_lies_about_is_no_blob(blobs: BlobDirectory) -> None:
    put(blobs)
    (blobs._root / "lost+found").mkdir()
    (blobs._root / "1" / ".DS_Store").touch()
    (blobs._root / "1" / "link").symlink_to(blobs.locate(KEY))
    assert [blob.key for blob in blobs.walk("")] == [KEY]


# Threads


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalBlobStore]:
    store = LocalBlobStore(tmp_path / "blobs", threads=2)
    yield store
    store.close()


def test_work_runs_in_a_bounded_number_of_threads_and_the_loop_goes_on(store: LocalBlobStore) -> None:
    running, most = set(), []

    def slow() -> Iterator[bytes]:
        running.add(threading.current_thread())
        most.append(len(running))
        time.sleep(0.2)
        running.discard(threading.current_thread())
        yield CONTENT

    async def story() -> int:
        puts = asyncio.gather(*(store.put(f"{n}", slow, size=len(CONTENT), sha256=SHA256) for n in range(6)))
        turns = 0
        while not puts.done():
            await asyncio.sleep(0.005)
            turns += 1
        await puts
        return turns

    assert asyncio.run(story()) > 20
    assert max(most) == 2


def test_a_put_is_one_hop_to_a_thread(store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    submit = store._writers.submit

    def count(job: Callable[[], bool]) -> object:
        jobs.append(job)
        return submit(job)

    monkeypatch.setattr(store._writers, "submit", count)
    asyncio.run(store.put(KEY, lambda: [CONTENT], size=len(CONTENT), sha256=SHA256))
    assert len(jobs) == 1


def test_a_put_whose_task_was_cancelled_leaves_a_whole_blob_or_none(store: LocalBlobStore) -> None:
    begun = threading.Event()

    def slow() -> Iterator[bytes]:
        begun.set()
        time.sleep(0.2)
        yield CONTENT

    async def story() -> None:
        task = asyncio.create_task(store.put(KEY, slow, size=len(CONTENT), sha256=SHA256))
        await asyncio.to_thread(begun.wait, SECONDS)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(story())
    store.close()
    path = store.path(KEY)
    assert path
    assert path.read_bytes() == CONTENT


def hung(store: LocalBlobStore, threads: int = 2) -> threading.Event:
    """Have every thread that writes wait until the event is set."""
    go = threading.Event()
    for _ in range(threads):
        store._writers.submit(go.wait)
    return go


def test_a_disk_that_hangs_ends_a_put_in_bounded_time_and_holds_up_no_reader(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs_local, "WRITE_SECONDS", 0.05)

    async def story() -> None:
        monkeypatch.setattr(blobs_local, "WRITE_SECONDS", SECONDS)
        await store.put(KEY, lambda: [CONTENT], size=len(CONTENT), sha256=SHA256)
        monkeypatch.setattr(blobs_local, "WRITE_SECONDS", 0.05)
        go = hung(store)
        with pytest.raises(BlobStoreFailed):
            await store.put("other", lambda: [CONTENT], size=len(CONTENT), sha256=SHA256)
        found = await store.head(KEY)
        assert found is not None
        go.set()

    asyncio.run(story())
    store.close()
    other = store.path("other")
    assert other is not None
    assert not other.exists()  # it had not begun, and does not begin later


def test_a_delete_that_has_begun_is_waited_for_and_one_that_has_not_is_given_up(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deletes holds a lock meanwhile; a file that goes after the lock may be another upload's by then."""
    delete, begun, go = store._directory.delete, threading.Event(), threading.Event()

    def slow_delete(key: str) -> bool:
        begun.set()
        go.wait(SECONDS)
        return delete(key)

    monkeypatch.setattr(store._directory, "delete", slow_delete)

    async def story() -> None:
        await store.put(KEY, lambda: [CONTENT], size=len(CONTENT), sha256=SHA256)
        monkeypatch.setattr(blobs_local, "WRITE_SECONDS", 0.05)
        deleting = asyncio.create_task(store.delete(KEY))
        await asyncio.to_thread(begun.wait, SECONDS)
        await asyncio.sleep(0.2)
        assert not deleting.done()
        free = hung(store, threads=1)
        with pytest.raises(BlobStoreFailed):
            await store.delete(KEY)
        go.set()
        free.set()
        assert await deleting

    asyncio.run(story())
