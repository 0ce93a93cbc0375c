"""A process that decodes what strangers send gives up everything that decoding does not need.

Four locks, each of which would do for most attacks: limits on memory, open files and writing; Landlock (no file, no
TCP, no signal to others); seccomp (some forty system calls, none of which opens, connects, forks or executes, and no
memory may become executable); and no new privileges. What is open already stays open: that is how the picture comes in
and the answer goes out.

The order matters. libvips starts threads at its first operation, and Landlock covers only threads that start later. So:
import everything, `lock()`, then call libvips; and the parent looks at *every* thread (`unlocked_threads`), because the
main thread saying "denied" proves nothing about the others.
"""

import contextlib
import errno
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tintype.adapters import landlock

_ADDRESS_SPACE_SLACK: Final = 512 << 20
"""Bytes of address space above the memory limit: libraries, the mapped source, what malloc reserves and leaves."""

_CLONE_THREAD: Final = 0x00010000
_PR_SET_NAME: Final = 15

_SYSTEM_CALLS: Final = (
    # reading the descriptors that are given, writing the answer
    *("read", "readv", "pread64", "recvmsg", "write", "writev", "lseek", "fstat", "close", "dup", "fcntl"),
    *("poll", "ppoll"),
    # memory; mmap and mprotect have rules of their own below
    *("munmap", "mremap", "madvise", "brk", "membarrier", "get_mempolicy"),
    # threads; clone has a rule of its own below
    *("futex", "set_robust_list", "rseq", "gettid", "getpid", "sched_yield", "sched_getaffinity", "exit", "exit_group"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    # time and chance
    *("clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom", "getrusage", "sysinfo"),
)
"""What Python, glibc, GLib and the codecs call once they are loaded.

No `newfstatat`, by which glibc 2.33–2.38 spell fstat: it takes a path, and would tell which files there are. Nothing
here misses it. No `sendmsg`, `sendto` or `ioctl` either: what goes out goes by `write`.
"""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What the kernel lets the process have. Processor time is the parent's to grant, for each picture anew."""

    memory_bytes: int
    """Of data: heap, stacks and private mappings (RLIMIT_DATA)."""
    open_files: int = 32
    """The channel, the standard three, and a picture with its duplicates: twelve at most were seen."""
    written_bytes: int = 1 << 16
    """Per file. Only the log of its last words is a file; the answer goes through a socket."""


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """What holds in a process, by trying. `degraded` names in words what does not; it is empty where all is well."""

    landlock: int | None
    seccomp: bool
    denied: tuple[str, ...]
    degraded: tuple[str, ...]
    threads: int = 0
    """How many threads were looked at, and all found locked."""


def lock(limits: SandboxLimits) -> SandboxReport:
    """Lock this process, for good, and return what holds. `OSError` when the kernel refuses what it has.

    Everything must be imported: nothing can be opened or loaded afterwards. `RuntimeError` beside other threads.
    """
    missing: list[str] = []
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208 - names to count, not paths
        raise RuntimeError("a thread has started before the sandbox: Landlock would not cover it")
    system_calls = _system_call_filter()  # made before anything is denied: libseccomp has to be found and opened
    _set_limits(limits)
    landlock_version = landlock.give_up_everything() if sys.platform == "linux" else None
    if system_calls:
        system_calls.load()
    if landlock_version is None:
        missing.append("Landlock is missing (Linux 5.13 or newer has it, if it is switched on at boot)")
    if not system_calls:
        missing.append("seccomp is missing (it needs Linux and libseccomp2)")
    denied = tuple(name for name, attempt in _ATTEMPTS.items() if _is_denied(attempt))
    missing += [f"a decoder could {name}" for name in _ATTEMPTS if name not in denied]
    return SandboxReport(landlock_version, bool(system_calls), denied, tuple(missing))


def _set_limits(limits: SandboxLimits) -> None:
    for kind, amount in (
        (resource.RLIMIT_CORE, 0),  # a dump would put people's pictures on the disk
        (resource.RLIMIT_FSIZE, limits.written_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_AS, limits.memory_bytes + _ADDRESS_SPACE_SLACK),  # what is shared is no "data"
    ):
        resource.setrlimit(kind, (amount, amount))


def _system_call_filter() -> Any:  # noqa: ANN401 - pyseccomp has no types; it stays in this file
    """Return the filter, to be loaded, or None where there is no libseccomp."""
    try:
        import pyseccomp  # noqa: PLC0415 - the import itself fails where the system has no libseccomp
    except (ImportError, RuntimeError):
        return None
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    rules.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)
    for name in _SYSTEM_CALLS:
        rules.add_rule(pyseccomp.ALLOW, name)
    # Memory never becomes code.
    for name in ("mmap", "mprotect"):
        rules.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(2, pyseccomp.MASKED_EQ, mmap.PROT_EXEC, 0))
    # Threads, no processes. clone3 hides its flags from the filter; without it glibc falls back on clone.
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    # abort() signals the process itself, and threads name themselves.
    rules.add_rule(pyseccomp.ALLOW, "tgkill", pyseccomp.Arg(0, pyseccomp.EQ, os.getpid()))
    rules.add_rule(pyseccomp.ALLOW, "prctl", pyseccomp.Arg(0, pyseccomp.EQ, _PR_SET_NAME))
    return rules


def _open_a_file() -> None:
    os.close(os.open("/", os.O_RDONLY))


def _make_a_socket() -> None:
    socket.socket().close()


def _start_a_program() -> None:
    os.execv("/nonexistent", ["nonexistent"])  # noqa: S606 - there is no such program: only the kernel's answer counts


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    with contextlib.suppress(OSError):  # a refusal to wait is none to fork
        os.waitpid(child, 0)


_ATTEMPTS: Final[dict[str, Callable[[], None]]] = {
    "open a file": _open_a_file,
    "make a socket": _make_a_socket,
    "start a program": _start_a_program,
    "start a process": _fork,
}


def _is_denied(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def threads(pid: int) -> dict[int, bool]:
    """Return the threads of a process (Linux), and whether each is under seccomp and without new privileges.

    `OSError` when the process is gone. Read from outside: what a locked process says of itself is worth less.
    """
    return {int(task.name): _is_locked(task) for task in Path(f"/proc/{pid}/task").iterdir()}


def _is_locked(task: Path) -> bool:
    fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
    return fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1"
