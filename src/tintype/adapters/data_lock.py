"""One server per data directory: an advisory lock that the kernel releases when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tintype.adapters.durable_files import make_directories

LOCK_FILE: Final = "lock"
DIRECTORY_MODE: Final = 0o711
"""Others may pass through (the database's own user, nginx on its way to the blobs) but not look around."""
_MAX_PID_DIGITS: Final = 20


class DataDirectoryUnusable(Exception):
    """The data directory is in use or cannot be written; the message is a sentence for the operator."""


class DataDirectoryLock:
    """The right to write to a data directory, held from `acquire` to `release` or the end of the process.

    It is flock(2) on `<directory>/lock`, which holds its holder's process id for whoever is refused. The file is never
    removed: a new file under the same name could be locked by a second holder. Programs that the holder executes do not
    inherit the lock; a child that it forks without exec does, and keeps it until it ends.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Make the directory if need be and take the lock at once, or raise `DataDirectoryUnusable`."""
        try:
            make_directories(self._directory, mode=DIRECTORY_MODE)
            descriptor = os.open(self._directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self._directory} cannot be used: {error.strerror}. Choose another with --data, "
                f"or start as the user whom it belongs to."
            ) from error
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the directory up; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _MAX_PID_DIGITS, 0).decode(errors="replace").strip()
            raise DataDirectoryUnusable(
                f"The data directory {self._directory} is in use by a running Tintype server (process "
                f"{holder or 'unknown'}). Stop that server first, or choose another directory with --data."
            ) from None
        except OSError as error:
            raise DataDirectoryUnusable(
                f"The data directory {self._directory} cannot be locked: {error.strerror}. Put it on a local disk."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
