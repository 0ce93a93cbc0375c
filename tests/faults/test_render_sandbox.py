"""What a decoder cannot do, even when a file has taken it over.

The attempts run in a process that locks itself as render processes do; the control makes the same attempts unlocked.
"""

import contextlib
import hashlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

import samples
from renders import rendered_by
from tintype.adapters import sandbox
from tintype.adapters.render_child import RenderChild
from tintype.adapters.render_pool import RenderPool, RenderPoolConfig
from tintype.domain.format import Format
from tintype.domain.transform import Fit, Output, Transform
from tintype.ports.renderer import CannotDecode, RendererFailed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's"),
]

ATTACKS: Final = """
import ctypes, errno, mmap, os, resource, signal, socket, sys, threading

libc = ctypes.CDLL(None, use_errno=True)
# Whatever an attack needs is there before the lock falls: it may not fail for want of a module.
parent, home = os.getppid(), os.path.expanduser("~")
inherited = int(sys.argv[1])


def call(function, *arguments):
    if function(*arguments) in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), function.__name__)


libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def executable_memory():
    call(libc.mmap, None, 4096, mmap.PROT_READ | mmap.PROT_EXEC, PRIVATE, -1, 0)


def memory_made_executable():
    page = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, PRIVATE, -1, 0)
    call(libc.mprotect, ctypes.c_void_p(page), ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_EXEC)


def in_a_thread():
    caught = []
    def attempt():
        try:
            os.close(os.open("/etc/passwd", os.O_RDONLY))
        except OSError as error:
            caught.append(error)
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def fork():
    if os.fork() == 0:
        os._exit(0)


attacks = {
    "read a file": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
    "read a file in a new thread": in_a_thread,
    "learn whether a file exists": lambda: os.stat("/etc/passwd"),
    "list a directory": lambda: os.listdir("/"),
    "read its own environment": lambda: os.close(os.open("/proc/self/environ", os.O_RDONLY)),
    "write a file": lambda: os.close(os.open("/tmp", os.O_TMPFILE | os.O_RDWR)),
    "remove a file": lambda: os.unlink(sys.argv[2]),
    "make a link": lambda: os.symlink("/etc", sys.argv[2] + ".link"),
    "connect to the network": lambda: socket.socket(socket.AF_INET),
    "connect to a local socket": lambda: socket.socket(socket.AF_UNIX),
    "make a pair of sockets": lambda: socket.socketpair(),
    "send elsewhere over a socket it has": lambda: call(libc.sendto, inherited, b"x", 1, 0, None, 0),
    "send a descriptor": lambda: call(libc.sendmsg, inherited, None, 0),
    "start a program": lambda: os.execv("/bin/true", ["true"]),
    "start a process": fork,
    "signal its parent": lambda: os.kill(parent, 0),
    "signal a thread of its parent": lambda: call(libc.tgkill, parent, parent, 0),
    "trace another process": lambda: call(libc.ptrace, 16, ctypes.c_long(parent), None, None),
    "read another's memory": lambda: call(libc.process_vm_readv, parent, None, 0, None, 0, 0),
    "set its own limits": lambda: call(libc.setrlimit, resource.RLIMIT_CPU, (ctypes.c_ulong * 2)(1000, 2**64 - 1)),
    "become somebody else": lambda: os.setuid(os.getuid()),
    "make a namespace": lambda: call(libc.unshare, 0x10000000),
    "mount something": lambda: call(libc.mount, b"none", sys.argv[2].encode(), b"tmpfs", 0, None),
    "use a ring": lambda: call(libc.syscall, 425, 1, ctypes.create_string_buffer(256)),
    "make a file in memory": lambda: os.close(os.memfd_create("x")),
    "make executable memory": executable_memory,
    "make memory executable": memory_made_executable,
    "let others trace it": lambda: call(libc.prctl, 4, 1, 0, 0, 0),
}

from tintype.adapters import landlock, sandbox

if sys.argv[3] == "locked by seccomp alone":
    landlock.give_up_everything = lambda: None
if sys.argv[3] != "free":
    print("report", sandbox.lock(sandbox.SandboxLimits(memory_bytes=1 << 30)), flush=True)
for name in sys.argv[4:] or attacks:
    try:
        attacks[name]()
    except OSError as error:
        denied = error.errno in (errno.EPERM, errno.EACCES)
        print(f"{name}: {'denied' if denied else error}", flush=True)
    else:
        print(f"{name}: done", flush=True)
"""

NAMES: Final = re.findall(r'^    "(.+?)": ', ATTACKS, re.MULTILINE)
DONE_WHEN_UNLOCKED: Final = {
    *("read a file", "read a file in a new thread", "learn whether a file exists", "list a directory"),
    *("read its own environment", "write a file", "make a link", "connect to the network", "connect to a local socket"),
    *("make a pair of sockets", "start a process", "signal its parent", "signal a thread of its parent"),
    *("set its own limits", "become somebody else", "make a file in memory", "make executable memory"),
    *("make memory executable", "let others trace it", "remove a file"),
}
"""Of the attacks, those that an ordinary process without rights may do: the control."""


def attempt(folder: Path, state: str, *attacks: str) -> dict[str, str]:
    """Make the attacks (all, when none is named) in a process that is locked or free; return what came of each."""
    victim = folder / "victim"
    victim.touch()
    ours, theirs = os.pipe()
    with os.fdopen(ours), os.fdopen(theirs):
        arguments = [sys.executable, "-c", ATTACKS, str(theirs), str(victim), state, *attacks]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True, pass_fds=[theirs])
    return dict(line.split(": ", 1) for line in run.stdout.splitlines() if ": " in line and "Report" not in line)


@pytest.fixture(scope="module", params=["locked", "locked by seccomp alone"])
def locked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return attempt(tmp_path_factory.mktemp("locked"), request.param)


@pytest.mark.parametrize("name", NAMES)
def test_a_locked_process_cannot(locked: dict[str, str], name: str) -> None:
    assert locked[name] == "denied"


def test_the_same_attacks_succeed_in_a_process_that_is_not_locked(tmp_path: Path) -> None:
    free = attempt(tmp_path, "free", *DONE_WHEN_UNLOCKED)
    assert {name for name, result in free.items() if result == "done"} == DONE_WHEN_UNLOCKED


def test_a_process_with_other_threads_is_not_locked_but_refused() -> None:
    script = """
import threading
from tintype.adapters import sandbox
threading.Thread(target=threading.Event().wait, daemon=True).start()
sandbox.lock(sandbox.SandboxLimits(memory_bytes=1 << 30))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "a thread has started before the sandbox" in run.stderr


# The real thing


FILES: Final = {
    "CMYK JPEG": (samples.jpeg(203, 151, mode="CMYK"), Format.JPEG),
    "JPEG": (samples.jpeg(203, 151), Format.JPEG),
    "progressive JPEG": (samples.jpeg(203, 151, progressive=True), Format.JPEG),
    "PNG": (samples.png(203, 151, mode="RGBA"), Format.PNG),
    "interlaced PNG": (samples.png(203, 151, interlaced=True), Format.PNG),
    "PNG of a palette": (samples.png(203, 151, mode="P"), Format.PNG),
    "GIF": (samples.gif(203, 151, transparent=True), Format.GIF),
    "animated GIF": (samples.gif(203, 151, frames=3, disposal=3), Format.GIF),
    "WebP": (samples.webp(203, 151), Format.WEBP),
    "lossless WebP": (samples.webp(203, 151, mode="RGBA", lossless=True), Format.WEBP),
}
FITS: Final = (Fit.COVER, Fit.CONTAIN)
OUTPUTS: Final = [Output(Transform(size, 50, fit), to) for size in (40, 300) for to in Format for fit in FITS]


def of_process(pid: int, what: str) -> bytes:
    return Path(f"/proc/{pid}/{what}").read_bytes()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(RenderPoolConfig(processes=1, nice=3, memory_bytes=400 << 20))
    await pool.start()
    yield pool
    await pool.close()


async def test_a_pool_reports_what_holds(pool: RenderPool) -> None:
    report = await pool.report()
    assert report.degraded == ()
    assert report.seccomp
    assert report.landlock
    assert report.threads > 1
    assert set(report.denied) == {"open a file", "make a socket", "start a program", "start a process"}


async def test_every_thread_is_locked_whatever_was_rendered(pool: RenderPool) -> None:
    [pid] = pool.pids()
    for data, fmt in FILES.values():
        await rendered_by(pool, data, *OUTPUTS, fmt=fmt, describe=True)
        threads = sandbox.threads(pid)
        assert len(threads) > 1
        assert all(threads.values())
    assert pool.pids() == (pid,)


async def test_a_decoder_has_its_limits_and_little_else(pool: RenderPool) -> None:
    [pid] = pool.pids()
    await rendered_by(pool, samples.jpeg())
    assert resource.prlimit(pid, resource.RLIMIT_DATA) == (400 << 20, 400 << 20)
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (32, 32)
    assert resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 60
    assert os.getsid(pid) == pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 3


async def test_no_variable_of_the_server_reaches_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINTYPE_SECRET_KEY", "of the server")
    other = RenderPool(RenderPoolConfig())
    await other.start()
    [pid] = other.pids()
    assert b"TINTYPE" not in of_process(pid, "environ")
    await other.close()


async def test_the_kernel_takes_a_decoder_before_the_server_when_memory_runs_out(pool: RenderPool) -> None:
    [pid] = pool.pids()
    assert int(of_process(pid, "oom_score_adj")) > int(of_process(os.getpid(), "oom_score_adj"))


async def test_pictures_leave_no_open_files_behind(pool: RenderPool) -> None:
    [pid] = pool.pids()
    await rendered_by(pool, samples.jpeg())
    before = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - names to compare, not paths
    for data, fmt in FILES.values():
        await rendered_by(pool, data, *OUTPUTS, fmt=fmt)
        with contextlib.suppress(CannotDecode):  # half an animation has its first frame
            await rendered_by(pool, data[: len(data) // 2], *OUTPUTS, fmt=fmt)
    assert os.listdir(f"/proc/{pid}/fd") == before  # noqa: PTH208 - likewise


async def test_what_malloc_gives_never_shows_in_a_picture() -> None:
    """CVE-2019-6976, CVE-2026-32882: memory nobody wrote to became pixels. So could memory that was freed."""
    digests = []
    for fill in ("0", "85", "170"):
        pool = RenderPool(RenderPoolConfig(environment={"MALLOC_PERTURB_": fill}))
        made = {}
        for name, (data, fmt) in FILES.items():
            result = await rendered_by(pool, data, *OUTPUTS, fmt=fmt, describe=True)
            variants = [(made.output, hashlib.sha256(made.data).hexdigest()) for made in result.variants]
            made[name] = (variants, result.description)
        await pool.close()
        digests.append(made)
    assert digests[0] == digests[1] == digests[2]


def test_malloc_does_fill_what_it_gives_as_it_is_told() -> None:
    """The control of the test above."""
    script = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.POINTER(ctypes.c_ubyte)
print(libc.malloc(100000)[50000])
"""
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"MALLOC_PERTURB_": fill}, capture_output=True, check=True
        ).stdout
        for fill in ("85", "170")
    }
    assert len(seen) == 2


async def test_a_process_with_one_free_thread_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    look = sandbox.threads

    def one_is_free(pid: int) -> dict[int, bool]:
        return {**look(pid), 1: False}

    monkeypatch.setattr(sandbox, "threads", one_is_free)
    with pytest.raises(RendererFailed, match="outside the sandbox"):
        await RenderChild.start(RenderPoolConfig().child)


async def test_a_process_that_only_says_that_it_is_locked_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor = tmp_path / "python"
    impostor.write_text(f"""#!{sys.executable}
import socket, sys, time
from tintype.adapters import render_protocol as protocol
from tintype.adapters.sandbox import SandboxReport
channel = socket.socket(fileno=int(sys.argv[-1]))
channel.recv(10000)
channel.sendall(protocol.frame(protocol.Ready(SandboxReport(7, True, (), ()), "8.18.7")))
channel.recv(1)
""")
    impostor.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(impostor))
    with pytest.raises(RendererFailed, match="outside the sandbox"):
        await RenderChild.start(RenderPoolConfig().child)


def test_a_system_without_the_locks_is_named_as_degraded() -> None:
    script = """
import sys
from tintype.adapters import landlock, sandbox
landlock.give_up_everything = lambda: None
sys.modules["pyseccomp"] = None
print("\\n".join(sandbox.lock(sandbox.SandboxLimits(memory_bytes=1 << 30)).degraded))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    told = run.stdout.splitlines()
    assert len(told) == 6
    assert told[0].startswith("Landlock is missing")
    assert told[1].startswith("seccomp is missing")
    assert told[2:] == [f"a decoder could {name}" for name in sandbox._ATTEMPTS]
