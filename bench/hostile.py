"""What neighbours notice, and what memory it takes, while somebody sends every file that is made to hurt.

Neighbours upload photographs, look at their metadata and at thumbnails, each with a pause between, so that the machine
is used and not full. Beside them one client sends a file at a steady pace: ordinary photographs first, as anybody's,
then the hostile set (`tests/hostile_files.py`). The two are compared: what is hostile may cost neighbours little more
than what is not. How they fare when nobody else is there is told, too.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from figures import Figure, compared, limited, percentile, told
from hostile_files import HOSTILE
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, resident_bytes, serving, status_bytes

NEIGHBOURS: Final = 4
PAUSE_SECONDS: Final = 0.15
"""Between a neighbour's requests."""

PACE_SECONDS: Final = 0.25
"""From one file of the other client's to the next."""

PHASE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.02
ATTEMPTS: Final = 3

MOST_RATIO: Final = 1.5
MOST_HEADER_MILLISECONDS: Final = 250.0
MOST_API: Final = 220.0
MOST_WORKER: Final = 220.0
MOST_DECODER: Final = 600.0
MB: Final = 1e6
IMAGES: Final = "/api/v1/images"


@dataclass
class Seen:
    """What neighbours saw in one phase."""

    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return percentile(self.seconds, 0.99) * 1000


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    seconds = 1.0 if quick else PHASE_SECONDS
    ordinary = distinct_jpegs(jpeg_of(photograph(1600, 1200), 400_000), 1)
    names = list(HOSTILE)[:: 9 if quick else 1]
    files = {name: HOSTILE[name].build() for name in names}
    with passable_directory() as directory, serving(directory / "data") as server:
        bench = _Bench(server, jpeg_of(photograph(1200, 900), 200_000))
        before = bench.servers()
        alone = bench.phase(seconds, None)
        beside_ordinary = bench.phase(seconds, lambda: (next(ordinary), 201))
        turns = cycle(names)
        with bench.peaks() as peaks:
            beside_hostile = bench.phase(seconds, lambda: bench.expected(files, next(turns)))
            rest = [bench.send(*bench.expected(files, name)) for name in names]
        slowest, slowest_name = bench.slowest_refusal(files)
        unwell = [text for text in (*bench.wrong, *rest) if text]
        same = bench.servers() == before
    note = f" ({slowest_name})"
    return [
        told("neighbours alone: p50, p99", _both(alone)),
        told("neighbours beside ordinary uploads: p50, p99", _both(beside_ordinary)),
        compared(
            "neighbours beside the hostile set: p99",
            *(beside_hostile.p99, beside_ordinary.p99),
            "ms",
            peer_name="beside ordinary uploads",
            most=MOST_RATIO,
        ),
        limited(
            "neighbours: not answered as expected",
            len(alone.refused + beside_ordinary.refused + beside_hostile.refused),
            0.5,
            "requests",
        ),
        limited("hostile files: not answered as expected", len(unwell), 0.5, "files", note="; ".join(unwell[:3])),
        limited("hostile files: slowest refusal by header", slowest, MOST_HEADER_MILLISECONDS, "ms", note),
        limited("hostile files: API process, most memory", peaks["run-api"] / MB, MOST_API, "MB"),
        limited("hostile files: worker, most memory", peaks["run-worker"] / MB, MOST_WORKER, "MB"),
        limited("hostile files: decoder, most memory", peaks["render_process"] / MB, MOST_DECODER, "MB"),
        Figure("hostile files: servers and workers that ended", "none" if same else "some", passed=same),
    ]


def _both(seen: Seen) -> str:
    return f"{percentile(seen.seconds, 0.5) * 1000:.0f}, {seen.p99:.0f} ms"


class _Bench:
    """The neighbours and the one beside them."""

    def __init__(self, server: Served, photo: bytes) -> None:
        self._server = server
        self._photos = [distinct_jpegs(photo, 100 + number) for number in range(NEIGHBOURS)]
        self._client = httpx.Client(base_url=server.base_url, timeout=60)
        self.wrong: list[str] = []

    def servers(self) -> set[int]:
        """Return the processes that serve and work."""
        return {pid for word in ("run-api", "run-worker") for pid in self._server.processes(word)}

    def phase(self, seconds: float, next_file: Callable[[], tuple[bytes, int]] | None) -> Seen:
        """Return what neighbours saw while files were sent at a steady pace, if any were."""
        seen, over = Seen(), threading.Event()
        threads = [threading.Thread(target=self._live, args=(photos, seen, over)) for photos in self._photos]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.monotonic()
            if next_file is not None and (wrong := self.send(*next_file())):
                self.wrong.append(wrong)
            time.sleep(max(0.0, PACE_SECONDS - (time.monotonic() - started)))
        over.set()
        for thread in threads:
            thread.join()
        return seen

    @staticmethod
    def expected(files: dict[str, bytes], name: str) -> tuple[bytes, int]:
        """Return a hostile file and the status that it is to be answered."""
        return files[name], HOSTILE[name].status

    def send(self, data: bytes, status: int) -> str:
        """Send a file; return what went wrong, or nothing."""
        answer = self._client.post(IMAGES, files={"file": ("photo.jpg", data)})
        return "" if answer.status_code == status else f"{answer.status_code} {answer.text[:100]}"

    def slowest_refusal(self, files: dict[str, bytes]) -> tuple[float, str]:
        """Return how long the slowest refusal by header took (milliseconds, the best of three), and of which file."""
        worst = (0.0, "")
        for name, data in files.items():
            if HOSTILE[name].by_header:
                worst = max(worst, (min(self._milliseconds(data) for _ in range(ATTEMPTS)), name))
        return worst

    def _milliseconds(self, data: bytes) -> float:
        started = time.perf_counter()
        self._client.post(IMAGES, content=data)
        return (time.perf_counter() - started) * 1000

    def _live(self, photos: Iterator[bytes], seen: Seen, over: threading.Event) -> None:
        """Upload, look at the metadata and at a thumbnail, again and again."""
        with httpx.Client(base_url=self._server.base_url, timeout=60) as client:
            while not over.is_set():
                shown = self._timed(
                    seen, lambda: client.post(IMAGES, files={"file": ("photo.jpg", next(photos))}), over
                )
                if shown.status_code != httpx.codes.CREATED:
                    continue
                image = shown.json()
                for url in (f"{IMAGES}/{image['id']}", image["url"]):
                    self._timed(seen, partial(client.get, url), over)

    @staticmethod
    def _timed(seen: Seen, ask: Callable[[], httpx.Response], over: threading.Event) -> httpx.Response:
        started = time.perf_counter()
        answer = ask()
        seen.seconds.append(time.perf_counter() - started)
        if answer.is_error:
            seen.refused.append(f"{answer.status_code}")
        over.wait(PAUSE_SECONDS)
        return answer

    @contextmanager
    def peaks(self) -> Iterator[dict[str, int]]:
        """Give the most bytes that a process of each sort had; complete when the block ends."""
        most, over = dict.fromkeys(("run-api", "run-worker", "render_process"), 0), threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_SECONDS):
                for word in most:
                    for pid in self._server.processes(word):
                        look = status_bytes(pid, "VmHWM") if word == "render_process" else resident_bytes(pid)
                        most[word] = max(most[word], look)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield most
        finally:
            over.set()
            thread.join()
