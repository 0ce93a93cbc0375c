"""A process of ours does not outlive its parent, however that ends.

`PR_SET_PDEATHSIG` (prctl(2)) has the kernel send a signal when the thread that forked us ends; Linux alone has it.
Elsewhere the supervisor's orderly shutdown is all there is, and start-up says so.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

PARENT_DEATH_SIGNAL: Final = sys.platform == "linux"
"""Whether the kernel can do it."""

_PR_SET_PDEATHSIG: Final = 1

Prctl: TypeAlias = Callable[[int, int], int]


def load_prctl() -> Prctl:
    """Return the call, loaded: between fork and exec nothing may be allocated any more."""
    prctl: Prctl = ctypes.CDLL(None, use_errno=True).prctl
    return prctl


def tie_to_parent(prctl: Prctl, parent: int, death_signal: signal.Signals) -> None:
    """Have this process sent `death_signal` when its parent ends; end at once when `parent` (a pid) is gone already."""
    if prctl(_PR_SET_PDEATHSIG, death_signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before prctl: no signal will come
        os._exit(1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends."""
    if PARENT_DEATH_SIGNAL:
        tie_to_parent(load_prctl(), parent, signal.SIGKILL)
