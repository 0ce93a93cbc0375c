"""What lies in a directory of blobs: the blobs in the order of their keys, and what crashes left half-written."""

import stat
import time
from collections.abc import Generator
from contextlib import suppress
from os import DirEntry, scandir
from pathlib import Path

from tintype.ports.blobs import BlobInfo, check_key

_ABSENT = (FileNotFoundError, NotADirectoryError)


def walk(root: Path, prefix: str) -> Generator[BlobInfo, None, None]:
    """Give every blob below `root` whose key begins with `prefix`, in the order of keys; see `BlobDirectory.walk`."""
    yield from _below(root, prefix.rpartition("/")[0], prefix)


def _below(root: Path, folder: str, prefix: str) -> Generator[BlobInfo, None, None]:
    keyed = [(f"{folder}/{entry.name}" if folder else entry.name, entry) for entry in _entries(root / folder)]
    ours = [(key, entry) for key, entry in keyed if key.startswith(prefix) and _is_key(key)]
    # The keys in a directory go on with a slash, which sorts after "-" and "." and before every letter and digit.
    for order, entry in sorted((key + "/" * _is_folder(entry), entry) for key, entry in ours):
        if order.endswith("/"):
            yield from _below(root, order[:-1], prefix)
        elif (found := _described(entry, order)) is not None:
            yield found


def abandoned(directory: Path, older_seconds: float, *, remove: bool) -> tuple[str, ...]:
    """Name the files there that nobody has written to for so long, and remove them if that is asked."""
    oldest, found = time.time() - older_seconds, []
    for entry in _entries(directory):
        with suppress(OSError):  # somebody else removes them too, or nothing can be written here now
            if not _is_folder(entry) and entry.stat(follow_symlinks=False).st_mtime <= oldest:
                if remove:
                    (directory / entry.name).unlink()
                found.append(entry.name)
    return tuple(sorted(found))


def _is_folder(entry: DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _entries(directory: Path) -> list[DirEntry[str]]:
    try:
        with scandir(directory) as entries:
            return list(entries)
    except _ABSENT:  # nothing was ever put there
        return []


def _described(entry: DirEntry[str], key: str) -> BlobInfo | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted since
        return None
    return BlobInfo(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None


def _is_key(key: str) -> bool:
    """Temporary files, `lost+found` and whatever else lies about are no blobs."""
    try:
        check_key(key)
    except ValueError:
        return False
    return True
