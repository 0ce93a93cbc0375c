"""A render pool over time: processes wear out, callers queue and leave, everything ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from render_pools import SMALL, is_gone, is_running, make_pool, only_these_run, stopped_at_work, well
from renders import rendered_by, rendering
from tintype.adapters.render_pool import RenderPool
from tintype.ports.renderer import RendererBusy, RendererFailed

__all__ = ["make_pool"]  # a fixture

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and accounts of processes are Linux's"),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


# Wear


async def test_a_process_makes_way_after_so_many_pictures(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(recycle_after_renders=3)
    seen: list[int] = []
    for _ in range(7):
        await pool.start()
        seen += pool.pids()
        await well(pool)
    assert [seen.count(pid) for pid in dict.fromkeys(seen)] == [3, 3, 1]


async def test_a_process_that_has_grown_makes_way(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(recycle_above_bytes=1 << 20)
    await pool.start()
    [pid] = pool.pids()
    await well(pool)
    assert await is_gone(pid)
    await well(pool)


# The queue


async def test_a_full_queue_says_so_at_once_and_the_others_are_served(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(queue_limit=2)
    pid, first = await stopped_at_work(pool)
    waiting = [rendering(pool, SMALL) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(RendererBusy):
        await rendered_by(pool, SMALL)
    os.kill(pid, signal.SIGCONT)
    for task in (first, *waiting):
        assert (await task).variants
    await well(pool)


async def test_who_stops_waiting_leaves_the_queue(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(queue_limit=1)
    pid, first = await stopped_at_work(pool)
    for _ in range(3):
        waiting = rendering(pool, SMALL)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    os.kill(pid, signal.SIGCONT)
    assert (await first).variants


async def test_a_caller_that_loses_interest_frees_the_process(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool()
    pid, task = await stopped_at_work(pool)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await well(pool)
    assert await is_gone(pid)


async def test_a_caller_that_loses_interest_while_a_process_starts_leaves_none_behind(
    make_pool: Callable[..., RenderPool],
) -> None:
    pool = make_pool()
    for wait in (0, 0.001, 0.005, 0.02, 0.05):
        task = rendering(pool, SMALL)
        await asyncio.sleep(wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await well(pool)
    assert await only_these_run(pool.pids())


# The end


async def test_close_ends_every_process_and_fails_what_was_in_work(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool()
    pid, task = await stopped_at_work(pool)
    waiting = rendering(pool, SMALL)
    await asyncio.sleep(0.01)
    started = time.monotonic()
    await pool.close()
    assert time.monotonic() - started < 5
    for failed in (task, waiting):
        with pytest.raises(RendererFailed):
            await failed
    assert pool.pids() == ()
    assert not is_running(pid)


async def test_processes_die_with_their_parent_though_they_are_at_work(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SMALL)
    script = """
import asyncio, hashlib, pathlib
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.ports.renderer import RenderRequest

costly = tuple(Output(Transform(2000, 2000, quality=quality), Format.WEBP) for quality in range(1, 100))

async def main():
    pool = RenderPool(RenderPoolConfig(processes=2))
    await pool.start()
    path = pathlib.Path("a.jpg")
    request = RenderRequest(hashlib.sha256(path.read_bytes()).hexdigest(), Format.JPEG, costly)
    work = [asyncio.create_task(pool.render(request, path.open("rb"))) for _ in range(2)]
    await asyncio.sleep(0.2)
    print(*pool.pids(), flush=True)
    await asyncio.gather(*work)

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE, cwd=tmp_path)
    assert parent.stdout
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(map(is_running, pids))
    parent.kill()
    await parent.wait()
    for pid in pids:
        assert await is_gone(pid)


async def test_a_process_that_cannot_start_is_told_with_its_last_words(
    make_pool: Callable[..., RenderPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(memory_bytes=1 << 20)
    with pytest.raises(RendererFailed):
        await rendered_by(pool, SMALL)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(RendererFailed, match="nonexistent"):
        await rendered_by(make_pool(), SMALL)
