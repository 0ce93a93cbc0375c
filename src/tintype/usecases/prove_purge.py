"""The story of the proof that a purge was one: every address that the image had is asked, as anybody would ask it.

The origin itself is asked, over HTTP, so that what it remembers counts and not what the rows say. What each address
answered is recorded, whatever it was. One that still shows something fails the job, which asks again later; the last
answers stay in the receipt.
"""

from typing import Final

from tintype.db.pool import Database
from tintype.db.purges import get_purge, record_probe
from tintype.domain.errors import Code, Problem
from tintype.ports.origin import Origin

GONE: Final = frozenset({404, 410})
"""What an address answers that shows nothing (RFC 9110 §15.5.5, §15.5.11)."""


class ProvePurge:
    """Asks the addresses of purged images."""

    def __init__(self, *, database: Database, origin: Origin) -> None:
        self._database = database
        self._origin = origin

    async def __call__(self, *, tenant: int, image_id: int) -> None:
        """Record what each address answers; `Problem` when one shows anything, or when the origin does not answer."""
        async with self._database.transaction(tenant) as connection:
            purge = await get_purge(connection, image_id)
        if purge is None:
            return
        statuses = await self._origin.statuses(purge.paths)
        async with self._database.transaction(tenant) as connection:
            await record_probe(connection, image_id, statuses)
        if not GONE.issuperset(statuses):
            raise Problem(Code.UNAVAILABLE, "Something of a purged image is still served; it is asked again.")
