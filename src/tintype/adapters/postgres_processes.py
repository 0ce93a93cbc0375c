"""PostgreSQL's processes as the operating system sees them: started so that they die with us, and found again.

A server that outlives its supervisor would go on holding the data directory with nobody to stop it. Linux tells a
process when its parent dies (`PR_SET_PDEATHSIG`, prctl(2)); SIGINT is PostgreSQL's fast shutdown, so it ends cleanly
even when the supervisor was killed with SIGKILL. The signal comes when the *thread* that forked ends, hence the rule
that only the main thread starts a server.
"""

import functools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tintype.adapters.parent_death import PARENT_DEATH_SIGNAL, Prctl, load_prctl, tie_to_parent

PID_FILE: Final = "postmaster.pid"
POLL_SECONDS: Final = 0.005
"""How often a condition is looked at again: a server is ready about 0.1 s after its start."""

_PROC: Final = Path("/proc")
_ORPHAN_GRACE_SECONDS: Final = 1.0
"""A backend whose postmaster was killed notices it within milliseconds, unless it is inside a long computation."""
_ORPHAN_QUIT_SECONDS: Final = 5.0
"""How long SIGQUIT (exit at once, without cleaning up) may take before SIGKILL follows."""
_PROBE_SECONDS: Final = 10.0


class PostgresUnavailable(Exception):
    """The embedded PostgreSQL cannot run; the message is a sentence for the operator that says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int


def spawn(
    command: Sequence[str | Path],
    account: Account | None,
    *,
    death_signal: signal.Signals,
    output: IO[bytes] | int,
) -> subprocess.Popen[bytes]:
    """Start a program that gets `death_signal` when this thread ends; as `account`, or as ourselves when it is None.

    It has a session of its own (a Ctrl-C in the terminal must not stop the database before its clients), no input, an
    empty environment (PGDATA, PGOPTIONS and our own secrets stay out) and `/` as its working directory. Both of its
    outputs go to `output`. Raises `OSError`.
    """
    return subprocess.Popen(  # noqa: S603 - our own command lines, no shell
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.defpath},
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_dying_with_parent(death_signal),  # noqa: PLW1509 - prctl must run in the child, after setuid
    )


def succeeds(command: Sequence[str | Path], account: Account | None) -> bool:
    """Return whether a short program can be run as `account` and ends with status 0."""
    try:
        with spawn(command, account, death_signal=signal.SIGKILL, output=subprocess.DEVNULL) as process:
            try:
                return process.wait(_PROBE_SECONDS) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                return False
    except (OSError, subprocess.SubprocessError):
        return False


def processes_on(cluster: Path) -> frozenset[int]:
    """Return the ids of the PostgreSQL processes that work on a cluster: its postmaster and whatever that started.

    Each has the cluster as its working directory, so a reused process id or another server is never mistaken for one.
    Without /proc only the postmaster is found, by its command line.
    """
    if not (_PROC / "self").exists():
        recorded = recorded_postmaster(cluster)
        return frozenset({recorded} if recorded and _is_postmaster(recorded, cluster) else ())
    home = cluster.resolve()
    return frozenset(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _works_on(entry, home))


def recorded_postmaster(cluster: Path) -> int | None:
    """Return the process id that `postmaster.pid` names, or None without a readable one."""
    try:
        return int((cluster / PID_FILE).read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def clear_predecessor(cluster: Path, *, deadline: float) -> None:
    """Return when nothing runs on the cluster any more, so that a new postmaster can start.

    A postmaster that is shutting down is waited for. Backends that lost their postmaster are waited for, then ended:
    what they had committed is in the WAL. `deadline` is of `time.monotonic()`; past it `PostgresUnavailable`. The
    caller holds the data directory's lock, so whatever is found belongs to nobody who is still there.
    """
    began = time.monotonic()
    asked: set[int] = set()
    while running := processes_on(cluster):
        postmaster = recorded_postmaster(cluster)
        if time.monotonic() > deadline:
            raise PostgresUnavailable(_still_running(cluster, postmaster, running))
        if postmaster not in running:
            _end_orphans(running, waited=time.monotonic() - began)
        elif not PARENT_DEATH_SIGNAL and postmaster not in asked:
            _signal(postmaster, signal.SIGINT)  # nothing told it that its parent is gone
            asked.add(postmaster)
        time.sleep(POLL_SECONDS)
    _forget_reused_pid(cluster)


def _dying_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    return functools.partial(_begin, load_prctl(), os.getpid(), death_signal) if PARENT_DEATH_SIGNAL else None


def _begin(prctl: Prctl, parent: int, death_signal: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it, and passes that on
    tie_to_parent(prctl, parent, death_signal)


def _works_on(process: Path, home: Path) -> bool:
    try:
        return (process / "cwd").readlink() == home and (process / "comm").read_text() == "postgres\n"
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Without /proc: ask ps(1) for the command line, which a postmaster never changes."""
    shown = subprocess.run(  # noqa: S603 - a number is the only variable
        ["/bin/ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False
    ).stdout
    return "postgres" in shown and str(cluster) in shown


def _end_orphans(pids: frozenset[int], *, waited: float) -> None:
    if waited > _ORPHAN_GRACE_SECONDS + _ORPHAN_QUIT_SECONDS:
        _signal_all(pids, signal.SIGKILL)
    elif waited > _ORPHAN_GRACE_SECONDS:
        _signal_all(pids, signal.SIGQUIT)


def _signal_all(pids: frozenset[int], signum: signal.Signals) -> None:
    for pid in pids:
        _signal(pid, signum)


def _signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # gone, or not ours: the deadline decides
        os.kill(pid, signum)


def _forget_reused_pid(cluster: Path) -> None:
    """Remove a `postmaster.pid` whose number now belongs to some other program of the same user.

    PostgreSQL would take that program for its predecessor and refuse to start, after a reboot for example. In every
    other case the file stays: PostgreSQL knows best what to do with it.
    """
    recorded = recorded_postmaster(cluster)
    if recorded is None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.kill(recorded, 0)
        (cluster / PID_FILE).unlink(missing_ok=True)


def _still_running(cluster: Path, postmaster: int | None, running: frozenset[int]) -> str:
    if postmaster in running:
        return (
            f"PostgreSQL (process {postmaster}) is still running on {cluster}. It may still be shutting down, or was "
            f"started by hand: stop it with `kill -INT {postmaster}`, wait until it is gone, then start again."
        )
    pids = " ".join(map(str, sorted(running)))
    return f"Processes of a PostgreSQL that died still hold {cluster}. End them with `kill -KILL {pids}`, start again."
