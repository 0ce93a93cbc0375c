"""Where bytes live: the port of every blob store.

Keys are opaque strings of `[a-z0-9._/-]` made by `domain/keys.py`; a store never interprets user input as a path.
Content is immutable: a key is written once and names the same bytes for ever. No key is the directory of another.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

MAX_KEY_LENGTH: Final = 512
"""Characters. Ours have at most 170; S3 allows 1024 bytes, and a directory may stand before it in a path of 4096."""
_SEGMENT: Final = r"[a-z0-9][a-z0-9._-]{0,199}"  # a file name has at most 255 bytes
_KEY: Final = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_PREFIX: Final = re.compile(rf"({_SEGMENT}/)*({_SEGMENT})?")


class BlobMissing(Exception):
    """No blob has that key."""


class BlobMismatch(Exception):
    """The bytes are not the ones promised (size or SHA-256); nothing was kept."""


class BlobStoreFull(Exception):
    """There is no room for the bytes; nothing was kept."""


class BlobStoreFailed(Exception):
    """The store did not do it (I/O error, unreachable); nothing was acknowledged."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob: `size` in bytes, `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


Chunks = Callable[[], Iterable[bytes | memoryview]]
"""Makes the bytes, from the start, each time it is called: a put that is repeated reads them again."""


def check_key(key: str) -> None:
    """Raise `ValueError` unless `key` can name a blob: no empty segment, none that begins with a dot, no slash ahead.

    The second lock on a door that `domain/keys.py` keeps: no store turns user input into a path.
    """
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"not a blob's key: {key[:MAX_KEY_LENGTH]!r}")


def check_prefix(prefix: str) -> None:
    """Raise `ValueError` unless a key can begin with `prefix`; every key begins with the empty one."""
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not the beginning of a blob's key: {prefix[:MAX_KEY_LENGTH]!r}")


class BlobStore(Protocol):
    """What every store does. `tests/contract/test_blobs.py` is this text as code.

    Every method may raise `BlobStoreFailed`; `put` and `copy` also `BlobStoreFull`. What `check_key` refuses is a
    `ValueError` everywhere.
    """

    async def put(self, key: str, chunks: Chunks, *, size: int, sha256: str, file: BinaryIO | None = None) -> bool:
        """Store the bytes durably under `key` and return whether they are new.

        When it returns, the bytes survive a power cut. The bytes are written in bounded memory and verified against
        `size` (bytes) and `sha256` (hexadecimal) before they get their name: `BlobMismatch` otherwise. When the key is
        there already with these bytes, nothing is written, but what is there is verified and made durable first; a
        damaged blob is replaced by the good one, which is the only time that a name gets other bytes. Of
        two concurrent puts both succeed. A crash at any moment leaves the key absent or whole.

        `file` is an open file of this machine with the same bytes, which the caller has verified and nobody writes to
        any more: a store that can may take it in as it is, and then calls no `chunks`.
        """
        ...

    async def read(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes from `offset`, at most `length` of them, in bounded chunks; `BlobMissing` before the first.

        A range that reaches past the end is cut to what is there. A store that can tell gives no byte that is not the
        one that was put: it raises `BlobStoreFailed` instead, before the first byte or after good ones.
        """
        ...

    def open(self, key: str, *, fresh: bool = False) -> AbstractAsyncContextManager[BinaryIO]:
        """Give the whole blob as a local file opened for reading (fetched or decrypted into memory first, if need be).

        `fresh` asks for what the medium holds, not for what the kernel remembers of it; such a file is there to be read
        once, however large it is, and may have no descriptor.
        """
        ...

    async def head(self, key: str) -> BlobInfo | None:
        """Return what is stored under `key`, or None."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Store the bytes of `source` under `target` too, as durably as `put`; `BlobMissing` when there is none."""
        ...

    async def delete(self, key: str) -> bool:
        """Remove the blob durably and return whether it was there. A key that is not there is no error.

        When it returns, a power cut does not bring the blob back, whoever removed it.
        """
        ...

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Give every blob whose key begins with `prefix`, by code point of the key; never one that is half-written.

        In bounded memory, whatever their number. What is put or deleted meanwhile may or may not be among them.
        """
        ...

    async def leftovers(self, *, older_seconds: float, remove: bool) -> tuple[str, ...]:
        """Name what puts left half-written that died, untouched for so long; remove it if `remove` says so."""
        ...

    def path(self, key: str) -> Path | None:
        """Return where a kernel can read the blob from (whether or not it is there).

        None for a store that is remote, or whose files hold something else than the blob's bytes.
        """
        ...
