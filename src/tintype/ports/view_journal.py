"""Where views are counted until the database has them: a step beside the answer, so it must cost next to nothing.

What was counted is kept although the process is killed (a power cut may lose the last seconds). It is given out in
batches, each with a name that never changes, so that who adds a batch up can tell that it was added before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CountedViews:
    """Views of a tenant's image on one day, in days since 1970."""

    tenant: int
    image: int
    day: int
    views: int


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """What was counted in one interval by one process."""

    id: UUID
    counts: tuple[CountedViews, ...]


class ViewJournal(Protocol):
    """Counts views and gives them out."""

    def count(self, tenant: int, image: int, day: int) -> bool:
        """Count a view; False when there is no room for another image. Waits for nothing."""
        ...

    async def batches(self) -> Sequence[ViewBatch]:
        """Return what was counted so far and not discarded: by this process, and by those that ended before it was."""
        ...

    async def discard(self, batch: ViewBatch) -> None:
        """Forget a batch that was added up."""
        ...

    async def close(self) -> None:
        """Let go of everything; what was not discarded is another process's to give out."""
        ...
