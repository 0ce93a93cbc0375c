"""How many uploads, and how many bytes, a caller may send: buckets in the database, shared by every API process.

An upload is counted before its body is read, in one statement: as one request, and with the length that it declares.
A body that declares none is counted when it has come. Reads are never counted: a picture costs less than counting it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from tintype.db.pool import Database
from tintype.db.rate_buckets import take_tokens
from tintype.domain.errors import Code, Problem
from tintype.domain.rate_limit import RateLimits, Scope, Standing, Unit, charges, standings
from tintype.web.auth import Caller
from tintype.web.client_address import counted_as

_WHOSE: Final = {
    Scope.ADDRESS: "from your address",
    Scope.KEY: "with this API key",
    Scope.ACCOUNT: "by your account",
    Scope.TENANT: "on this site",
}


class UploadLimiter:
    """Charges callers for what they send."""

    def __init__(self, database: Database, limits: RateLimits) -> None:
        """Without limits nothing is counted, and the database not asked."""
        self._database = database
        self._limits = limits

    async def charge(self, caller: Caller, size: int, *, requests: int = 1) -> tuple[Standing, ...]:
        """Take so many requests and `size` bytes from the caller; `Problem` rate_limited when that is too much."""
        wanted = charges(self._limits, owners_of(caller), requests=requests, size=size)
        if not wanted:
            return ()
        async with self._database.lookup() as connection:
            remaining = await take_tokens(connection, tenant=caller.tenant, charges=wanted)
        result = standings(wanted, remaining)
        if any(standing.refused for standing in result):
            raise _refusal(result)
        return result

    async def charge_afterwards(self, caller: Caller, size: int) -> None:
        """Take bytes that came undeclared. Whoever had more than there was waits before the next upload.

        A database that is away by now forgives them: the upload was answered on its own account.
        """
        wanted = [
            replace(charge, cost=size)
            for charge in charges(self._limits, owners_of(caller), requests=0, size=size)
            if charge.unit is Unit.BYTES
        ]
        if wanted and size:
            with suppress(Problem):
                async with self._database.lookup() as connection:
                    await take_tokens(connection, tenant=caller.tenant, charges=wanted, spent=True)


def owners_of(caller: Caller) -> Mapping[Scope, str]:
    """Return whose buckets a caller's uploads come out of.

    A stranger is known by the address alone; the holder of a key is not held to where they are.
    """
    return {**_who(caller), Scope.TENANT: ""}


def _who(caller: Caller) -> dict[Scope, str]:
    if caller.actor is None:
        return {Scope.ADDRESS: counted_as(caller.address)}
    if caller.actor.account is not None:
        return {Scope.ACCOUNT: str(caller.actor.account)}
    return {Scope.KEY: str(caller.actor.key)}


def _refusal(result: tuple[Standing, ...]) -> Problem:
    worst = max((standing for standing in result if standing.refused), key=lambda standing: standing.reset)
    what = "uploads" if worst.unit is Unit.REQUESTS else "bytes"
    advice = ", or use an API key" if worst.scope is Scope.ADDRESS else ""
    return Problem(
        Code.RATE_LIMITED,
        f"Too many {what} {_WHOSE[worst.scope]}. Try again in {worst.reset} s{advice}.",
        retry_after=worst.reset,
        standings=result,
    )
