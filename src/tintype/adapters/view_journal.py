"""Views counted in files that are mapped into memory: counting is one addition, and a kill loses none of it.

A file holds one batch: a record for each image and day, its count last, so that a record is there or not. What a
process wrote into a mapping is the kernel's, whatever happens to the process. A process holds a lock on its files for
as long as it lives; a file without a lock was left by one that was killed, and whoever finds it gives it out. Files are
written once and never used again, so a power cut, after which some pages may be old, loses counts and doubles none.
"""

import asyncio
import contextlib
import fcntl
import mmap
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import structlog

from tintype.ports.view_journal import CountedViews, ViewBatch

RECORDS: Final = 4096
"""Images and days in one file. There is a spare one, and a full one is given out early."""

_WORDS: Final = 4
"""Tenant, image, day, views: 8 bytes each."""

_BYTES: Final = RECORDS * _WORDS * 8
MOST_SEALED: Final = 64
"""Batches that may wait for a database that takes none; 8 MB. Beyond them, views are lost, and counted as lost."""

_SUFFIX: Final = ".views"
_UNFINISHED: Final = ".new"

UNFINISHED_SECONDS: Final = 60.0
"""Making a file takes a millisecond."""


class _Batch:
    """A batch and the memory that it lies in; without a path it is lost with the process."""

    def __init__(self, name: UUID, memory: mmap.mmap, path: Path | None = None, descriptor: int | None = None) -> None:
        self.id = name
        self._memory = memory
        self._words = memoryview(memory).cast("q")
        self._path = path
        self._descriptor = descriptor
        self._places: dict[int, int] = {}
        self._day = 0
        self._end = 0

    def count(self, tenant: int, image: int, day: int) -> bool:
        """Count a view; False when the batch is full."""
        if day == self._day:
            place = self._places.get(image)
            if place is not None:
                self._words[place] += 1
                return True
        else:
            self._day, self._places = day, {}
        return self._count_first(tenant, image, day)

    def _count_first(self, tenant: int, image: int, day: int) -> bool:
        if self._end == RECORDS * _WORDS:
            return False
        words, at = self._words, self._end
        words[at], words[at + 1], words[at + 2] = tenant, image, day
        words[at + 3] = 1  # last: without it there is no record
        self._places[image] = at + 3
        self._end += _WORDS
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted by this process."""
        return self._end == 0

    def content(self) -> ViewBatch:
        """Return what was counted."""
        records = (self._words[at : at + _WORDS].tolist() for at in range(0, len(self._words), _WORDS))
        counts = tuple(CountedViews(*record) for record in records if all(word > 0 for word in record))
        return ViewBatch(self.id, counts)

    def close(self, *, remove: bool) -> None:
        """Let go of the memory and the lock, and of the file too when it has nothing to tell any more."""
        if remove and self._path is not None:
            self._path.unlink(missing_ok=True)
        self._words.release()
        self._memory.close()
        if self._descriptor is not None:
            os.close(self._descriptor)


class MappedViewJournal:
    """The journal of one process, among those of others in the same directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._current = self._spare = _in_memory()
        self._sealed: dict[UUID, _Batch] = {}
        self._log = structlog.get_logger("tintype.views")

    async def open(self) -> None:
        """Make the first files; counting before it, or where none can be made, is in memory alone."""
        self._current, self._spare = await asyncio.to_thread(lambda: (self._new(), self._new()))

    def count(self, tenant: int, image: int, day: int) -> bool:
        """Count a view; False when there is no room for another image."""
        if self._current.count(tenant, image, day):
            return True
        if self._spare is self._current:
            return False
        self._seal()
        return self._current.count(tenant, image, day)

    def _seal(self) -> None:
        self._sealed[self._current.id] = self._current
        self._current = self._spare

    async def batches(self) -> Sequence[ViewBatch]:
        """Return what was counted so far and not discarded, by this process and by those that were killed.

        While a batch of ours waits to be discarded, the next one grows: so a database that is away costs no memory.
        """
        if not self._sealed and not self._current.is_empty and self._spare is not self._current:
            self._seal()
        if self._spare is self._current and len(self._sealed) < MOST_SEALED:
            self._spare = await asyncio.to_thread(self._new)
        for batch in await asyncio.to_thread(self._orphans):
            self._sealed[batch.id] = batch
        return [batch.content() for batch in self._sealed.values()]

    async def discard(self, batch: ViewBatch) -> None:
        """Forget a batch that was added up."""
        await asyncio.to_thread(self._sealed.pop(batch.id).close, remove=True)

    async def close(self) -> None:
        """Let go of the files; what has anything to tell is left for another process."""
        for batch in {*self._sealed.values(), self._current, self._spare}:
            batch.close(remove=not batch.content().counts)

    def _new(self) -> _Batch:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return _in_file(self._directory)
        except OSError as error:  # a full disk, say: to count in memory is better than not to count
            self._log.warning("views_not_durable", error=repr(error))
            return _in_memory()

    def _sweep(self) -> None:
        """Remove files that somebody was killed while making: nothing was counted in them yet."""
        for path in self._directory.glob(f"*{_UNFINISHED}"):
            if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                path.unlink(missing_ok=True)

    def _orphans(self) -> list[_Batch]:
        """Return the batches of processes that ended, which are ours from now on."""
        ours = {batch.id for batch in (*self._sealed.values(), self._current, self._spare)}
        found = []
        with contextlib.suppress(OSError):  # there is no directory, or it cannot be read: the next round may do better
            self._sweep()
            for path in self._directory.glob(f"*{_SUFFIX}"):
                name = _name_of(path)
                if name is not None and name not in ours:
                    found.append(_adopted(path, name))
        return [batch for batch in found if batch is not None]


def _in_memory() -> _Batch:
    return _Batch(uuid4(), mmap.mmap(-1, _BYTES))


def _in_file(directory: Path) -> _Batch:
    """Return a batch in a new file; the space is taken now, for a write into a hole of a full disk would kill us."""
    name = uuid4()
    path, unfinished = directory / f"{name.hex}{_SUFFIX}", directory / f"{name.hex}{_UNFINISHED}"
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _BYTES)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        memory = mmap.mmap(descriptor, _BYTES)
        unfinished.rename(path)  # locked before anybody looks for it
    except OSError:
        unfinished.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return _Batch(name, memory, path, descriptor)


def _adopted(path: Path, name: UUID) -> _Batch | None:
    """Return the batch in the file, now locked by us; None when its process lives, or somebody was quicker."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        if status.st_nlink and status.st_size == _BYTES:
            return _Batch(name, mmap.mmap(descriptor, _BYTES), path, descriptor)
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _name_of(path: Path) -> UUID | None:
    try:
        return UUID(hex=path.name.removesuffix(_SUFFIX))
    except ValueError:
        return None
