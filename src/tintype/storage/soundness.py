"""Whether a file holds the bytes that it was stored with: read again from the medium, in bounded memory."""

import asyncio
import hashlib
from typing import BinaryIO, Final

from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed

READ_BYTES: Final = 256 * 1024


async def sha256_in(blobs: BlobStore, key: str) -> str | None:
    """Return the SHA-256 (hexadecimal) of what is stored under the key; None when it cannot be read.

    `BlobMissing` when there is nothing. Hashing runs in a thread, beside which the event loop goes on.
    """
    try:
        async with blobs.open(key, fresh=True) as file:
            return await asyncio.to_thread(_digest, file)
    except BlobMissing:
        raise
    except (BlobStoreFailed, OSError):  # a sector that cannot be read is damage like any other
        return None


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()
