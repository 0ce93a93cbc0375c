"""Bytes into files and out of them, hashed on the way, with the system's errors told in the words of the blob port."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final

from tintype.adapters.durable_files import flush
from tintype.ports.blobs import BlobMismatch, BlobStoreFailed, BlobStoreFull, Chunks

READ_BYTES: Final = 256 * 1024
"""What is read at once, to hash or to send: large enough for the disk, small against a process's memory."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def reporting() -> Iterator[None]:
    """Turn the system's errors into the port's: `BlobStoreFull` or `BlobStoreFailed`."""
    try:
        yield
    except OSError as error:
        raise (BlobStoreFull if error.errno in _FULL else BlobStoreFailed)(str(error)) from error


def fill(descriptor: int, chunks: Chunks, size: int, sha256: str) -> None:
    """Write what `chunks` gives and flush it, or raise `BlobMismatch`; more than `size` bytes are never written.

    What `chunks` itself raises passes through: a source that fails is not a store that fails.
    """
    for piece in verified(chunks, size, sha256):
        with reporting():
            write_all(descriptor, piece)
    with reporting():
        flush(descriptor)


def verified(chunks: Chunks, size: int, sha256: str) -> Iterator[memoryview]:
    """Give what `chunks` gives, and raise `BlobMismatch` as soon as it is more than promised, or at the end other."""
    digest, given = hashlib.sha256(), 0
    for chunk in chunks():
        piece = memoryview(chunk).cast("B")
        given += piece.nbytes
        if given > size:
            raise BlobMismatch(f"more than the promised {size} bytes")
        digest.update(piece)
        yield piece
    if given != size:
        raise BlobMismatch(f"{given} bytes instead of the promised {size}")
    if digest.hexdigest() != sha256:
        raise BlobMismatch(f"SHA-256 {digest.hexdigest()} instead of the promised {sha256}")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it: a disk that is almost full takes a part, and says so only when it is asked again."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def holds(file: BinaryIO, size: int, sha256: str) -> bool:
    """Return whether a file has these bytes; a sector that cannot be read is damage like any other."""
    try:
        return os.fstat(file.fileno()).st_size == size and measure(file) == (size, sha256)
    except BlobStoreFailed:
        return False


def measure(file: BinaryIO) -> tuple[int, str]:
    """Return size in bytes and SHA-256 (hexadecimal) of the rest of a file. Raises `BlobStoreFailed`."""
    digest, size = hashlib.sha256(), 0
    for block in blocks(file):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Give the rest of a file in bounded pieces. Raises `BlobStoreFailed`."""
    while block := read_block(file, READ_BYTES):
        yield block


def read_block(file: BinaryIO, length: int) -> bytes:
    """Return at most `length` bytes, none at the end of the file. Raises `BlobStoreFailed`."""
    with reporting():
        return file.read(length)


def forget_pages(descriptor: int) -> None:
    """Have the next read come from the disk: what the kernel remembers of a file says nothing about the medium."""
    with suppress(AttributeError, OSError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
