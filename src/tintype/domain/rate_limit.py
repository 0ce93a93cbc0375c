"""A token bucket, as a value: it holds `burst` tokens and regains `rate` of them a second."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much is allowed: `burst` at once, `rate` per second in the long run."""

    burst: float
    rate: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens that were left at `at` (seconds on any steady clock)."""

    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the request may pass; `retry_after` is in whole seconds, 0 when it may."""

    allowed: bool
    bucket: Bucket
    retry_after: int


def full(limit: RateLimit, now: float) -> Bucket:
    """Return the bucket of somebody never seen before."""
    return Bucket(limit.burst, now)


def take(limit: RateLimit, bucket: Bucket, now: float) -> Decision:
    """Take a token, or say how long to wait for one. A refused request costs nothing."""
    tokens = min(limit.burst, bucket.tokens + max(0.0, now - bucket.at) * limit.rate)
    if tokens >= 1:
        return Decision(allowed=True, bucket=Bucket(tokens - 1, now), retry_after=0)
    wait = ceil((1 - tokens) / limit.rate)
    return Decision(allowed=False, bucket=Bucket(tokens, now), retry_after=max(1, wait))
