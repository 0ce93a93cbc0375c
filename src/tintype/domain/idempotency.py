"""Requests that may be repeated without being done twice, by the key that their sender gave them.

(draft-ietf-httpapi-idempotency-key-header.) A key belongs to its caller. The first request that succeeds with it leaves
its answer and a fingerprint of what it asked for; the same request with the same key gets that answer again for a day,
another one with that key is refused. A request that failed leaves nothing, and may be tried again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.ids import bucket_of, hash_bucket

MAX_KEY_CHARACTERS: Final = 255
"""A UUID has 36; this is what others in the field take."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key. Only a digest of the two (32 bytes) is kept: a key may say more than its sender thinks."""

    digest: bytes
    account: int | None = None
    """Whose the caller is, None for a tenant's own key and for an anonymous caller."""

    @property
    def bucket(self) -> int:
        """The shard of the key, and of what is made with it: the account's, where all that it owns is."""
        return bucket_of(self.account) if self.account is not None else hash_bucket(self.digest)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at what may be repeated: its key, and the fingerprint (32 bytes) of what it asks for."""

    key: IdempotencyKey
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class SecretAttempt:
    """An attempt that is answered with a secret, which derives from `text`: the key as its sender wrote it."""

    attempt: Attempt
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first attempt was answered, as JSON without tokens; None when the image was purged since.

    `image` is the id of what was made: an image, a key, an account.
    """

    fingerprint: bytes
    image: int
    answer: str | None


def read_key(values: Sequence[str], caller: str, account: int | None = None) -> IdempotencyKey | None:
    """Return the key in these lines of `Idempotency-Key`, None without any; `Problem` when it is a bad one.

    `caller` says who sent it, and `account` whose they are.
    """
    if not values:
        return None
    text = values[0].strip()
    if len(values) > 1 or not 0 < len(text) <= MAX_KEY_CHARACTERS or any(_is_control(char) for char in text):
        raise Problem(
            Code.REQUEST_UNREADABLE,
            f"Idempotency-Key is one key of 1 to {MAX_KEY_CHARACTERS} characters without control characters; "
            "a random UUID will do.",
        )
    return IdempotencyKey(hashlib.sha256(f"{caller}\n{text}".encode()).digest(), account)


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char < "\xa0"


def fingerprint(operation: str, fields: Mapping[str, object], sha256: bytes | None = None) -> bytes:
    """Return what tells this request from another one: what it does, the fields as they were understood, the file."""
    said = [operation, fields, sha256.hex() if sha256 else None]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).digest()


def answer_again(attempt: Attempt, kept: KeptAnswer) -> str:
    """Return the answer that was kept; `Problem` when it was another request's, or its image is gone."""
    if kept.fingerprint != attempt.fingerprint:
        raise mismatch()
    if kept.answer is None:
        raise Problem(
            Code.IMAGE_GONE,
            "The image that was made with this Idempotency-Key was deleted since. Use a new key to upload it again.",
        )
    return kept.answer


def mismatch() -> Problem:
    """Return the refusal of a key that came with another request."""
    return Problem(
        Code.IDEMPOTENCY_MISMATCH,
        "This Idempotency-Key was used for another request within the last day. Use a new key for a new request.",
    )


def superseded() -> Problem:
    """Return the refusal to tell again what counts no more."""
    return Problem(Code.CONFLICT, "What was made with this Idempotency-Key is gone, or counts no more. Use a new key.")
