"""The database's clock, which decides ids and leases (I10): a node whose own clock is off by hours does no harm."""

import secrets
import time
from datetime import UTC, datetime
from typing import Final

from tintype.db.pool import Database
from tintype.domain.ids import BUCKETS, NOISE, make_id

DAY_SECONDS: Final = 86_400

REFRESH_SECONDS: Final = 60.0
"""How long a measured offset is believed: clocks drift by microseconds a second."""


class DatabaseClock:
    """This node's clock corrected by the database's offset, and the ids drawn from it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset = 0.0
        self._measured: float | None = None

    async def refresh(self) -> None:
        """Measure the offset, unless it was measured a short while ago; `Problem` when the database is away."""
        if self._measured is not None and time.monotonic() - self._measured < REFRESH_SECONDS:
            return
        async with self._database.lookup() as connection:
            before = time.time()
            cursor = await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            row = await cursor.fetchone()
            middle = (before + time.time()) / 2
        if row is not None:
            self._offset, self._measured = row[0] - middle, time.monotonic()

    def now(self) -> datetime:
        """Return the database's time, in UTC."""
        return datetime.fromtimestamp(time.time() + self._offset, UTC)

    def seconds(self) -> float:
        """Return the database's time, in seconds since 1970."""
        return time.time() + self._offset

    def today(self) -> int:
        """Return the database's day in UTC, as days since 1970."""
        return int(time.time() + self._offset) // DAY_SECONDS

    def new_id(self, bucket: int | None = None, *, promised: bool | None = None) -> int:
        """Return a fresh id in `bucket`, or in one drawn at random.

        Those of images that are `promised` (uploads that are reserved) are odd, those of images that are made at once
        even: an upload's image never finds its id taken, a day after it was given out.
        """
        drawn = secrets.randbelow(BUCKETS) if bucket is None else bucket
        noise = secrets.randbelow(NOISE)
        if promised is not None:
            noise = noise & ~1 | promised
        return make_id(int((time.time() + self._offset) * 1000), drawn, noise)
