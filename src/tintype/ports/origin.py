"""Our own front door, asked from outside: what anybody would be answered."""

from collections.abc import Sequence
from typing import Protocol


class Origin(Protocol):
    """Asks the origin as a stranger does, past every cache that is not its own."""

    async def statuses(self, paths: Sequence[str]) -> tuple[int, ...]:
        """Return the HTTP status that each path (with its query) answers, in order.

        `Problem` unavailable when the origin does not answer.
        """
        ...
