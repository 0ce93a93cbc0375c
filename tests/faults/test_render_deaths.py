"""Render processes that die, hang, overdo it and lie: whose fault it is, and that the next picture fares well."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import pyvips

from render_pools import COSTLY, SMALL, is_gone, make_pool, stopped_at_work, well
from renders import rendered_by
from tintype.adapters import render_verdict
from tintype.adapters.render_pool import RenderPool
from tintype.domain.format import Format
from tintype.ports.renderer import CannotDecode, RendererFailed

__all__ = ["make_pool"]  # a fixture

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and accounts of processes are Linux's"),
]

LARGE: Final = pyvips.Image.black(5000, 4000, bands=4).cast("ushort").copy(interpretation="rgb16")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


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
    with suppress(ProcessLookupError):  # SIGKILL needs no waking, and its process may be gone
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


async def test_a_process_that_takes_too_long_is_ended_and_replaced(make_pool: Callable[..., RenderPool]) -> None:
    pool = make_pool(timeout_seconds=1)
    await pool.start()
    [pid] = pool.pids()
    started = time.monotonic()
    # Which of the two depends on how busy this machine is: see the next test.
    with pytest.raises((CannotDecode, RendererFailed), match="longer than 1 s"):
        await rendered_by(pool, SMALL, *COSTLY)
    assert time.monotonic() - started < 10
    assert await is_gone(pid)
    await pool.start()
    assert pid not in pool.pids()


@pytest.mark.parametrize(
    ("computed", "verdict"), [(18.0, CannotDecode), (6.0, CannotDecode), (2.0, RendererFailed), (None, CannotDecode)]
)
def test_slowness_is_a_verdict_on_a_picture_that_computed_and_not_on_one_that_waited(
    computed: float | None, verdict: type[Exception]
) -> None:
    assert type(render_verdict.of_slowness(20, computed)) is verdict


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
