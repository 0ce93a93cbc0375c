"""What an upload costs the API process when its bytes go straight to a remote store: the same whatever they weigh.

Files of 1 MB and of 100 MB are reserved, put to a real S3 server by the address of the reservation, and completed, in
turn. The processor time of the API process is what the scheduler counted (proc(5): schedstat), less what it takes at
rest in the same time, which is as much as an upload of 100 MB takes and is measured anew in each round; the median of
the rounds counts. The files are no pictures, so that the job is done with each after its first bytes.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from figures import Figure, compared, told
from serving import Served, passable_directory, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from s3_server import start_s3

MB: Final = 1_000_000
SMALL_BYTES: Final = MB
LARGE_BYTES: Final = 100 * MB
ROUNDS: Final = 6
UPLOADS: Final = 4
"""Of each size in a round."""

REST_SECONDS: Final = 2.0
MOST: Final = 1.2
PATIENCE_SECONDS: Final = 120.0
BLOCK: Final = bytes(1 << 20)


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    large, rounds, rest = (2 * MB, 1, 0.2) if quick else (LARGE_BYTES, ROUNDS, REST_SECONDS)
    with passable_directory() as directory, start_s3() as s3:
        environment = {
            **s3.environment,
            "TINTYPE_BLOBS_URL": s3.bucket().url(),
            "TINTYPE_KINDS__IMAGE__MAX_BYTES": str(2 * LARGE_BYTES),
        }
        with serving(directory / "data", "--api-processes", "1", environment=environment) as server:
            return _compared(server, large, rounds, rest)


def _compared(server: Served, large: int, rounds: int, rest: float) -> list[Figure]:
    processes = server.processes("run-api")
    headers = {"authorization": f"Bearer {server.key}"}
    at_rest: list[float] = []
    spent: dict[int, list[float]] = {SMALL_BYTES: [], large: []}
    with httpx.Client(base_url=server.base_url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        for size in spent:
            _upload(client, size)  # once, to have everything loaded
        for _ in range(rounds):
            at_rest.append(_at_rest(processes, rest))
            for size, each in spent.items():
                seconds, used = _uploads(client, size, processes)
                each.append((used - at_rest[-1] * seconds) / UPLOADS * 1000)
    name = f"presigned PUT to S3, API processor time per upload of {large // MB} MB"
    return [
        compared(name, median(spent[large]), median(spent[SMALL_BYTES]), "ms", peer_name="of 1 MB", most=MOST),
        told("the same process at rest", f"{median(at_rest) * 1000:.1f} ms/s"),
    ]


def _uploads(client: httpx.Client, size: int, processes: list[int]) -> tuple[float, float]:
    """Upload some files; return how many seconds that took, and for how many of them the processes were on a core."""
    began, before = time.perf_counter(), _nanoseconds(processes)
    for _ in range(UPLOADS):
        _upload(client, size)
    return time.perf_counter() - began, (_nanoseconds(processes) - before) / 1e9


def _upload(client: httpx.Client, size: int) -> None:
    body = {"method": "put", "size": size, "content_type": "image/jpeg"}
    reserved = client.post("/api/v1/uploads", json=body).raise_for_status().json()
    target = reserved["upload"]
    with httpx.Client(timeout=PATIENCE_SECONDS) as straight:  # no key of ours goes to the store
        straight.put(target["url"], content=_blocks(size), headers=target["headers"]).raise_for_status()
    client.post(f"/api/v1/uploads/{reserved['id']}/complete").raise_for_status()


def _blocks(size: int) -> Iterator[bytes]:
    while size > 0:
        yield BLOCK[:size]
        size -= len(BLOCK)


def _at_rest(processes: list[int], seconds: float) -> float:
    """Return how many seconds of a core the processes take in one second in which nobody asks for anything."""
    time.sleep(seconds)
    before = _nanoseconds(processes)
    time.sleep(seconds)
    return (_nanoseconds(processes) - before) / 1e9 / seconds


def _nanoseconds(processes: list[int]) -> int:
    """Return how long all threads of these processes have run on a core."""
    tasks = [task for pid in processes for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task.read_text().split()[0]) for task in tasks)
