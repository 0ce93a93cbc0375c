"""Tasks that go on for ever beside the work, and how they are ended."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.2
"""Between two cancellations of a task that outlived one."""


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel the task and return when it has ended, however it ended.

    Once is not enough for one that uses the database and survives its errors: a connection that is lost in the moment
    of the cancellation raises an error of its own in its place, which is caught like any other.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # whoever it mattered to was told; unasked it would be logged as nobody's
