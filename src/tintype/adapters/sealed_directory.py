"""Blobs in a directory that are encrypted there: `BlobDirectory` whose files are sealed before they get their names.

The order of system calls, the locks and the flushes are those of `BlobDirectory`; only what stands in the files
differs. Files in clear and files under older keys lie among the others and are read like them: a file says itself what
it is. So encryption is switched on, off and over to another key while the product runs, and `rewrite` changes the files
one by one.
"""

import enum
import os
import secrets
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from tintype.adapters.blob_directory import BlobDirectory, Draft, is_still, locked, opened
from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.durable_files import flush
from tintype.adapters.sealed_file import UnsealedFile, fill_sealed, read_header, seal_file
from tintype.adapters.sealed_format import Header, SealBroken
from tintype.adapters.verified_bytes import blocks, measure, reporting
from tintype.ports.blobs import BlobInfo, BlobMismatch, BlobStoreFailed, Chunks


class Rewritten(enum.Enum):
    """What became of a file that was to be under the current key."""

    DONE = "done"
    ALREADY = "already"
    GONE = "gone"


class SealedBlobDirectory(BlobDirectory):
    """The blobs under `root`, encrypted with the current key of `keys` or, when there is none, written in clear.

    `accept_clear` says whether files in clear are read: once everything is encrypted, one that is not was put there by
    somebody else.
    """

    def __init__(self, root: Path, keys: KeyRing, *, accept_clear: bool = True) -> None:
        super().__init__(root)
        self._keys = keys
        self._accept_clear = accept_clear

    def open(self, key: str) -> BinaryIO:
        """Return the blob's content. Raises `BlobMissing`, `SealBroken`."""
        return self._unsealed(super().open(key), key)

    def open_raw(self, key: str) -> BinaryIO:
        """Return the blob's file as it lies on the disk. Raises `BlobMissing`."""
        return super().open(key)

    def head(self, key: str) -> BlobInfo | None:
        """Return what is stored under `key`, or None."""
        found = super().head(key)
        return self._in_clear(found) if found else None

    def walk(self, prefix: str) -> Generator[BlobInfo, None, None]:
        """Give every blob whose key begins with `prefix`; see `BlobDirectory.walk`."""
        for found in super().walk(prefix):
            described = self._in_clear(found)
            if described is not None:
                yield described

    def rewrite(self, key: str, *, expected: str) -> Rewritten:
        """Have the blob lie there under the current key, or in clear when there is none.

        A crash at any moment leaves the file as it was or as it will be, whole. `expected` is what the SHA-256 of its
        content begins with: `BlobMismatch` when it does not, and the file stays. Raises `BlobMissing`,
        `BlobStoreFailed`.
        """
        with self.open_raw(key) as file:
            header = read_header(file)
            if (header.key_id if header else None) == self._keys.current:
                return Rewritten.ALREADY
            content = self._content(file, header, key)
            size, sha256 = measure(content)
            if not sha256.startswith(expected):
                raise BlobMismatch(f"{key} holds other bytes than were stored")

            def chunks() -> Iterator[bytes]:
                content.seek(0)
                return blocks(content)

            with self._draft() as draft:
                self._fill(draft.descriptor, key, chunks, size=size, sha256=sha256)
                self._read_back(draft, key, size, sha256)
                with reporting():
                    _hand_over(draft.descriptor, file)
                    return self._exchange(draft, self.locate(key), file)

    def _exchange(self, draft: Draft, target: Path, old: BinaryIO) -> Rewritten:
        """Put the draft in the place of the file, unless that was deleted or replaced meanwhile.

        The draft is flushed once more when it has a name and before it takes the other's (see `_publish`). When the
        directory's flush fails the new name stays: either file is whole, and whichever is there after a power cut has
        the same content. The file is as young as it looks: a backup that went by time and size would miss it otherwise.
        """
        with locked(target.parent) as directory:
            if not is_still(target, old):
                return Rewritten.GONE
            stopover = self._temporary / secrets.token_hex(16)
            with opened(self._temporary) as temporary:
                os.link(draft.source, stopover.name, dst_dir_fd=temporary, follow_symlinks=True)
            try:
                flush(draft.descriptor)
                stopover.replace(target)
            finally:
                stopover.unlink(missing_ok=True)
            flush(directory)
        return Rewritten.DONE

    def _read_back(self, draft: Draft, key: str, size: int, sha256: str) -> None:
        """Raise `BlobStoreFailed` unless the draft opens again: the only other copy is about to go."""
        with os.fdopen(os.dup(draft.descriptor), "rb", buffering=0) as file:
            file.seek(0)
            if measure(self._content(file, read_header(file), key)) != (size, sha256):
                raise BlobStoreFailed(f"{key} was not the same when it was read back")

    # What stands in the files

    def _fill(self, descriptor: int, key: str, chunks: Chunks, *, size: int, sha256: str) -> None:
        if self._keys.current is None:
            super()._fill(descriptor, key, chunks, size=size, sha256=sha256)
        else:
            fill_sealed(descriptor, key, self._keys, chunks, size=size, sha256=sha256)

    def _take_in(self, file: BinaryIO, target: Path) -> bool:
        """A file in clear can be taken in as it is only where blobs are written in clear; else what is in it."""
        if self._keys.current is None:
            return super()._take_in(file, target)
        with self._draft() as draft, reporting():
            seal_file(draft.descriptor, target.relative_to(self._root).as_posix(), self._keys, file)
            self._make_directory(target.parent)
            return self._publish(draft, target, overwrite=False)

    def _holds(self, file: BinaryIO, key: str, size: int, sha256: str) -> bool:
        try:
            content = self._content(file, self._checked_header(file, key), key)
            return measure(content) == (size, sha256)
        except BlobStoreFailed:
            return False

    def _unsealed(self, file: BinaryIO, key: str) -> BinaryIO:
        try:
            return self._content(file, self._checked_header(file, key), key, owned=True)
        except BaseException:
            file.close()
            raise

    def _content(self, file: BinaryIO, header: Header | None, key: str, *, owned: bool = False) -> BinaryIO:
        return UnsealedFile(file, header, self._keys.cipher(header, key), owned=owned) if header else file

    def _checked_header(self, file: BinaryIO, key: str) -> Header | None:
        header = read_header(file)
        if header is None and not self._accept_clear:
            raise SealBroken(f"{key} is in clear, where everything was encrypted")
        return header

    def _in_clear(self, found: BlobInfo) -> BlobInfo | None:
        """Return the blob with the size of its content; that of the file when it is damaged, which nobody recorded."""
        try:
            with self.locate(found.key).open("rb", buffering=0) as file:
                header = read_header(file)
        except FileNotFoundError:  # deleted since
            return None
        except (OSError, BlobStoreFailed):
            return found
        return BlobInfo(found.key, header.size, found.modified) if header else found


def _hand_over(descriptor: int, old: BinaryIO) -> None:
    """Give the new file to whom the old one belonged: root may run the command, and somebody else the server."""
    was, found = os.fstat(old.fileno()), os.fstat(descriptor)
    if (was.st_uid, was.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, was.st_uid, was.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
