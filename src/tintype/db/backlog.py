"""Whether uploads have to wait too long to be processed: then what nobody has paid for yet waits behind them."""

import time
from dataclasses import dataclass
from typing import Final

from tintype.db.jobs import backlog_of_uploads
from tintype.db.pool import Database
from tintype.domain.errors import Problem

REMEMBERED_SECONDS: Final = 1.0
"""How long the answer is believed: it is asked for by every request for a size that is not made."""


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """From when on uploads wait too long: so many of them, or the oldest for so many seconds."""

    jobs: int
    seconds: float


class Backlog:
    """Looks at the queue now and then."""

    def __init__(self, database: Database, limits: BacklogLimits) -> None:
        self._database = database
        self._limits = limits
        self._overdue = False
        self._looked: float | None = None

    async def is_overdue(self) -> bool:
        """Return whether uploads wait too long; what was known last, when the database is away."""
        now = time.monotonic()
        if self._looked is None or now - self._looked > REMEMBERED_SECONDS:
            self._looked = now  # at once: who asks meanwhile need not look, too
            try:
                async with self._database.lookup() as connection:
                    waiting, age = await backlog_of_uploads(connection, most=self._limits.jobs)
            except Problem:
                return self._overdue
            self._overdue = waiting >= self._limits.jobs or age > self._limits.seconds
        return self._overdue
