"""Counts attempts to get in, in the token buckets that every process shares (`domain/attempt_limits.py`)."""

from collections.abc import Sequence
from dataclasses import replace

from tintype.db.pool import Connection
from tintype.db.rate_buckets import take_tokens
from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import Charge, standings


class AttemptLimits:
    """Charges for attempts; switched off, nothing is counted."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    async def take(self, connection: Connection, *, tenant: int, charges: Sequence[Charge]) -> None:
        """Take from every bucket; `Problem` rate_limited when that is too much, whoever's fault it is."""
        if not self._on:
            return
        remaining = await take_tokens(connection, tenant=tenant, charges=charges)
        refused = [standing for standing in standings(charges, remaining) if standing.refused]
        if refused:
            wait = max(standing.reset for standing in refused)
            raise Problem(Code.RATE_LIMITED, f"Too many attempts. Try again in {wait} s.", retry_after=wait)

    async def give_back(self, connection: Connection, *, tenant: int, charges: Sequence[Charge]) -> None:
        """Give back what an attempt took that turned out to be right."""
        if self._on:
            back = [replace(charge, cost=-charge.cost) for charge in charges]
            await take_tokens(connection, tenant=tenant, charges=back, spent=True)
