"""Render processes that die, hang, grow and lie: whose fault it is, and that the next picture is none the worse."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
import pyvips

import samples
from renders import rendered_by, rendering
from tintype.adapters import render_verdict
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.ports.renderer import CannotDecode, Rendered, RendererBusy, RendererFailed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and accounts of processes are Linux's"),
]

LARGE: Final = pyvips.Image.black(5000, 4000, bands=4).cast("ushort").copy(interpretation="rgb16")
SMALL: Final = samples.jpeg()
COSTLY: Final = [Output(Transform(2000, 2000, quality=quality), Format.WEBP) for quality in range(60, 90)]
"""Tens of seconds of work for a small file."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


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


async def is_gone_but(pids: tuple[int, ...]) -> bool:
    """Wait until no process renders but these, for at most five seconds."""
    for _ in range(100):
        if render_processes() == set(pids):
            return True
        await asyncio.sleep(0.05)
    return False


# Whose fault a death is


@pytest.mark.parametrize(
    "how", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU]
)
async def test_a_crash_is_a_verdict_on_the_file(make_pool: Callable[..., RenderPool], how: signal.Signals) -> None:
    pool = make_pool()
    pid, task = await stopped_at_work(pool)
    os.kill(pid, how)
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(CannotDecode, match=how.name):
        await task
    await well(pool)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGBUS])
async def test_an_end_from_outside_is_no_verdict(make_pool: Callable[..., RenderPool], how: signal.Signals) -> None:
    pool = make_pool()
    pid, task = await stopped_at_work(pool)
    os.kill(pid, how)
    os.kill(pid, signal.SIGCONT)
    with pytest.raises(RendererFailed, match=f"signal {how.value}"):
        await task
    await well(pool)


async def test_a_process_that_died_while_it_was_idle_is_replaced(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool()
    await pool.start()
    [pid] = pool.pids()
    os.kill(pid, signal.SIGKILL)
    assert await is_gone(pid)
    await asyncio.sleep(0.05)  # for the event loop to hear of it
    await well(pool)


@pytest.mark.parametrize(
    ("status", "verdict"), [(77, CannotDecode), (0, RendererFailed), (1, RendererFailed), (-40, RendererFailed)]
)
def test_an_exit_status_is_a_verdict_only_when_memory_ran_out(status: int, verdict: type[Exception]) -> None:
    assert type(render_verdict.of_death(status)) is verdict


# Limits


async def test_a_picture_that_needs_more_memory_than_allowed_cannot_be_decoded(
    make_pool: Callable[..., RenderPool],
) -> None:
    data = LARGE.pngsave_buffer(interlace=True, compression=1)  # 160 MB, all of them needed at once
    pool = make_pool(memory_bytes=150 << 20)
    with pytest.raises(CannotDecode):
        await rendered_by(pool, data, fmt=Format.PNG)
    await well(pool)
    roomy = make_pool(memory_bytes=300 << 20)
    assert (await rendered_by(roomy, data, fmt=Format.PNG)).variants


async def test_a_picture_that_computes_for_too_long_cannot_be_decoded(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(timeout_seconds=1)
    await pool.start()
    pids = pool.pids()
    started = time.monotonic()
    with pytest.raises(CannotDecode, match="longer than 1 s"):
        await rendered_by(pool, SMALL, *COSTLY)
    assert time.monotonic() - started < 5
    await well(pool)
    assert set(pool.pids()).isdisjoint(pids)


async def test_the_kernel_ends_what_computes_for_too_long(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(timeout_seconds=60, cpu_seconds=1)
    with pytest.raises(CannotDecode, match="SIGXCPU"):
        await rendered_by(pool, SMALL, *COSTLY)
    await well(pool)


async def test_processor_time_is_counted_for_each_picture_anew(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(timeout_seconds=60, cpu_seconds=1)
    await pool.start()
    [pid] = pool.pids()
    for _ in range(20):  # each takes about a quarter of a second
        await rendered_by(pool, SMALL, *COSTLY[:1])
    assert pool.pids() == (pid,)


async def test_a_picture_that_had_to_wait_is_tried_again(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(timeout_seconds=0.5)
    pid, task = await stopped_at_work(pool)
    with pytest.raises(RendererFailed, match="had to wait"):
        await task
    assert await is_gone(pid)
    await well(pool)


# Wear


async def test_a_process_makes_way_after_so_many_pictures(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(recycle_after_renders=3)
    seen = []
    for _ in range(7):
        await well(pool)
        seen.append(pool.pids()[0])
        await asyncio.sleep(0.05)
    assert [seen.count(pid) for pid in dict.fromkeys(seen)] == [3, 3, 1]


async def test_a_process_that_has_grown_makes_way(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(recycle_above_bytes=1 << 20)
    await well(pool)
    [pid] = pool.pids()
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
    assert await is_gone_but(pool.pids())


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


# A decoder that an attacker has taken over


STUB: Final = """#!{python}
import os, socket, sys, time
from tintype.adapters import render_protocol as protocol
from tintype.adapters.sandbox import SandboxReport
from tintype.domain.format import Format
from tintype.domain.transform import Output, Transform
from tintype.ports.renderer import Rendered, RenderedVariant

channel = socket.socket(fileno=int(sys.argv[-1]))
channel.recv(10000)
channel.sendall(protocol.frame(protocol.Ready(SandboxReport(None, False, (), ()), "8.18.7")))
channel.recv(10000)
other = RenderedVariant(Output(Transform(1, 1), Format.GIF), 1, 1, b"GIF")
{answer}
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("answer", "failure", "told"),
    [
        ("channel.sendall(b'\\xff' * 8)", CannotDecode, "makes no sense"),
        ("channel.sendall(b'\\0\\0\\0\\4abcd')", CannotDecode, "makes no sense"),
        ("channel.sendall(protocol.frame(protocol.Done(Rendered((), None, 0.0))))", CannotDecode, "not asked"),
        ("channel.sendall(protocol.frame(protocol.Done(Rendered((other,), None, 0.0))))", CannotDecode, "not asked"),
        ("channel.sendall(protocol.frame(protocol.Failed('a bug')))", RendererFailed, "a bug"),
        ("channel.close()", RendererFailed, "went on"),
        ("channel.sendall(b'\\0\\0\\1\\0half'); channel.close(); os.abort()", CannotDecode, "SIGABRT"),
    ],
)
async def test_a_decoder_that_lies_is_not_believed_and_ended(
    make_pool: Callable[..., RenderPool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    failure: type[Exception],
    told: str,
) -> None:
    stub = tmp_path / "python"
    stub.write_text(STUB.format(python=sys.executable, answer=answer))
    stub.chmod(0o700)
    pool = make_pool()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(stub))
        patched.setattr("tintype.adapters.render_child._DEATH_SECONDS", 0.5)
        await pool.start()
        [pid] = pool.pids()
        with pytest.raises(failure, match=told):
            await rendered_by(pool, SMALL)
    await well(pool)
    assert await is_gone(pid)
