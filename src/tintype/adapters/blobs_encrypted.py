"""The local blob store whose files are encrypted: `SealedBlobDirectory` behind the port.

Nothing that is in clear touches a disk. Reads open the chunks that they need; whoever needs a file gets one in memory
(memfd_create(2)), which has no name and is gone with the last descriptor. No path is handed out: what a kernel could
send from it is the ciphertext.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.blobs_local import THREADS, LocalBlobStore
from tintype.adapters.sealed_directory import Rewritten, SealedBlobDirectory
from tintype.adapters.sealed_file import UnsealedFile
from tintype.adapters.verified_bytes import blocks, forget_pages, reporting, write_all
from tintype.ports.blobs import check_key

CLEAR_FILES: Final = 4
"""In memory at once in one process, as large as the largest kind allows (40 MB by default): a worker renders as many.
Others wait, as they would for a decoder."""


class EncryptedBlobStore(LocalBlobStore):
    """Blobs in a directory of this machine, encrypted with `keys`; see `SealedBlobDirectory`."""

    def __init__(self, root: Path, keys: KeyRing, *, accept_clear: bool = True, threads: int = THREADS) -> None:
        super().__init__(root, threads=threads)
        self._sealed = SealedBlobDirectory(root, keys, accept_clear=accept_clear)
        self._directory = self._sealed
        self._places = asyncio.Semaphore(CLEAR_FILES)

    @asynccontextmanager
    async def open(self, key: str, *, fresh: bool = False) -> AsyncIterator[BinaryIO]:
        """Give the blob's content: as a file in memory, or, `fresh`, as one that is decrypted while it is read."""
        check_key(key)
        if fresh:
            with await self._run(self._from_medium, key) as file:
                yield file
            return
        async with self._places:
            with await self._run(self._in_memory, key) as file:
                yield file

    def path(self, key: str) -> Path | None:
        """Return None: the kernel would read ciphertext."""
        check_key(key)
        return None

    async def rewrite(self, key: str, *, expected: str) -> Rewritten:
        """Have the blob lie there under the current key; see `SealedBlobDirectory.rewrite`."""
        return await self._remove(self._sealed.rewrite, key, expected=expected)

    def _from_medium(self, key: str) -> BinaryIO:
        with self._sealed.open_raw(key) as raw:
            forget_pages(raw.fileno())
        return self._sealed.open(key)

    def _in_memory(self, key: str) -> BinaryIO:
        content = self._sealed.open(key)
        if not isinstance(content, UnsealedFile):
            return content
        with content, reporting():
            descriptor = os.memfd_create("tintype-blob", os.MFD_CLOEXEC)
            try:
                for block in blocks(content):
                    write_all(descriptor, block)
                os.lseek(descriptor, 0, os.SEEK_SET)
                return os.fdopen(descriptor, "rb", buffering=0)
            except BaseException:
                os.close(descriptor)
                raise
