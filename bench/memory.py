"""How much memory the processes take, and how long a second start does.

The API process is looked at twice: as it starts, and at rest after it took in and served pictures. A decoder is asked
to make every variant of one file at a time and ends after each, so that the peak the kernel keeps (VmHWM) is that
file's. An upload of 10 MB trickles in while the API process is watched: what it holds may not grow with the file.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from api import Api
from figures import Figure, limited
from largest_files import largest_files
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, resident_bytes, serving, status_bytes
from upload_clients import HttpClient, run_clients

MB: Final = 1e6
MOST_API: Final = 150.0
MOST_RENDER_PHOTOGRAPH: Final = 300.0
MOST_RENDER: Final = 600.0
MOST_GROWTH: Final = 5.0
"""MB while 10 MB arrive: half of the file would show that it is held."""

MOST_START_SECONDS: Final = 3.0
REST_SECONDS: Final = 2.0
WORK_SECONDS: Final = 6.0
LOOK_SECONDS: Final = 0.005
TRICKLE_SECONDS: Final = 2.0
TRICKLE_PARTS: Final = 200
PHOTOGRAPH_PIXELS: Final = (4000, 3000)
PHOTOGRAPH_BYTES: Final = 3_000_000
LARGE_UPLOAD_BYTES: Final = 9_500_000
"""Within the limit of 10 MB whatever the encoder makes of it."""


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` leaves the largest files out."""
    picture = photograph(*PHOTOGRAPH_PIXELS)
    with passable_directory() as directory:
        data = directory / "data"
        return [
            *_api_figures(data, jpeg_of(picture, LARGE_UPLOAD_BYTES)),
            *_renderer_figures(data, [("JPEG, baseline, 12 MP", jpeg_of(picture, PHOTOGRAPH_BYTES))], quick=quick),
        ]


def _api_figures(data: Path, upload: bytes) -> list[Figure]:
    with serving(data) as server:
        process = server.api_process()
        fresh = resident_bytes(process)
        _work(server, upload)
        time.sleep(REST_SECONDS)
        worked = resident_bytes(process)
        growth = growth_while(lambda: _trickle(server, upload), process)
    with serving(data, key=server.key) as server:
        seconds = server.start_seconds
    return [
        limited("API process, started", fresh / MB, MOST_API, "MB"),
        limited("API process, at rest after work", worked / MB, MOST_API, "MB"),
        limited("API process, growth during an upload of 10 MB", growth / MB, MOST_GROWTH, "MB"),
        limited("second start, until ready", seconds, MOST_START_SECONDS, "s"),
    ]


def _work(server: Served, upload: bytes) -> None:
    """Take in large files from four clients at once, and serve each size of the last one."""
    clients = [HttpClient(server) for _ in range(4)]
    run_clients(list(clients), [distinct_jpegs(upload, seed) for seed in range(len(clients))], WORK_SECONDS)
    for client in clients:
        client.close()
    api = Api(server)
    image = api.settled(api.upload(upload))
    for url in (*image["thumbnails"].values(), image["url"]):
        api.get(url)
    api.close()


def growth_while(work: Callable[[], None], process: int) -> int:
    """Return how many bytes of its own the process had more, at the most, while `work` ran."""

    def own() -> int:
        return status_bytes(process, "RssAnon")

    before = own()
    with _watched(own) as seen:
        work()
    return max(seen) - before


@contextmanager
def _watched(look: Callable[[], int]) -> Iterator[list[int]]:
    """Give a list that grows by what `look` returns every few milliseconds."""
    seen, over = [look()], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            seen.append(look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _trickle(server: Served, upload: bytes) -> None:
    """Send the file in small parts, evenly over some seconds."""
    head = (
        f"POST /api/v1/images HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {server.key}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(upload)}\r\nConnection: close\r\n\r\n"
    )
    size = -(-len(upload) // TRICKLE_PARTS)
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(head.encode())
        for start in range(0, len(upload), size):
            connection.sendall(upload[start : start + size])
            time.sleep(TRICKLE_SECONDS / TRICKLE_PARTS)
        answer = connection.recv(64)
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(f"the upload was answered {answer!r}")


def _renderer_figures(data: Path, photographs: list[tuple[str, bytes]], *, quick: bool) -> list[Figure]:
    one_file_each = {"TINTYPE_RENDER__RECYCLE_AFTER": "1"}
    with serving(data.with_name("renders"), "--renderers", "1", environment=one_file_each) as server:
        api = Api(server)
        figures = [_render(server, api, *each, MOST_RENDER_PHOTOGRAPH) for each in photographs]
        figures += [_render(server, api, *each, MOST_RENDER) for each in (() if quick else largest_files())]
        api.close()
    return figures


def _render(server: Served, api: Api, name: str, file: bytes, most: float) -> Figure:
    """Return the peak of the decoders while they made every variant of a file, which must end well."""

    def peak() -> int:
        return max((status_bytes(pid, "VmHWM") for pid in server.processes("render_process")), default=0)

    started = time.monotonic()
    with _watched(peak) as seen:
        image = api.settled(api.upload(file))
    seconds = time.monotonic() - started
    figure = limited(f"decoder, {name}", max(seen) / MB, most, "MB", note=f", {image['state']} in {seconds:.1f} s")
    return figure if image["state"] == "ready" else replace(figure, passed=False)
