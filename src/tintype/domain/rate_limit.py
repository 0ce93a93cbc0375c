"""How much a caller may have: token buckets, as values. PostgreSQL keeps and counts them (`db/rate_buckets.py`).

A bucket holds `burst` tokens and regains `rate` of them a second. Uploads are counted twice: as requests and in bytes;
by the caller (an address, an API key, an account), and by the tenant. An upload passes when every bucket has enough,
and is taken from all of them or from none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil


class Scope(StrEnum):
    """Whose bucket it is; the value is the name of its policy."""

    ADDRESS = "address"
    KEY = "key"
    ACCOUNT = "account"
    TENANT = "tenant"
    SIGN_IN_ADDRESS = "sign-in-address"
    SIGN_IN_PLACE = "sign-in-place"
    SIGN_IN_NAME = "sign-in-name"
    SIGN_UP = "sign-up"
    MAILS = "mails"
    PROOF = "proof"
    CODE = "code"
    """For the last seven see `attempt_limits.py`."""


class Unit(StrEnum):
    """What is counted, in the words of draft-ietf-httpapi-ratelimit-headers §2."""

    REQUESTS = "requests"
    BYTES = "content-bytes"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much is allowed: `burst` at once, `rate` per second in the long run."""

    burst: float
    rate: float

    @property
    def window(self) -> int:
        """Seconds in which an empty bucket fills."""
        return ceil(self.burst / self.rate)


RateLimits = Mapping[tuple[Scope, Unit], RateLimit]
"""What is limited; what is not there is not."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be taken from one bucket."""

    scope: Scope
    unit: Unit
    limit: RateLimit
    owner: str
    """Who among those of the scope: an address, the id of a key."""
    cost: float

    @property
    def subject(self) -> str:
        """The bucket's name among those of the tenant."""
        return f"{self.scope} {self.owner} {self.unit}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with one bucket; `reset` is in seconds: until enough is there again, or all of it."""

    scope: Scope
    unit: Unit
    limit: RateLimit
    left: int
    reset: int
    refused: bool


ROUNDING: float = 1e-6
"""A token that is short by so little is there: who waited as long as told must pass."""


def charges(limits: RateLimits, owners: Mapping[Scope, str], *, requests: int, size: int) -> list[Charge]:
    """Return what an upload of `size` bytes takes from the buckets of these owners.

    Nothing costs more than a bucket can hold: it would never pass.
    """
    costs = {Unit.REQUESTS: requests, Unit.BYTES: size}
    return [
        Charge(scope, unit, limit, owners[scope], min(costs[unit], limit.burst))
        for (scope, unit), limit in limits.items()
        if scope in owners
    ]


def standings(taken: Sequence[Charge], remaining: Sequence[float]) -> tuple[Standing, ...]:
    """Return how the caller stands, from what would be left in each bucket (below zero: too little was there)."""
    refused = any(tokens < -ROUNDING for tokens in remaining)
    return tuple(_standing(charge, tokens, given_back=refused) for charge, tokens in zip(taken, remaining, strict=True))


def _standing(charge: Charge, tokens: float, *, given_back: bool) -> Standing:
    limit, short = charge.limit, tokens < -ROUNDING
    left = tokens + charge.cost if given_back else tokens
    missing = -tokens if short else limit.burst - left
    reset = max(1, ceil(missing / limit.rate)) if short else ceil(max(0.0, missing) / limit.rate)
    return Standing(charge.scope, charge.unit, limit, max(0, int(left + ROUNDING)), reset, refused=short)
