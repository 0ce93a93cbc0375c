"""How slowly bytes may come: not at all for a moment, and in the long run at some least rate.

Only the time spent waiting for the sender counts: what we do with its bytes meanwhile is not its fault.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """The longest silence (seconds), and the least rate (bytes a second) over a window (seconds)."""

    stall_seconds: float
    min_rate: float
    window_seconds: float


class TooSlow(Exception):
    """Fewer bytes came than must."""


class Pace:
    """Follows one sender, window by window."""

    def __init__(self, limits: PaceLimits) -> None:
        self._limits = limits
        self._waited = 0.0
        self._received = 0

    @property
    def patience(self) -> float:
        """The seconds to wait for the next bytes; when they are over and nothing came, it is too slow."""
        left = self._limits.window_seconds - self._waited
        return self._limits.stall_seconds if self._enough() else min(self._limits.stall_seconds, left)

    def note(self, size: int, waited: float) -> None:
        """Take note of `size` bytes that came after so many seconds; `TooSlow` at the end of a window with too few."""
        self._received += size
        self._waited += waited
        if self._waited < self._limits.window_seconds:
            return
        if not self._enough():
            raise TooSlow
        self._received, self._waited = 0, 0.0

    def _enough(self) -> bool:
        return self._received >= self._limits.min_rate * self._limits.window_seconds
