"""How long after its upload an image is ready, at five uploads a second.

The uploads come at their times, whatever became of those before (an open loop: a slow answer does not slow the next one
down), and each client then asks for its image until it is ready. The time runs from the answer to the upload; from the
first byte sent, it is told beside it.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from api import Api
from figures import Figure, limited, percentile, told
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import passable_directory, serving

PER_SECOND: Final = 5.0
SECONDS: Final = 30.0
FILE_BYTES: Final = 2_000_000
FILE_PIXELS: Final = (4000, 3000)
MOST_P99_SECONDS: Final = 1.0


@dataclass
class _Seen:
    """What the clients saw: seconds from the answer and from the first byte until ready, and what went wrong."""

    from_answer: list[float] = field(default_factory=list)
    from_start: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    data = jpeg_of(photograph(800, 600), 100_000) if quick else jpeg_of(photograph(*FILE_PIXELS), FILE_BYTES)
    files, seen = distinct_jpegs(data, 1), _Seen()
    with passable_directory() as directory, serving(directory / "data") as server:
        apis = [Api(server) for _ in range(1 if quick else 16)]
        apis[0].settled(apis[0].upload(next(files)))  # what is loaded when first used is loaded
        _send(apis, files, seen, 1.0 if quick else SECONDS)
        for api in apis:
            api.close()
    return _figures(seen)


def _send(apis: list[Api], files: Iterator[bytes], seen: _Seen, seconds: float) -> None:
    threads, begin = [], time.monotonic()
    for number, api in zip(range(int(seconds * PER_SECOND)), itertools.cycle(apis), strict=False):
        thread = threading.Thread(target=_upload, args=(api, next(files), seen))
        time.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()


def _upload(api: Api, data: bytes, seen: _Seen) -> None:
    started = time.monotonic()
    try:
        image = api.upload(data)
        answered = time.monotonic()
        state = api.settled(image)["state"]
    except Exception as error:  # noqa: BLE001 -- whatever it was, it is a failure of this upload
        seen.failures.append(repr(error))
        return
    if state != "ready":
        seen.failures.append(state)
        return
    seen.from_answer.append(time.monotonic() - answered)
    seen.from_start.append(time.monotonic() - started)


def _figures(seen: _Seen) -> list[Figure]:
    name = f"upload until ready, 2 MB JPEG of 12 MP, {PER_SECOND:g} /s"
    p50, p99 = (percentile(seen.from_answer, share) for share in (0.5, 0.99))
    whole50, whole99 = (percentile(seen.from_start, share) for share in (0.5, 0.99))
    return [
        told(f"{name}: p50", f"{p50:.2f} s", f"{whole50:.2f} s with the upload"),
        limited(f"{name}: p99", p99, MOST_P99_SECONDS, "s", note=f" ({whole99:.2f} s with the upload)"),
        limited(f"{name}: not ready", len(seen.failures), 0.5, "uploads", note="".join(seen.failures[:1])),
    ]
