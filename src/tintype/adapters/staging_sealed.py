"""Staging whose files are encrypted: what is received is never in clear on a disk.

An upload begins in memory, as long as it is small and there is room: most never come to the disk, and are neither
sealed nor opened for nothing. The others do: each file has a key of its own, drawn for it and forgotten with it, and
what arrives is sealed piece by piece (AES-256-GCM, the nonce counts the pieces). Once all is there it is opened into
memory, where it is examined and read from until the request ends. So many are in memory at once, and a slow sender is
none of them: a place is taken when the last byte has come. What is larger than any image (an archive) is opened piece
by piece while it is read.
"""

import asyncio
import io
import os
import secrets
import threading
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tintype.adapters.staging_local import FLUSH_BYTES, LocalStagedBytes, LocalStaging
from tintype.adapters.verified_bytes import reporting, write_all
from tintype.ports.blobs import BlobStoreFailed

CLEAR_UPLOADS: Final = 16
"""In memory at once in one process, between their last byte and their answer (some 50 ms): 160 MB at the most for a
kind of 10 MB, and as many as the store writes at once."""

CLEAR_BYTES: Final = 64 * 2**20
"""What is larger is no image to be examined, unless a kind says so, and memory is not for it."""

HELD_EACH_BYTES: Final = 4 * 2**20
"""Of an upload that stays in memory while it comes in: most photographs are no larger."""

HELD_BYTES: Final = 64 * 2**20
"""Of all of them together in one process: what comes when slow senders have used it up waits on the disk, sealed."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Room:
    """How much of the memory for uploads on their way is left; asked by many threads."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take so much, or nothing when there is not so much left; return whether."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += size


class SealedStagedBytes(LocalStagedBytes):
    """One upload: in memory, or in a file without a name, encrypted, and opened into memory when it is complete."""

    def __init__(
        self, make: Callable[[], BinaryIO], places: asyncio.Semaphore, room: Room, *, clear_bytes: int = CLEAR_BYTES
    ) -> None:
        self._room = room
        self._clear_bytes = clear_bytes
        self._held: BinaryIO | None = None
        self._held_bytes = 0
        self._cipher = AESGCM(secrets.token_bytes(_KEY_BYTES))
        self._lengths: list[int] = []
        self._places = places
        self._has_place = False
        self._clear: BinaryIO | None = None
        super().__init__(make)

    async def finish(self) -> tuple[BinaryIO, bytes]:
        """Return a file in memory and the SHA-256 of what was written, once there is a place for it."""
        sealed, digest = await super().finish()
        if self._held is not None:
            return self._held, digest
        if self.size > self._clear_bytes:
            return _Reader(sealed, self._lengths, self._open_piece), digest
        await self._places.acquire()
        self._has_place = True
        opening = asyncio.get_running_loop().run_in_executor(None, self._opened, sealed)
        self._under_way = opening  # what is discarded waits for its end, and then closes what it made
        return await asyncio.shield(opening), digest

    def discard(self) -> None:
        """Have both files closed as soon as nobody writes to them, and leave the place."""
        super().discard()
        if self._has_place:
            self._has_place = False
            self._places.release()

    def _write(self, file: BinaryIO, data: bytes) -> None:
        if not data or self._hold(data):
            return
        self._let_go(file)
        self._seal(file, data)

    def _hold(self, data: bytes) -> bool:
        """Keep the data in memory, if all before it is there; return whether there was room."""
        size = len(data)
        if self._lengths or self._held_bytes + size > HELD_EACH_BYTES or not self._room.take(size):
            return False
        self._held_bytes += size
        if self._held is None:
            self._held = _memory()
        write_all(self._held.fileno(), data)
        return True

    def _let_go(self, file: BinaryIO) -> None:
        """Seal what was held into the file: it became too much."""
        if self._held is not None:
            for start in range(0, self._held_bytes, FLUSH_BYTES):
                self._seal(file, os.pread(self._held.fileno(), FLUSH_BYTES, start))
            self._forget_held()

    def _forget_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()
        self._room.give_back(self._held_bytes)
        self._held_bytes = 0

    def _seal(self, file: BinaryIO, data: bytes) -> None:
        piece = self._cipher.encrypt(_nonce(len(self._lengths)), data, None)
        self._lengths.append(len(piece))  # first: whatever becomes of the write, this nonce was used
        super()._write(file, piece)

    def _opened(self, sealed: BinaryIO) -> BinaryIO:
        with reporting():
            self._clear = _memory()
            start = 0
            for number, length in enumerate(self._lengths):
                piece = os.pread(sealed.fileno(), length, start)
                write_all(self._clear.fileno(), self._open_piece(number, piece))
                start += length
        return self._clear

    def _open_piece(self, number: int, piece: bytes) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(number), piece, None)
        except InvalidTag as error:
            raise BlobStoreFailed("what was staged is not what was read back") from error

    def _close(self) -> None:
        super()._close()
        self._forget_held()
        if self._clear is not None:
            self._clear.close()


class _Reader(io.RawIOBase, BinaryIO):
    """What was staged, opened piece by piece; it has no descriptor. The file beneath is closed by whoever staged it."""

    def __init__(self, sealed: BinaryIO, lengths: list[int], open_piece: Callable[[int, bytes], bytes]) -> None:
        super().__init__()
        self._sealed = sealed
        self._open_piece = open_piece
        self._starts = [0, *accumulate(lengths)]
        self._contents = [0, *accumulate(length - _TAG_BYTES for length in lengths)]
        self._at = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the content."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._contents[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, length: int | None = -1, /) -> bytes:
        """Return at most so many bytes, of one piece unless all are asked for; none at the end."""
        if length is None or length < 0:
            return b"".join(iter(lambda: self.read(CLEAR_BYTES), b""))
        if self._at >= self._contents[-1] or not length:
            return b""
        number = bisect_right(self._contents, self._at) - 1
        with reporting():
            size = self._starts[number + 1] - self._starts[number]
            piece = self._open_piece(number, os.pread(self._sealed.fileno(), size, self._starts[number]))
        start = self._at - self._contents[number]
        found = piece[start : start + length]
        self._at += len(found)
        return found


def _memory() -> BinaryIO:
    return os.fdopen(os.memfd_create("tintype-upload", os.MFD_CLOEXEC), "r+b", buffering=0)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


class SealedStaging(LocalStaging):
    """Staging in a directory, encrypted there; as `LocalStaging` otherwise."""

    def __init__(
        self, directory: Path, *, reserve_bytes: int = 0, held_bytes: int = HELD_BYTES, clear_bytes: int = CLEAR_BYTES
    ) -> None:
        """`held_bytes` is how much may wait in memory; what has at most `clear_bytes` is opened into it as a whole."""
        super().__init__(directory, reserve_bytes=reserve_bytes)
        self._clear_bytes = clear_bytes
        self._places = asyncio.Semaphore(CLEAR_UPLOADS)
        self._room = Room(held_bytes)

    def _make(self) -> SealedStagedBytes:
        return SealedStagedBytes(self._nameless, self._places, self._room, clear_bytes=self._clear_bytes)
