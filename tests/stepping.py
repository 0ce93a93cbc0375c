"""Processes that are killed at a chosen step of what they do: their system calls are counted while they work.

strace's own `inject=…:signal=KILL:when=N` counts each call of each thread by itself, so that no N walks through work
that several threads share. Here strace holds a thread back for a moment after every call (`delay_exit`), and this side
counts the calls of all threads and kills at the Nth: nothing that follows from it has begun. A kill after step N is one
before step N + 1.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from components import require

CALLS: Final = (
    "open openat creat mkdir mkdirat ftruncate write writev pwrite64 fsync fdatasync link linkat"
    " rename renameat renameat2 unlink unlinkat sendto sendmsg"
).replace(" ", ",")
"""What changes a file system or tells somebody something."""

RECEIVING: Final = "recvfrom,recvmsg"

DELAY_MICROSECONDS: Final = 1000
"""How long a thread is held back after a call: time to read of it and to kill."""

ATTACHED_SECONDS: Final = 20.0

_LINE: Final = re.compile(r"(?:\[pid +(?P<pid>\d+)\] )?(?P<text>.*)")
_CALL: Final = re.compile(r"\w+\(")
_RESUMED: Final = re.compile(r"<\.\.\. \w+ resumed>")
_INTERNAL: Final = re.compile(r"\w+\(\d+<(UNIX|anon_inode|pipe|/dev/null|[^>]*\.log>)")
"""Threads that wake each other, decoders, and the log."""

_TALKS: Final = re.compile(r"(send|recv)\w+\(")
_STORED: Final = re.compile(r"/blobs/")
_OF_A_JOB: Final = re.compile(r"COMMIT|INSERT INTO variants|UPDATE images|procrastinate_finish_job")
_DECIDES: Final = re.compile(r"COMMIT|HTTP/1")
_OPEN: Final = re.compile(r"(open|openat|creat)\(")
_MAKES: Final = re.compile(r"O_CREAT|O_TMPFILE|O_TRUNC|^creat")


def is_outward(step: str) -> bool:
    """Return whether the call did something that others can see: it changed a file or sent something.

    Receiving changes nothing for others, so that a kill after it is one after the step before; but for a commit, after
    whose sending the database may or may not have come to it.
    """
    if _INTERNAL.match(step) or ") = -1 " in step:
        return False
    if step.startswith("recv"):
        return "COMMIT" in step
    return not _OPEN.match(step) or bool(_MAKES.search(step))


def is_decisive(step: str) -> bool:
    """Return whether the call changed a file, or was a commit or an answer; what is sent before a commit is undone."""
    return is_outward(step) and (not _TALKS.match(step) or bool(_DECIDES.search(step)))


def is_of_a_job(step: str) -> bool:
    """Return whether the call belongs to a worker's job: the queue talks, too, and decoders are started."""
    return is_outward(step) and bool((_OF_A_JOB if _TALKS.match(step) else _STORED).search(step))


class Stepper:
    """The calls of processes as they are made, in `steps`; after the step number `kill_after` they are killed."""

    def __init__(self, pids: Sequence[int], *, kill_after: int, counts: Callable[[str], bool]) -> None:
        """`counts` tells a step from a call that does not matter."""
        self.steps: list[str] = []
        self.killed = threading.Event()
        self._pids = tuple(pids)
        self._kill_after = kill_after
        self._counts = counts
        self._begun: dict[str, str] = {}
        command = [
            str(require("strace")),
            "-f",
            "-yy",
            "-s",
            "200",
            "-e",
            f"trace={CALLS},{RECEIVING}",
            "-e",
            "signal=none",
        ]
        command += ["-e", f"inject={CALLS}:delay_exit={DELAY_MICROSECONDS}", *(f"-p{pid}" for pid in pids)]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
        self._attached = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        for pid in pids:
            assert self._attached.acquire(timeout=ATTACHED_SECONDS), f"strace did not attach to {pid}"

    @property
    def overshot(self) -> bool:
        """Whether the kill came too late: another step was made before it. What is received holds nobody back."""
        made = self.steps[self._kill_after - 1 :]
        return len(made) > 1 and not made[0].startswith("recv")

    def end(self) -> None:
        """Leave the processes alone. strace is killed: told to end, it may wait for ever for a thread that died."""
        self._strace.kill()
        self._strace.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._strace.stderr is not None
        with self._strace.stderr as lines:
            for line in lines:
                self._take(line.rstrip())
        for _ in self._pids:  # of a strace that ended at once, too
            self._attached.release()

    def _take(self, line: str) -> None:
        found = _LINE.fullmatch(line)
        assert found is not None
        pid, text = found["pid"] or "", found["text"]
        if ": Process " in text and " attached" in text:
            self._attached.release()
        elif text.endswith("<unfinished ...>"):
            self._begun[pid] = text.removesuffix("<unfinished ...>")
        elif text.startswith("<..."):
            self._note(_RESUMED.sub(lambda _: self._begun.pop(pid, ""), text, count=1))
        elif _CALL.match(text):
            self._note(text)

    def _note(self, step: str) -> None:
        if not self._counts(step):
            return
        self.steps.append(step)
        if len(self.steps) == self._kill_after:
            for pid in self._pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.killed.set()


@contextmanager
def stepping(pids: Sequence[int], *, kill_after: int, counts: Callable[[str], bool] = is_outward) -> Iterator[Stepper]:
    """Count the steps of these processes during the block, and kill them after so many."""
    stepper = Stepper(pids, kill_after=kill_after, counts=counts)
    try:
        yield stepper
    finally:
        stepper.end()
