"""Render pools for tests that break them, and the processes of a pool as the system sees them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

import samples
from renders import rendered_by, rendering
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.ports.renderer import Rendered

SMALL: Final = samples.jpeg()
COSTLY: Final = [Output(Transform(2000, 2000, quality=quality), Format.WEBP) for quality in range(60, 90)]
"""Several seconds of work for a small file."""


@pytest.fixture
async def make_pool() -> AsyncIterator[Callable[..., RenderPool]]:
    """Make pools of one process; they are closed when the test ends."""
    pools = []

    def make(**options: float) -> RenderPool:
        pools.append(RenderPool(RenderPoolConfig(**options)))  # type: ignore[arg-type] # each test names the field
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()


async def well(pool: RenderPool) -> Rendered:
    """Render a picture as if nothing had happened."""
    result = await rendered_by(pool, SMALL, Output(Transform(31, 17), Format.JPEG))
    assert [(made.width, made.height) for made in result.variants] == [(31, 17)]
    return result


async def stopped_at_work(pool: RenderPool) -> tuple[int, asyncio.Task[Rendered]]:
    """Return the process of the pool, frozen with a picture to render, and the task that waits for it."""
    await pool.start()
    [pid] = pool.pids()
    os.kill(pid, signal.SIGSTOP)
    task = rendering(pool, SMALL)
    await asyncio.sleep(0.05)
    assert not task.done()
    return pid, task


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def is_gone(pid: int) -> bool:
    """Wait until the process is gone, for at most five seconds."""
    for _ in range(500):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.01)
    return False


def render_processes() -> set[int]:
    """Return the ids of this process's children that render."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"render_process" in stat.with_name("cmdline").read_bytes():
                found.add(int(stat.parent.name))
    return found


async def only_these_run(pids: tuple[int, ...]) -> bool:
    """Wait until no process renders but these, for at most five seconds."""
    for _ in range(100):
        if render_processes() == set(pids):
            return True
        await asyncio.sleep(0.05)
    return False
