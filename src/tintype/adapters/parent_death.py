"""A process of ours does not outlive its parent, however that ends.

`PR_SET_PDEATHSIG` (prctl(2)) has the kernel send a signal when the thread that forked us ends; Linux alone has it.
Elsewhere the supervisor's orderly shutdown is all there is, and start-up says so.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends; end at once when `parent` (a pid) is gone already."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(1)
