"""How fast uploads are acknowledged, beside what the disk alone would take.

Eight clients send 2 MB photographs, each another one, for 30 seconds, while the workers render what has arrived. The
peer is the same eight clients on the same disk with a bare loop of hash, write, fsync, rename and directory fsync.

To be fair the bare loop must have just as busy workers beside it. Uploads arrive faster than anybody renders, so a
short burst before the first phase leaves a backlog, and both render processes work without a pause to the end; the
table says how much of a core they had in either phase, and fails when the backlog ran out. The bare loop runs half
before and half after the uploads, so that a disk or a neighbour that gets slower meanwhile is not held against one.
"""

import re
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from figures import Figure, compared, limited, percentile, told
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, processor_seconds, serving
from upload_clients import BareStore, HttpClient, Sent, run_clients

CLIENTS: Final = 8
FILE_BYTES: Final = 2_000_000
FILE_PIXELS: Final = (4000, 3000)
UPLOAD_SECONDS: Final = 30.0
BURST_SECONDS: Final = 5.0
BARE_SECONDS: Final = 8.0
"""Of each of the two halves."""

MOST_OF_BARE: Final = 3.0
MOST_P99_MILLISECONDS: Final = 200.0


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    scale = 0.05 if quick else 1.0
    data = jpeg_of(photograph(800, 600), 100_000) if quick else jpeg_of(photograph(*FILE_PIXELS), FILE_BYTES)
    files = [distinct_jpegs(data, seed) for seed in range(CLIENTS)]
    with passable_directory() as directory, serving(directory / "data") as server:
        bench = _Bench(server, files, directory / "bare")
        bench.upload(BURST_SECONDS * scale)
        bare, bare_cores = bench.bare(BARE_SECONDS * scale)
        sent, cores = bench.upload(UPLOAD_SECONDS * scale)
        more, more_cores = bench.bare(BARE_SECONDS * scale)
        bare += more
        return _figures(sent, bare, cores, (bare_cores + more_cores) / 2, queue_depth(server))


class _Bench:
    """The clients, the files they have, and the renderers beside them."""

    def __init__(self, server: Served, files: list[Iterator[bytes]], bare_directory: Path) -> None:
        self._server = server
        self._files = files
        self._bare_directory = bare_directory

    def upload(self, seconds: float) -> tuple[Sent, float]:
        """Return what the clients saw, and how many cores the renderers had meanwhile."""
        with ExitStack() as stack:
            clients = [HttpClient(self._server) for _ in self._files]
            for client in clients:
                stack.callback(client.close)
            return self._beside_renderers(clients, seconds)

    def bare(self, seconds: float) -> tuple[Sent, float]:
        """Return the same of the bare loop."""
        store = BareStore(self._bare_directory)
        try:
            return self._beside_renderers([store] * len(self._files), seconds)
        finally:
            store.close()

    def _beside_renderers(self, clients: list[HttpClient] | list[BareStore], seconds: float) -> tuple[Sent, float]:
        renderers = self._server.processes("render_process")
        before = processor_seconds(renderers)
        sent = run_clients(list(clients), self._files, seconds)
        return sent, (processor_seconds(renderers) - before) / seconds


def queue_depth(server: Served) -> int:
    """Return how many jobs wait."""
    with urllib.request.urlopen(f"{server.base_url}/metrics", timeout=10) as answer:  # noqa: S310 -- http, ours
        found = re.search(r"^tintype_queue_depth(?:{.*})? ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0


def _figures(sent: Sent, bare: Sent, cores: float, bare_cores: float, backlog: int) -> list[Figure]:
    p50, bare_p50 = (percentile(phase.seconds, 0.5) * 1000 for phase in (sent, bare))
    p99, bare_p99 = (percentile(phase.seconds, 0.99) * 1000 for phase in (sent, bare))
    name = f"upload, 2 MB JPEG, {CLIENTS} clients"
    return [
        told(f"{name}: acknowledgements", f"{sent.per_second:.1f} /s", f"{bare.per_second:.1f} /s bare loop"),
        compared(f"{name}: p50", p50, bare_p50, "ms", peer_name="bare loop", most=MOST_OF_BARE),
        limited(f"{name}: p99", p99, MOST_P99_MILLISECONDS, "ms", note=f" (bare loop {bare_p99:.0f})"),
        limited(f"{name}: not acknowledged", len(sent.refused), 0.5, "uploads", note="".join(sent.refused[:1])),
        told("rendering beside it", f"{cores:.2f} cores", f"{bare_cores:.2f} cores beside the bare loop"),
        Figure("jobs that still wait at the end", str(backlog), required="> 0", passed=backlog > 0),
    ]
