"""Whose fault it was when a render process ended in the middle of a picture: the file's, or ours.

The file's fault is a verdict (`CannotDecode`): the picture is rejected and not tried again, so that poison costs one
process. Ours is tried again (`RendererFailed`): nobody's photograph may be rejected because an operator typed kill -9.

| how it ended | whose fault | because |
|---|---|---|
| SEGV, ABRT, ILL, FPE, TRAP, SYS | the file's | the decoder was led astray; GLib traps when memory ends |
| XCPU, XFSZ | the file's | a limit on what one picture may cost |
| exit status `OUT_OF_MEMORY` | the file's | likewise, noticed by Python |
| too slow, having used the processor | the file's | likewise |
| too slow, having waited | ours | an overloaded or suspended machine, a disk that stalls, a process stopped |
| BUS | ours | the file is mapped, and its page could not be read from the disk |
| KILL, TERM, INT, HUP … | ours | sent from outside: an operator, the kernel out of memory, our own end |
| any other exit | ours | a bug or a broken installation |

Memory: a decoder has its own limit, far below what makes the kernel kill, so that a KILL is the machine's plight.
"""

import signal
from typing import Final

from tintype.adapters.render_protocol import OUT_OF_MEMORY
from tintype.ports.renderer import CannotDecode, RendererFailed

_LED_ASTRAY: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)
_TOO_COSTLY: Final = frozenset({signal.SIGXCPU, signal.SIGXFSZ})

_WORKED_SHARE: Final = 0.25
"""Of the time it was given: a process that computed for less was kept waiting by others."""


def of_death(returncode: int, last_words: str = "") -> CannotDecode | RendererFailed:
    """Return the verdict on a process that ended in the middle of a picture; a negative code is a signal."""
    if returncode == OUT_OF_MEMORY:
        return CannotDecode("the decoder ran out of the memory it may use")
    ended_by = -returncode
    if ended_by in _LED_ASTRAY:
        return CannotDecode(f"the decoder crashed ({signal.Signals(ended_by).name}){last_words}")
    if ended_by in _TOO_COSTLY:
        return CannotDecode(f"the decoder exceeded a limit ({signal.Signals(ended_by).name})")
    how = f"was ended by signal {ended_by}" if returncode < 0 else f"ended with status {returncode}"
    return RendererFailed(f"the render process {how}{last_words}")


def of_slowness(allowed_seconds: float, computed_seconds: float | None) -> CannotDecode | RendererFailed:
    """Return the verdict on a process that took longer than allowed; `computed_seconds` is None where nobody counts."""
    if computed_seconds is None or computed_seconds >= allowed_seconds * _WORKED_SHARE:
        return CannotDecode(f"the decoder took longer than {allowed_seconds:g} s")
    return RendererFailed(
        f"the render process took longer than {allowed_seconds:g} s and computed for {computed_seconds:.1f} s of them: "
        "it had to wait for others"
    )
