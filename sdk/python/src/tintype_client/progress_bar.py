"""A line that shows how far an upload is, on a terminal; nothing anywhere else."""

import shutil
import time
from collections.abc import Callable
from typing import Final, Self, TextIO

from tintype_client.models import Progress

LEAST_SECONDS: Final = 0.1
"""Between two drawings: a terminal over ssh should not be busier than the upload."""

_BAR_CHARACTERS: Final = 24
CLEAR: Final = "\r\x1b[K"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


class ProgressBar:
    """Draws over one line; as a context manager it leaves the line empty."""

    def __init__(self, out: TextIO, label: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Without a terminal at the other end nothing is drawn."""
        self._out = out
        self._label = "".join(char if char.isprintable() else "?" for char in label)  # names may hold escapes
        self._clock = clock
        self._began = clock()
        self._drawn = float("-inf")
        self._shown = out.isatty()

    def __call__(self, progress: Progress) -> None:
        """Draw it, unless it was drawn a moment ago."""
        now = self._clock()
        if self._shown and (now - self._drawn >= LEAST_SECONDS or progress.phase != "sending"):
            self._drawn = now
            width = shutil.get_terminal_size().columns - 1
            self._out.write(CLEAR + self.line(progress, now - self._began)[:width])
            self._out.flush()

    def line(self, progress: Progress, seconds: float) -> str:
        """Return what the line says after so many seconds."""
        if progress.phase != "sending":
            return f"{self._label}  {'processing …' if progress.phase == 'processing' else 'done'}"
        full = round(progress.fraction * _BAR_CHARACTERS)
        bar = "█" * full + "░" * (_BAR_CHARACTERS - full)
        rate = f"  {readable(progress.sent / seconds)}/s" if seconds > 1 else ""
        return f"{self._label}  {bar} {progress.fraction:4.0%} of {readable(progress.total)}{rate}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._out.write(CLEAR)
            self._out.flush()


def readable(size: float) -> str:
    """Return a number of bytes as people read it (1 kB is 1000 bytes)."""
    for unit in _UNITS[:-1]:
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"
