"""A process that puts blobs until it is killed, and blob stores that are broken on purpose.

`putting` runs it: four tasks at once put random bytes under their SHA-256 and print each key that was acknowledged.
"""

import asyncio
import hashlib
import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tintype.adapters import durable_files
from tintype.adapters.blob_directory import BlobDirectory
from tintype.adapters.blobs_local import LocalBlobStore
from tintype.ports.blobs import Chunks

TASKS = 4
MAX_BYTES = 300_000


def key_of(content: bytes) -> str:
    """Return the key that names its content."""
    name = hashlib.sha256(content).hexdigest()
    return f"1/original/{name[:2]}/{name[2:4]}/{name}"


def in_chunks(content: bytes, length: int = 4096) -> Chunks:
    """Return a source of these bytes."""

    def chunks() -> Iterator[bytes]:
        return (content[start : start + length] for start in range(0, len(content), length))

    return chunks


class WritesUnderTheFinalName(BlobDirectory):
    """Broken: a crash in the middle of a put leaves a torn blob."""

    def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:
        """Write as one would without thinking of crashes."""
        del size, sha256, file
        path = self.locate(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for chunk in chunks():
                file.write(chunk)
            os.fsync(file.fileno())
        return True


def flush_but_not_names(descriptor: int) -> None:
    """Broken: flush the bytes of a file that has no name yet, and nothing that would make its name durable."""
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
        durable_files.flush(descriptor)


def putting(root: Path, *, broken: bool) -> subprocess.Popen[str]:
    """Start the process."""
    return subprocess.Popen(
        [sys.executable, "-B", __file__, str(root), "broken" if broken else "sound"], stdout=subprocess.PIPE, text=True
    )


async def _put_for_ever(store: LocalBlobStore) -> None:
    while True:
        content = random.randbytes(random.randrange(MAX_BYTES))
        key = key_of(content)
        await store.put(key, in_chunks(content), size=len(content), sha256=key.rpartition("/")[2])
        sys.stdout.write(key + "\n")
        sys.stdout.flush()


async def _main(root: Path, *, broken: bool) -> None:
    store = LocalBlobStore(root)
    if broken:
        store._directory = WritesUnderTheFinalName(root)
    await asyncio.gather(*(_put_for_ever(store) for _ in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), broken=sys.argv[2] == "broken"))
