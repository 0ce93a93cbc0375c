"""Where the processes of a node share their metrics: files that each of them maps, made anew at every start.

They lie in memory. A mapped file on a disk that is full kills its process (SIGBUS) as soon as it needs another page,
and no process that shares metrics could be started until there is room: reads would stop, too (I11).
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes a directory there that is ours alone
_PREFIX: Final = "tintype-metrics-"


def make_metrics_directory(run: Path) -> Path:
    """Return an empty directory, to which `metrics` in `run` leads; what an earlier start left is removed.

    Without memory that can be had as files (macOS, a bare container) it lies in `run`. Raises `OSError`.
    """
    remove_metrics_directory(run)
    run.mkdir(parents=True, exist_ok=True)
    directory = run / "metrics"
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        directory.mkdir()
        return directory
    in_memory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY))
    directory.symlink_to(in_memory)
    return in_memory


def remove_metrics_directory(run: Path) -> None:
    """Remove the directory and what leads to it, if there is one."""
    directory = run / "metrics"
    if not directory.is_symlink():
        shutil.rmtree(directory, ignore_errors=True)
        return
    in_memory = directory.readlink()
    directory.unlink()
    if in_memory.parent == _MEMORY and in_memory.name.startswith(_PREFIX):
        shutil.rmtree(in_memory, ignore_errors=True)
