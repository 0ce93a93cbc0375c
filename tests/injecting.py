"""System calls of a running process that fail or take their time: strace has them do so, and no code changes."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from components import require
from product import eventually

ATTACHED_SECONDS: Final = 20.0


@contextmanager
def injected(processes: Sequence[int], calls: str, fault: str) -> Iterator[None]:
    """Have these `calls` (of all threads of the processes) meet a `fault` of strace's during the block.

    A fault is `error=EIO`, `delay_enter=500000` (microseconds), with `:when=1` for the first call of each thread alone.
    """
    inject = f"inject={calls}:{fault}"
    attach = [option for pid in processes for option in ("-p", str(pid))]
    command = [str(require("strace")), "-f", "-qq", "-e", f"trace={calls}", "-e", inject, "-o", "/dev/null", *attach]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        attached = eventually(lambda: all(_is_traced(pid) for pid in processes), within=ATTACHED_SECONDS)
        assert attached, "strace did not attach"
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets its processes go on
        tracer.wait(ATTACHED_SECONDS)


def _is_traced(pid: int) -> bool:
    """Return whether every thread of the process is traced: they are attached one by one."""
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in status for status in statuses)
