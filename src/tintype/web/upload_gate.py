"""What every upload passes before its body is read: a place among those under way, and its caller's allowance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tintype.domain.rate_limit import Standing
from tintype.web.auth import Caller
from tintype.web.body import RequestBody
from tintype.web.rate_limits import UploadLimiter
from tintype.web.upload_slots import UploadSlots


class UploadGate:
    """Lets uploads in."""

    def __init__(self, slots: UploadSlots, limiter: UploadLimiter, *, most_bytes: int) -> None:
        """`most_bytes`: the largest file that any kind takes. Nobody is charged for more: it will not be read."""
        self._slots = slots
        self._limiter = limiter
        self._most_bytes = most_bytes

    @asynccontextmanager
    async def admit(self, caller: Caller, body: RequestBody) -> AsyncIterator[tuple[Standing, ...]]:
        """Hold a place during the block and give how the caller stands; `Problem` rate_limited or unavailable."""
        with self._slots.hold(caller):
            standings = await self._limiter.charge(caller, min(body.declared or 0, self._most_bytes))
            try:
                yield standings
            finally:
                if body.declared is None:
                    await self._limiter.charge_afterwards(caller, body.received)

    async def charge_fetched(self, caller: Caller, size: int) -> None:
        """Charge for bytes that came from elsewhere on the caller's behalf."""
        await self._limiter.charge_afterwards(caller, size)
