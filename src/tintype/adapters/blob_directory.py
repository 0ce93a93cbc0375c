"""Blobs in a directory: the order of system calls that makes a file whole, durable and never overwritten.

A blob is written to a file that has no name (`O_TMPFILE`, open(2)), flushed, and only then linked under its key, which
fails when the name is taken. A crash before the link leaves nothing, a crash after it leaves the whole blob. Then the
directory is flushed, and every directory above it that this process has not yet seen flushed; without that a power cut
takes the name away, however well the bytes were flushed. File systems without `O_TMPFILE` get a named file in `.tmp`,
which `gc` removes when it is old.

A directory is locked (flock(2)) while a name in it is made, withdrawn or trusted. So a name seen under the lock is
one whose flush succeeded, or whose writer crashed: when a flush fails the writer withdraws the name before anyone can
build on it. A name that was left would be found by the next writer, whose flush has nothing left to report.

Directories stay when they become empty. Removing one would race with a put that has just made sure of it, and would
have to forget, in every process, that it was durable; sixty-five thousand empty ones cost less than that.
"""

import errno
import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tintype.adapters.blob_listing import abandoned, walk
from tintype.adapters.durable_files import flush, flush_directory, make_directories
from tintype.adapters.verified_bytes import blocks, fill, holds, measure, reporting
from tintype.ports.blobs import BlobInfo, BlobMissing, BlobStoreFailed, Chunks, check_key, check_prefix

FILE_MODE: Final = 0o640
DIRECTORY_MODE: Final = 0o750
"""The group may read, so that nginx can serve files as a member of it (a set-group-id root hands the group down). The
process's umask can only take away from this."""

TEMPORARY: Final = ".tmp"
"""No key begins with a dot. The directory's presence also tells an empty store from one that is not mounted."""

_MAX_KNOWN_DIRECTORIES: Final = 20_000
"""About 5 MB; beyond it the flushes of old directories are repeated, which costs time and nothing else."""
_O_TMPFILE: Final[int] = getattr(os, "O_TMPFILE", 0)
_CANNOT_LOCK: Final = frozenset({errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
_CANNOT_TAKE_IN: Final = frozenset({errno.EXDEV, errno.ENOENT})
"""The file lies on another disk, or is one that cannot have a name: linkat(2)."""
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that is being written: its descriptor, and a path that it can be linked from."""

    descriptor: int
    source: str


class BlobDirectory:
    """The blobs under `root`; every method blocks and may be called from any thread or process at once."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._temporary = self._root / TEMPORARY
        self._nameless = False
        self._prepared = False
        self._preparing = threading.Lock()
        self._known: set[Path] = set()

    def prepare(self) -> None:
        """Make the root if need be and learn what the file system can do.

        Every other method does this first, once. Raises `BlobStoreFull`, `BlobStoreFailed`.
        """
        if self._prepared:
            return
        with self._preparing, reporting():
            if not self._prepared:
                make_directories(self._root, mode=DIRECTORY_MODE)
                make_directories(self._temporary, mode=DIRECTORY_MODE)
                self._nameless = self._can_link_nameless()
                self._prepared = True

    def locate(self, key: str) -> Path:
        """Return where a blob lies or would lie. Raises `ValueError`."""
        check_key(key)
        return self._root / key

    def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:
        """As `BlobStore.put`. What `chunks` raises passes through, with nothing kept."""
        target = self.locate(key)
        self.prepare()
        if self._confirm(key, size, sha256):
            return False
        with reporting():
            self._sketch_directory(target.parent)
        if file is not None and self._take_in(file, target):
            return True
        with self._draft() as draft:
            self._fill(draft.descriptor, key, chunks, size=size, sha256=sha256)
            with reporting():
                self._make_directory(target.parent)
                if self._publish(draft, target, overwrite=False):
                    return True
                if self._confirm(key, size, sha256):  # somebody else was quicker
                    return False
                return self._publish(draft, target, overwrite=True)

    def open(self, key: str) -> BinaryIO:
        """Return the blob's file. Raises `BlobMissing`."""
        path = self.locate(key)
        self.prepare()
        with reporting():
            try:
                return path.open("rb")
            except _ABSENT:
                self._require_mounted()
                raise BlobMissing(key) from None

    def head(self, key: str) -> BlobInfo | None:
        """Return what is stored under `key`, or None."""
        path = self.locate(key)
        self.prepare()
        with reporting():
            try:
                found = path.stat()
            except _ABSENT:
                self._require_mounted()
                return None
        return BlobInfo(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None

    def copy(self, source: str, target: str) -> None:
        """As `BlobStore.copy`. The copy is a file of its own: rot in one does not reach the other."""
        self.locate(target)
        with self.open(source) as file:
            size, sha256 = measure(file)

            def chunks() -> Iterator[bytes]:
                file.seek(0)
                return blocks(file)

            self.put(target, chunks, size=size, sha256=sha256)

    def delete(self, key: str) -> bool:
        """As `BlobStore.delete`. The directory is flushed even when the name is gone: its remover may have crashed."""
        path = self.locate(key)
        self.prepare()
        with reporting():
            try:
                with locked(path.parent) as directory:
                    removed = _unlinked(path.name, directory)
                    flush(directory)
            except _ABSENT:
                self._require_mounted()
                return False
        return removed

    def walk(self, prefix: str) -> Generator[BlobInfo, None, None]:
        """Give every blob whose key begins with `prefix` in the order of keys, one directory in memory at a time."""
        check_prefix(prefix)
        self.prepare()
        with reporting():
            self._require_mounted()
            yield from walk(self._root, prefix)

    def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """As `BlobStore.leftovers`: temporary files, where the file system cannot do without names."""
        self.prepare()
        with reporting():
            return tuple(f"{TEMPORARY}/{name}" for name in abandoned(self._temporary, older_seconds, remove=remove))

    # Writing

    def _fill(self, descriptor: int, key: str, chunks: Chunks, *, size: int, sha256: str) -> None:  # noqa: ARG002
        """Write the bytes of a blob as they are to lie on the disk, and flush them; as `fill`."""
        fill(descriptor, chunks, size, sha256)

    def _holds(self, file: BinaryIO, key: str, size: int, sha256: str) -> bool:  # noqa: ARG002
        """Return whether the file of a blob has these bytes."""
        return holds(file, size, sha256)

    def _confirm(self, key: str, size: int, sha256: str) -> bool:
        """Return whether the right bytes are there, after making sure that they stay.

        Whoever wrote them may not have flushed them yet, or may have crashed before. Bytes that are wrong or cannot be
        read are not there.
        """
        target = self.locate(key)
        with reporting():
            try:
                file = target.open("rb", buffering=0)
            except _ABSENT:
                return False
            with file:
                if not self._holds(file, key, size, sha256):
                    return False
                self._make_directory(target.parent)
                with locked(target.parent) as directory:
                    if not is_still(target, file):
                        return False
                    flush(file.fileno())
                    flush(directory)
        return True

    def _take_in(self, file: BinaryIO, target: Path) -> bool:
        """Give a file that has no name this one, durably; return False when that cannot be, or the name is taken."""
        descriptor = file.fileno()
        if not self._nameless or os.fstat(descriptor).st_nlink:
            return False
        with reporting():
            os.fchmod(descriptor, FILE_MODE)
            flush(descriptor)
            self._make_directory(target.parent)
            try:
                return self._publish(Draft(descriptor, f"/proc/self/fd/{descriptor}"), target, overwrite=False)
            except OSError as error:
                if error.errno not in _CANNOT_TAKE_IN:
                    raise
        return False

    def _publish(self, draft: Draft, target: Path, *, overwrite: bool) -> bool:
        """Give the draft its name durably; return False when the name is taken. A name that is not durable is undone.

        The file is flushed again once it has a name, because Btrfs skips the fsync of a file that has none (i_nlink
        of 0, fs/btrfs/tree-log.c). The journal's commit that this asks for is the one that the directory needs anyway.
        """
        with locked(target.parent) as directory:
            try:
                if overwrite:
                    self._link_over(draft, target)
                else:
                    os.link(draft.source, target.name, dst_dir_fd=directory, follow_symlinks=True)
            except FileExistsError:
                return False
            try:
                flush(draft.descriptor)
                flush(directory)
            except BaseException:
                _unlinked(target.name, directory)
                raise
        return True

    def _link_over(self, draft: Draft, target: Path) -> None:
        """Replace a damaged blob: a link never overwrites, a rename always does."""
        stopover = self._temporary / secrets.token_hex(16)
        with opened(self._temporary) as directory:
            os.link(draft.source, stopover.name, dst_dir_fd=directory, follow_symlinks=True)
        try:
            stopover.replace(target)
        finally:
            stopover.unlink(missing_ok=True)

    @contextmanager
    def _draft(self) -> Iterator[Draft]:
        name = self._temporary / secrets.token_hex(16)
        with reporting():
            if self._nameless:
                descriptor = os.open(self._temporary, os.O_RDWR | _O_TMPFILE, FILE_MODE)
            else:
                descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            yield Draft(descriptor, f"/proc/self/fd/{descriptor}" if self._nameless else str(name))
        finally:
            os.close(descriptor)
            if not self._nameless:
                with suppress(OSError):  # `gc` sweeps
                    name.unlink()

    def _make_directory(self, directory: Path) -> None:
        """Make the directories above a blob, and make durable whichever of them we have not seen to be.

        One that is there already may have been made a moment ago by somebody who has not flushed it yet.
        """
        if directory in self._known and directory.is_dir():
            return
        if len(self._known) > _MAX_KNOWN_DIRECTORIES:
            self._known.clear()
        if directory != self._root:
            self._make_directory(directory.parent)
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            flush_directory(directory.parent)
        self._known.add(directory)

    def _sketch_directory(self, directory: Path) -> None:
        """Make the directories above a blob, not durable yet.

        The file's own flush, which comes next, commits a journal that has them in it; `_make_directory` then flushes
        what is clean. In the other order each new directory costs a commit of its own: most puts into a young store.
        """
        if directory == self._root or directory in self._known or directory.is_dir():
            return
        self._sketch_directory(directory.parent)
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)

    # The root

    def _can_link_nameless(self) -> bool:
        """Try it: not every file system has O_TMPFILE, and not every container has /proc."""
        if not _O_TMPFILE:
            return False
        name = secrets.token_hex(16)
        try:
            with opened(self._temporary) as directory, opened(self._temporary, os.O_WRONLY | _O_TMPFILE) as file:
                os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=directory, follow_symlinks=True)
                os.unlink(name, dir_fd=directory)
        except OSError:
            return False
        return True

    def _require_mounted(self) -> None:
        """An empty root that we did not prepare is a disk that is not there, not a store without blobs."""
        if not self._temporary.is_dir():
            raise BlobStoreFailed(f"the blob directory {self._root} is gone")


@contextmanager
def opened(directory: Path, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> Iterator[int]:
    """Give a descriptor of the directory, or of what the flags have made in it."""
    descriptor = os.open(directory, flags, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Give the directory's descriptor, locked where the file system can (NFS cannot lock directories)."""
    with opened(directory) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                raise
        yield descriptor


def is_still(path: Path, file: BinaryIO) -> bool:
    """Return whether the path still names the file that is open."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _unlinked(name: str, directory: int) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True
