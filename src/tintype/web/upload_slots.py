"""How many uploads one process has under way: each holds a connection, an open file and up to a megabyte of memory.

A body may take minutes, so that without a limit a few patient senders hold everything that others need.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import Scope
from tintype.web.auth import Caller
from tintype.web.rate_limits import owners_of

RETRY_SECONDS: Final = 2
"""When to come again: an upload on an ordinary line takes about so long."""


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """Uploads under way at once: in this process, and of one caller in it. None is no limit."""

    total: int
    per_address: int | None
    per_key: int | None


class UploadSlots:
    """Counts the uploads under way."""

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._most = {
            Scope.ADDRESS: limits.per_address,
            Scope.ACCOUNT: limits.per_address,
            Scope.KEY: limits.per_key,
        }
        self._held: Counter[tuple[Scope, str]] = Counter()
        self._total = 0

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[None]:
        """Hold a place during the block.

        `Problem`: rate_limited when the caller has too many, unavailable when all together have.
        """
        scope, owner = next(iter(owners_of(caller).items()))
        most = self._most.get(scope)
        if most is not None and self._held[scope, owner] >= most:
            raise Problem(
                Code.RATE_LIMITED,
                f"You have {most} uploads under way. Let one of them end before you begin another.",
                retry_after=RETRY_SECONDS,
            )
        if self._total >= self._limits.total:
            raise Problem(
                Code.UNAVAILABLE, "Too many uploads are under way. Try again in a moment.", retry_after=RETRY_SECONDS
            )
        self._total += 1
        self._held[scope, owner] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._held[scope, owner] -= 1
            if not self._held[scope, owner]:
                del self._held[scope, owner]
