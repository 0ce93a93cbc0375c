"""How late the event loop of an API process is: everybody who asks it for something waits at least as long.

A timer that should ring every 20 ms notes how much later it did.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

PERIOD_SECONDS: Final = 0.02
"""Fifty looks a second see whatever lasts as long as a person notices, and cost a thousandth of a core."""


class LoopLag:
    """Watches the loop that it is started on."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        """`observe` is told each lag, in seconds."""
        self._observe = observe
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + PERIOD_SECONDS
            await asyncio.sleep(PERIOD_SECONDS)
            self._observe(max(0.0, clock() - due))
