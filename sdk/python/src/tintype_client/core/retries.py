"""Which failures pass by themselves, and how long to wait before the next attempt."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from tintype_client.errors import TintypeError

OnRetry = Callable[[TintypeError, float], object]

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one in a moment. Every request that we repeat is safe to repeat."""


PASSING_CODES: Final = frozenset(
    {"upload.incomplete", "upload.checksum_mismatch", "storage.BadDigest", "storage.RequestTimeout"}
)
"""Refusals of bytes that were lost or damaged on their way: sent again, they may arrive."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a client is; times in seconds."""

    attempts: int = 7
    """In a row without a byte of progress, the first included; 1 never tries again."""
    first_wait: float = 0.5
    """About how long before the second attempt, doubled before each one after."""
    longest_wait: float = 20.0
    longest_retry_after: float = 120.0
    """A server that asks for a longer wait than this is not waited for: the refusal is raised at once."""
    on_retry: OnRetry | None = None
    """Called before each wait with what went wrong and the seconds: to say so, or to raise what ends it."""
    draw: Callable[[], float] = random.random
    """From 0 to 1: many clients that lost the same server must not all come back in the same moment."""

    def wait_before(self, attempt: int, retry_after: float | None) -> float | None:
        """Return how long to wait before this attempt (the second is 2); None to give up."""
        if attempt > self.attempts:
            return None
        usual = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 2))
        if retry_after is None:
            return usual * (0.5 + self.draw() / 2)
        if retry_after > self.longest_retry_after:
            return None
        return retry_after + self.first_wait * self.draw()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the server asks us to wait (RFC 9110 §10.2.3), None when it does not say.

    A time of day is held against the server's own clock, its `Date`: ours may be wrong.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
