"""Bytes into files and out of them, hashed on the way, with the system's errors told in the words of the blob port."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    digest, written = hashlib.sha256(), 0
    for chunk in chunks():
        rest = memoryview(chunk).cast("B")
        written += rest.nbytes
        if written > size:
            raise BlobMismatch(f"more than the promised {size} bytes")
        digest.update(rest)
        with reporting():
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    if written != size:
        raise BlobMismatch(f"{written} bytes instead of the promised {size}")
    if digest.hexdigest() != sha256:
        raise BlobMismatch(f"SHA-256 {digest.hexdigest()} instead of the promised {sha256}")
    with reporting():
        flush(descriptor)


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
