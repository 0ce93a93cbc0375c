"""Files that are still there after a power cut.

Writing is not enough: the bytes reach the medium by fsync of the file, and its name by fsync of the directory that
holds it, and a new directory's name by fsync of *its* directory. A failed fsync is never tried again: the kernel
reports an error once and then takes the pages for clean, so a second success proves nothing.
"""

import fcntl
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path


def flush(descriptor: int) -> None:
    """Force what was written to an open file or directory onto the medium. Raises `OSError`."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync stops at the drive's volatile cache there: fsync(2)
    else:
        os.fsync(descriptor)


def flush_directory(directory: Path) -> None:
    """Make the names in a directory durable: files made, renamed and removed there. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path, *, mode: int) -> None:
    """Make a directory and whatever is missing above it, each of them durable. Raises `OSError`.

    Its own name is flushed even when it was there: whoever made it may have crashed before that.
    """
    if not directory.parent.is_dir():
        make_directories(directory.parent, mode=mode)
    directory.mkdir(mode=mode, exist_ok=True)
    with suppress(PermissionError):  # a directory above that we may pass through but not read was not made by us
        flush_directory(directory.parent)


def write_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a small file as a whole: a crash leaves the old one or the new one. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb", closefd=True) as file:
            file.write(content)
            file.flush()
            flush(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(path.parent)
