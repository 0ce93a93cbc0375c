"""Files that are encrypted on the disk, read and written as if they were not."""

import io
import os
import secrets
from collections.abc import Iterator
from typing import BinaryIO, Final

from tintype.adapters.blob_keys import KeyRing
from tintype.adapters.durable_files import flush
from tintype.adapters.sealed_format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    ChunkCipher,
    Header,
    SealBroken,
    parse_header,
)
from tintype.adapters.verified_bytes import reporting, verified, write_all
from tintype.ports.blobs import Chunks

_SEALED_CHUNK: Final = CHUNK_BYTES + TAG_BYTES

WRITTEN_AT_ONCE: Final = 16
"""Chunks, a mebibyte: each call gives the interpreter up, and waits to have it back."""


def read_header(file: BinaryIO) -> Header | None:
    """Return the header of an open file; None when it is one in clear. Raises `SealBroken`, `BlobStoreFailed`."""
    with reporting():
        head = os.pread(file.fileno(), HEADER_BYTES, 0)
        return parse_header(head, os.fstat(file.fileno()).st_size)


def fill_sealed(descriptor: int, storage_key: str, keys: KeyRing, chunks: Chunks, *, size: int, sha256: str) -> None:
    """Write what `chunks` gives, encrypted with the current key, and flush it; as `fill` otherwise."""
    if keys.current is None:
        raise ValueError("there is no key to encrypt with")
    header = Header(keys.current, secrets.token_bytes(SALT_BYTES), size)
    cipher = keys.cipher(header, storage_key)
    with reporting():
        write_all(descriptor, header.pack())
    for number, content in enumerate(_whole_chunks(verified(chunks, size, sha256))):
        sealed = cipher.seal(number, content)
        with reporting():
            write_all(descriptor, sealed)
    with reporting():
        flush(descriptor)


def seal_file(descriptor: int, storage_key: str, keys: KeyRing, file: BinaryIO) -> None:
    """Write the content of an open file, which somebody has verified, encrypted with the current key, and flush it.

    As `fill_sealed`, without copying or hashing: of a photograph that is half of the work.
    """
    if keys.current is None:
        raise ValueError("there is no key to encrypt with")
    size = os.fstat(file.fileno()).st_size
    header = Header(keys.current, secrets.token_bytes(SALT_BYTES), size)
    cipher = keys.cipher(header, storage_key)
    pending = [header.pack()]
    for number in range(header.chunks):
        content = os.pread(file.fileno(), CHUNK_BYTES, number * CHUNK_BYTES)
        pending.append(cipher.seal(number, content))
        if len(pending) == WRITTEN_AT_ONCE or number == header.chunks - 1:
            write_all(descriptor, b"".join(pending))
            pending.clear()
    flush(descriptor)


def _whole_chunks(pieces: Iterator[memoryview]) -> Iterator[bytes]:
    """Give the bytes in chunks of which all but the last are full; no bytes are one empty chunk.

    A full chunk is held back until a byte follows it: only then is it known not to be the last.
    """
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    yield bytes(waiting)


class UnsealedFile(io.RawIOBase, BinaryIO):
    """The content of an encrypted file that is open: reads open the chunks that they touch, and no others.

    Reads and seeks alone. It has no descriptor: what the kernel could read from
    one would be the ciphertext.
    """

    def __init__(self, file: BinaryIO, header: Header, cipher: ChunkCipher, *, owned: bool) -> None:
        """`owned` says whether the file beneath ends with this one."""
        super().__init__()
        self._owned = owned
        self._file = file
        self._size = header.size
        self._cipher = cipher
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
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, length: int | None = -1, /) -> bytes:
        """Return so many bytes, fewer only at the end. Raises `SealBroken` and nothing of a chunk that was changed."""
        rest = max(0, self._size - self._at)
        wanted = rest if length is None or length < 0 else min(rest, length)
        if not wanted:
            return self._nothing()
        first, last = self._at // CHUNK_BYTES, (self._at + wanted - 1) // CHUNK_BYTES
        content = b"".join(self._opened(first, last))
        start = self._at - first * CHUNK_BYTES
        self._at += wanted
        return content[start : start + wanted]

    def close(self) -> None:
        """Close the file beneath, too, if it is owned."""
        if self._owned and not self.closed:
            self._file.close()
        super().close()

    def _nothing(self) -> bytes:
        """Return no bytes; of an empty blob once its only chunk has opened."""
        if self._size == 0:
            list(self._opened(0, 0))
        return b""

    def _opened(self, first: int, last: int) -> Iterator[bytes]:
        count = last - first + 1
        with reporting():
            sealed = os.pread(self._file.fileno(), count * _SEALED_CHUNK, HEADER_BYTES + first * _SEALED_CHUNK)
        view = memoryview(sealed)
        for place in range(count):
            chunk = view[place * _SEALED_CHUNK : (place + 1) * _SEALED_CHUNK]
            if len(chunk) < TAG_BYTES:
                raise SealBroken("an encrypted blob became shorter while it was read")
            yield self._cipher.open(first + place, chunk)
