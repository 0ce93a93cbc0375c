"""How clients put bytes straight into a remote store: requests that we sign and they send.

A store on this machine has no such port (`None`); the API's own signed URLs serve there. The bytes become a blob of the
same `BlobStore` under the same key, durable once the store has answered the put or the completion; nothing but their
number, and what was signed of them, has been checked by then: they are read and examined by whoever takes them in.

*One object*: `put` signs a request that stores it. It may be sent again until it expires, even after the upload is
over, so a staging key is never used for anything else, and what appears there late is garbage.

*In parts*: `begin`, then `part` signs a request for each number from 1 on, in any order, each of which may be sent
again and then replaces what it was; `parts` says what is there, also to who resumes; `complete` makes the blob. What is
begun lies invisibly in the store until it is completed or aborted: `unfinished` finds what was forgotten. How many
parts there are, and how large the least of them but the last, is said in `domain/parts.py`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

MAX_PART_BYTES: Final = 5 * 2**30
MAX_PUT_BYTES: Final = 5 * 2**30
"""Larger ones have to come in parts."""
MAX_LIFETIME: Final = timedelta(days=7)
"""No store signs for longer."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that whoever holds it may send until `expires_at`, with exactly these headers; others are refused."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that is there: `size` in bytes; `sha256` when the upload was begun `hashed` and the store tells."""

    number: int
    size: int
    etag: str
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload in parts that was begun and is neither completed nor aborted."""

    key: str
    upload: str
    begun_at: datetime


class DirectUploads(Protocol):
    """What a remote store does for clients. Keys are those of `BlobStore`, whatever prefix the store puts before them.

    Signing asks nobody and cannot fail but by `ValueError`: for what is no key, for a number of bytes or of a part that
    the store does not take, for a lifetime that is not positive or longer than MAX_LIFETIME. Every coroutine raises
    `BlobStoreFailed` of `ports/blobs.py` when the store did not do it, within seconds. `upload` is what `begin` gave.
    """

    def put(
        self, key: str, *, size: int, content_type: str, sha256: bytes | None, lifetime: timedelta
    ) -> SignedRequest:
        """Sign a request that stores a whole blob: so many bytes, of this type, and, if given, with this SHA-256."""
        ...

    async def begin(self, key: str, *, content_type: str, hashed: bool = False) -> str:
        """Begin an upload in parts, and return the store's name for it, up to 1,024 characters.

        `hashed` says that each of its parts will be signed with its SHA-256; otherwise none may be.
        """
        ...

    def part(
        self, key: str, upload: str, number: int, *, size: int, sha256: bytes | None, lifetime: timedelta
    ) -> SignedRequest:
        """Sign a request that stores part `number` (1 to MAX_PARTS) with so many bytes.

        Its answer has the `ETag` that the part is completed by.
        """
        ...

    async def parts(self, key: str, upload: str) -> tuple[StoredPart, ...]:
        """Return what is there, by number; `BlobMissing` when there is no such upload (any more)."""
        ...

    async def complete(self, key: str, upload: str, parts: Sequence[StoredPart]) -> None:
        """Make the blob of these parts, as `parts` gave them, in the order of their numbers.

        Repeatable: when the upload is over and the key names a blob, nothing is done. `BlobMissing` when it is over and
        there is none; `BlobMismatch` when a part is not there as given, or too small, and then the upload goes on.
        """
        ...

    async def abort(self, key: str, upload: str) -> None:
        """Drop the parts. Repeatable; a blob that was completed is left alone: delete it."""
        ...

    def unfinished(self, prefix: str = "", *, older_seconds: float = 0) -> AsyncIterator[UnfinishedUpload]:
        """Give the uploads in parts under keys that begin so and were begun so long ago.

        Some may be in use, however old: whoever aborts one has asked the row that it belongs to.
        """
        ...
