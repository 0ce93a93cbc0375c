"""Who renders a variant right now, across all processes: a row with a lease, by the database's clock (I10).

Whoever gets the claim renders; everybody else looks again until the variant is there. A holder that dies is no obstacle
for longer than its lease, and one that was only slow does no harm: a variant that was made twice is recorded once.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from tintype.db.background import end
from tintype.db.pool import Connection, Database
from tintype.domain.errors import Problem
from tintype.domain.ids import blob_bucket

LEASE_SECONDS: Final = 5.0
"""How long whoever waits has to wait for a holder that died. Less would be lost in a pause of the database."""

RENEW_SECONDS: Final = 1.5
"""Three renewals may fail before somebody else begins."""


class RenderClaims:
    """Claims on variants that are to be made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def claimed(self, *, tenant: int, sha256: bytes, digest: str) -> AsyncIterator[bool]:
        """Give whether the variant is the caller's to make, and hold that until the end of the block."""
        claim = _Claim(self._database, tenant, sha256, digest)
        if not await claim.take():
            yield False
            return
        renewing = asyncio.create_task(claim.renew_for_ever())
        try:
            yield True
        finally:
            await end(renewing)
            with suppress(Problem):  # the database is away: the lease ends by itself
                await claim.release()


class _Claim:
    """One attempt to be the one who renders."""

    def __init__(self, database: Database, tenant: int, sha256: bytes, digest: str) -> None:
        self._database = database
        self._tenant = tenant
        self._key = [blob_bucket(sha256), tenant, sha256, digest]
        self._holder = uuid.uuid4()

    async def take(self) -> bool:
        """Take the claim, if nobody has it or its holder's lease has run out."""
        async with self._database.transaction(self._tenant) as connection:
            return await take_claim(connection, self._key, self._holder, seconds=LEASE_SECONDS)

    async def renew_for_ever(self) -> None:
        """Put the end of the lease off, again and again."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(Problem):  # the next renewal may come through
                async with self._database.transaction(self._tenant) as connection:
                    await take_claim(connection, self._key, self._holder, seconds=LEASE_SECONDS)

    async def release(self) -> None:
        """Let the next one in; somebody else's claim stays."""
        async with self._database.transaction(self._tenant) as connection:
            await connection.execute(
                """DELETE FROM render_claims
                   WHERE bucket = %s AND tenant = %s AND sha256 = %s AND digest = %s AND holder = %s""",
                [*self._key, self._holder],
            )


async def take_claim(connection: Connection, key: list[object], holder: uuid.UUID, *, seconds: float) -> bool:
    """Take or renew the claim on `key` (bucket, tenant, sha256, digest) and return whether it is the holder's."""
    cursor = await connection.execute(
        """INSERT INTO render_claims AS claim (bucket, tenant, sha256, digest, holder, expires_at)
           VALUES (%s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
           ON CONFLICT (bucket, tenant, sha256, digest)
           DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
           WHERE claim.holder = excluded.holder OR claim.expires_at < clock_timestamp()
           RETURNING 1""",
        [*key, holder, seconds],
    )
    return await cursor.fetchone() is not None
