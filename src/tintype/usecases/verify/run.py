"""One verification: what it works with, and what it has found so far."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tintype.db.pool import Database
from tintype.domain.invariant import Invariant, Violation
from tintype.ports.blobs import BlobInfo, BlobStore
from tintype.storage.inventory import Inventory


@dataclass(slots=True)
class Run:
    """What every part of a verification shares. `now` is the database's time at its start."""

    database: Database
    blobs: BlobStore
    inventory: Inventory
    quick: bool
    grace: timedelta
    now: datetime
    notice: Callable[[Violation], None]
    looked: Callable[[], None]
    violations: Counter[str] = field(default_factory=Counter)
    keys: int = 0
    hashed_bytes: int = 0
    foreign: int = 0

    def accuse(self, invariant: Invariant, sentence: str) -> None:
        """Count a violation and tell of it."""
        self.violations[invariant] += 1
        self.notice(Violation(invariant, sentence))

    def is_overdue(self, file: BlobInfo) -> bool:
        """Return whether the file has had the time that an upload under way has to bring its rows."""
        return self.now.timestamp() - file.modified >= self.grace.total_seconds()
