"""What another process of ours has used and may use, where the system (Linux) tells; None where it does not."""

import contextlib
import math
import os
import resource
import sys
from pathlib import Path

_AFTER_NAME = 2
"""`/proc/<pid>/stat` holds the name in brackets, spaces and all; behind it follow fields 3, 4, … (proc(5))."""


def computed_seconds(pid: int) -> float | None:
    """Return the processor time that the process has used so far, in seconds."""
    if sys.platform != "linux":
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[_AFTER_NAME].split()
    except OSError:  # it is gone
        return None
    user, system = int(fields[14 - 3]), int(fields[15 - 3])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int | None:
    """Return how much memory of the machine the process holds now, in bytes."""
    if sys.platform != "linux":
        return None
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def grant_processor(pid: int, seconds: int) -> None:
    """Let the process compute for at most that many seconds more; then the kernel sends SIGXCPU.

    Given from outside, so that the process cannot give itself more. Does nothing where the system knows no such thing.
    """
    used = computed_seconds(pid)
    if sys.platform != "linux" or used is None:
        return
    with contextlib.suppress(ProcessLookupError):  # its death is noticed where its answer is awaited
        _, ceiling = resource.prlimit(pid, resource.RLIMIT_CPU)
        granted = math.ceil(used) + seconds
        if ceiling != resource.RLIM_INFINITY:
            granted = min(granted, ceiling)
        resource.prlimit(pid, resource.RLIMIT_CPU, (granted, ceiling))
