"""How late the event loop is, is noticed."""

import asyncio
import time

import anyio

from tintype.telemetry.loop_lag import LoopLag


def test_what_holds_the_loop_up_is_told_with_how_long() -> None:
    async def story() -> None:
        lags: list[float] = []
        watched = LoopLag(lags.append)
        watched.start()
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251 -- that is what must not happen
        await asyncio.sleep(0.05)
        await watched.close()
        assert max(lags) >= 0.15
        assert min(lags) < 0.15

    anyio.run(story)
