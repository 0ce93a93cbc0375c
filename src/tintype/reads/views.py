"""How often an image was viewed: in all, a few seconds old at the most, and by days."""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import date, timedelta
from typing import Final

from tintype.db.pool import Database
from tintype.db.views import daily_views, total_views
from tintype.domain.errors import Problem
from tintype.domain.image import Image
from tintype.reads.delivery import DeliveryRecord

REMEMBER_SECONDS: Final = 2.0
"""How long a total is believed, for it would cost a question to the database at each look; counts are as late."""

_KEY: Final = "views"


class Views:
    """Reads counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, record: DeliveryRecord) -> int | None:
        """Return the image's views, None when there are none yet; what was last known when the database is away."""
        known, since = record.prepared.get(_KEY, (None, -REMEMBER_SECONDS))
        now = time.monotonic()
        if now - since < REMEMBER_SECONDS:
            return known  # type: ignore[no-any-return]
        record.prepared[_KEY] = known, now  # who comes meanwhile need not ask, too
        with suppress(Problem):
            known = (await self.of_all([record.image])).get(record.image.id)
            record.prepared[_KEY] = known, now
        return known  # type: ignore[no-any-return]

    async def of_all(self, images: Collection[Image]) -> dict[int, int]:
        """Return the views of each of a tenant's images; one without any is not among them."""
        tenants = {image.tenant for image in images}
        counts: dict[int, int] = {}
        for tenant in tenants:
            async with self._database.transaction(tenant) as connection:
                counts |= await total_views(connection, [image.id for image in images if image.tenant == tenant])
        return counts

    async def by_day(self, image: Image, *, first: date, last: date) -> list[tuple[date, int]]:
        """Return the views of each day from `first` to `last`, both included."""
        async with self._database.transaction(image.tenant) as connection:
            counted = await daily_views(connection, image.id, first=first, last=last)
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return [(day, counted.get(day, 0)) for day in days]
