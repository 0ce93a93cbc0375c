"""How far an upload is, counted over parts that may be under way side by side, or again."""

import threading
from collections.abc import Callable

from tintype_client.models import Phase, Progress

OnProgress = Callable[[Progress], object]


class Meter:
    """Counts the bytes of one upload. What it calls may raise: the upload ends with that."""

    def __init__(self, total: int, report: OnProgress | None) -> None:
        self._total = total
        self._report = report
        self._sent: dict[int, int] = {}
        self._lock = threading.Lock()  # parts count from threads of their own, and a callback sees them in order

    def part(self, offset: int) -> Callable[[int], None]:
        """Return what is told how many bytes of the part at `offset` have left; told less, it takes them back."""

        def count(sent: int) -> None:
            with self._lock:
                self._sent[offset] = sent
                self._tell()

        return count

    def arrived(self, offset: int, length: int) -> None:
        """Note that the server has these bytes."""
        self.part(offset)(length)

    def processing(self) -> None:
        """Note that everything was sent, and the server is at work."""
        with self._lock:
            self._sent = {0: self._total}
            self._tell("processing")

    def done(self) -> None:
        """Note the end."""
        with self._lock:
            self._sent = {0: self._total}
            self._tell("done")

    def _tell(self, phase: Phase = "sending") -> None:
        if self._report is not None:
            self._report(Progress(min(sum(self._sent.values()), self._total), self._total, phase))
