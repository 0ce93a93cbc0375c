"""Object ids: numbers that no node has to agree on, and that say where their row lives.

An id is an `int8`: 41 bits of milliseconds since 2026-01-01, 13 bits of bucket (the shard), 9 random bits. They clash
when bucket, millisecond and noise agree; that is a unique violation, retried with a new id.

Public ids are a prefix and base62 of fixed width, so that they compare and route as the numbers do. An image's carries
a 64-bit secret as well: a link cannot be guessed.
"""

from dataclasses import dataclass
from typing import Final

EPOCH_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z in milliseconds since 1970."""

BUCKETS: Final = 8192
NOISE: Final = 512
_BUCKET_BITS: Final = 13
_NOISE_BITS: Final = 9
_TIME_BITS: Final = 41

WIDTH: Final = 11
"""Base62 digits that hold 64 bits."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}

TENANT_PREFIX: Final = "ten_"
ACCOUNT_PREFIX: Final = "acc_"
IMAGE_PREFIX: Final = "img_"
UPLOAD_PREFIX: Final = "upl_"
KEY_PREFIX: Final = "key_"
DELETION_PREFIX: Final = "del_"


class BadId(ValueError):
    """The text is not a public id of the kind that was asked for."""


def make_id(now_ms: int, bucket: int, noise: int) -> int:
    """Return the id for `now_ms` (milliseconds since 1970), `bucket` (0–8191) and `noise` (0–511)."""
    since = now_ms - EPOCH_MS
    if not (0 <= since < 1 << _TIME_BITS and 0 <= bucket < BUCKETS and 0 <= noise < NOISE):
        message = f"no id for {now_ms} ms, bucket {bucket}, noise {noise}"
        raise ValueError(message)
    return since << (_BUCKET_BITS + _NOISE_BITS) | bucket << _NOISE_BITS | noise


def milliseconds_of(object_id: int) -> int:
    """Return when the id was drawn, in milliseconds since 1970."""
    return (object_id >> _BUCKET_BITS + _NOISE_BITS) + EPOCH_MS


def bucket_of(object_id: int) -> int:
    """Return the shard that the id routes to."""
    return object_id >> _NOISE_BITS & (BUCKETS - 1)


def blob_bucket(sha256: bytes) -> int:
    """Return the shard of a blob: the first 13 bits of its SHA-256."""
    return hash_bucket(sha256)


def hash_bucket(digest: bytes) -> int:
    """Return the shard of what is looked up by a digest: its first 13 bits."""
    return int.from_bytes(digest[:2], "big") >> 3


def base62(value: int, width: int = WIDTH) -> str:
    """Return `value` in exactly `width` base62 digits, most significant first."""
    digits = []
    for _ in range(width):
        value, rest = divmod(value, 62)
        digits.append(_DIGITS[rest])
    if value:
        raise ValueError("the value does not fit the width")
    return "".join(reversed(digits))


def from_base62(text: str) -> int:
    """Return the number that `text` spells; `BadId` for any other character."""
    value = 0
    for digit in text:
        if digit not in _VALUES:
            raise BadId("not base62")
        value = value * 62 + _VALUES[digit]
    return value


def public_id(prefix: str, object_id: int) -> str:
    """Return `prefix` and the id in base62."""
    return prefix + base62(object_id)


def parse_public_id(prefix: str, text: str) -> int:
    """Return the id that `public_id` spelt; `BadId` for anything else."""
    if not text.startswith(prefix) or len(text) != len(prefix) + WIDTH:
        raise BadId("not an id of this kind")
    return _below(from_base62(text[len(prefix) :]), 1 << 63)


def image_name(image_id: int) -> str:
    """Return what an image's public id begins with: enough to find it, not to see it, so that logs may say it."""
    return public_id(IMAGE_PREFIX, image_id) + "…"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """What an image's public id carries: the id, and the secret that its row must have too."""

    id: int
    secret: int

    @property
    def bucket(self) -> int:
        """The shard of the image's row."""
        return bucket_of(self.id)

    def __str__(self) -> str:
        return IMAGE_PREFIX + base62(self.id) + base62(self.secret)

    @classmethod
    def parse(cls, text: str) -> "ImageRef":
        """Return the reference that `text` spells; `BadId` when it is none."""
        if not text.startswith(IMAGE_PREFIX) or len(text) != len(IMAGE_PREFIX) + 2 * WIDTH:
            raise BadId("not an image id")
        digits = text[len(IMAGE_PREFIX) :]
        return cls(
            id=_below(from_base62(digits[:WIDTH]), 1 << 63),
            secret=_below(from_base62(digits[WIDTH:]), 1 << 64),
        )


def _below(value: int, bound: int) -> int:
    if value >= bound:
        raise BadId("the number is too large")
    return value
