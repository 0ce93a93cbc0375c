"""What every upload passes before its body is read: a place among those under way, and its caller's allowance."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from tintype.domain.actor import Scope
from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import Standing
from tintype.reads.tenants import TenantSettings
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

    async def reserve(self, caller: Caller, size: int | None) -> tuple[Standing, ...]:
        """Take the caller's allowance for an upload whose bytes come later; `Problem` rate_limited.

        What is not known yet is charged when it is.
        """
        return await self._limiter.charge(caller, min(size or 0, self._most_bytes))

    async def go_on(self, caller: Caller, size: int) -> None:
        """Take the caller's allowance for bytes of an upload that were not known when it was reserved; `Problem`."""
        await self._limiter.charge(caller, min(size, self._most_bytes), requests=0)

    def place(self, caller: Caller) -> AbstractContextManager[None]:
        """Hold a place during the block, for bytes whose allowance was taken before; `Problem` as `admit`."""
        return self._slots.hold(caller)


def refuse_stranger(tenant: TenantSettings, caller: Caller) -> None:
    """Raise `Problem` unless the caller may upload here: auth.required, auth.forbidden for a key without the scope."""
    if caller.actor is None and not tenant.anonymous_uploads:
        raise Problem(Code.AUTH_REQUIRED, "This site takes no anonymous uploads. Send an API key as Bearer.")
    if caller.actor is not None:
        caller.actor.need(Scope.IMAGES_WRITE)
