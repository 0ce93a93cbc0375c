"""Where the processes of a node share their metrics: files that each of them maps, made anew at every start.

They lie in memory. A mapped file on a disk that is full kills its process (SIGBUS) as soon as it needs another page,
and no process that shares metrics could be started until there is room: reads would stop, too (I11).
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes a directory there that is ours alone
_PREFIX: Final = "tintype-metrics-"

_YOUNG_SECONDS: Final = 60.0
"""A directory that is younger may have been made a moment ago, and be locked in the next."""


class MetricsDirectory:
    """An empty directory, locked for as long as it is used: what a killed server left is told by that, and removed.

    Without memory that can be had as files (macOS, a bare container) it lies in `run`, which no other server uses.
    Raises `OSError`.
    """

    def __init__(self, run: Path) -> None:
        self.path = _in_memory() if os.access(_MEMORY, os.W_OK | os.X_OK) else _emptied(run / "metrics")
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)  # closed on exec: children do not hold it
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def remove(self) -> None:
        """Remove it with all that is in it; nobody maps its files any more."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _in_memory() -> Path:
    for former in _MEMORY.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or removed by somebody else
            _remove_unless_used(former)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY))


def _remove_unless_used(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and time.time() - found.st_ctime > _YOUNG_SECONDS:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)


def _emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
