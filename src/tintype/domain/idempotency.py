"""Requests that may be repeated without being done twice, by the key that their sender gave them.

(draft-ietf-httpapi-idempotency-key-header.) A key belongs to its caller. The first request that succeeds with it leaves
its answer and a fingerprint of what it asked for; the same request with the same key gets that answer again for a day,
another one with that key is refused. A request that failed leaves nothing, and may be tried again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.ids import hash_bucket

MAX_KEY_CHARACTERS: Final = 255
"""A UUID has 36; this is what others in the field take."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key. Only a digest of the two (32 bytes) is kept: a key may say more than its sender thinks."""

    digest: bytes

    @property
    def bucket(self) -> int:
        """The shard of the key, and of what is made with it."""
        return hash_bucket(self.digest)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at what may be repeated: its key, and the fingerprint (32 bytes) of what it asks for."""

    key: IdempotencyKey
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first attempt was answered, as JSON without tokens; None when the image was purged since."""

    fingerprint: bytes
    image: int
    answer: str | None


def read_key(values: Sequence[str], caller: str) -> IdempotencyKey | None:
    """Return the key in these lines of `Idempotency-Key`, None without any; `Problem` when it is a bad one."""
    if not values:
        return None
    text = values[0].strip()
    if len(values) > 1 or not 0 < len(text) <= MAX_KEY_CHARACTERS or any(_is_control(char) for char in text):
        raise Problem(
            Code.REQUEST_UNREADABLE,
            f"Idempotency-Key is one key of 1 to {MAX_KEY_CHARACTERS} characters without control characters; "
            "a random UUID will do.",
        )
    return IdempotencyKey(hashlib.sha256(f"{caller}\n{text}".encode()).digest())


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char < "\xa0"


def fingerprint(operation: str, fields: Mapping[str, object], sha256: bytes | None = None) -> bytes:
    """Return what tells this request from another one: what it does, the fields as they were understood, the file."""
    said = [operation, fields, sha256.hex() if sha256 else None]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).digest()


def answer_again(attempt: Attempt, kept: KeptAnswer) -> str:
    """Return the answer that was kept; `Problem` when it was another request's, or its image is gone."""
    if kept.fingerprint != attempt.fingerprint:
        raise Problem(
            Code.IDEMPOTENCY_MISMATCH,
            "This Idempotency-Key was used for another request within the last day. Use a new key for a new request.",
        )
    if kept.answer is None:
        raise Problem(
            Code.IMAGE_GONE,
            "The image that was made with this Idempotency-Key was deleted since. Use a new key to upload it again.",
        )
    return kept.answer
