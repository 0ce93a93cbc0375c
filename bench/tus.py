"""Large files by tus and by one PUT, beside the least that keeps them; and lines that break.

A file of 100 MB is sent to a kind that takes it, by one PATCH and by one PUT, in turn with a bare copy: a process that
reads from a socket into a file and flushes it once. Each is sent three times, and the median counts. The uploads stay a
byte short of complete, or are not completed, and are given up: no job works beside the next one. The API process is
watched meanwhile: what it has of its own may not grow with the file.

Then 500 photographs come on lines that break: each is cut once, wherever the dice say, asked for, gone on with, and its
SHA-256 compared when it is an image.
"""

import hashlib
import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from figures import Figure, compared, limited
from memory import growth_while
from photograph import distinct_jpegs, jpeg_of, photograph
from serving import Served, passable_directory, serving

MB: Final = 1e6
LARGE_BYTES: Final = 100_000_000
BLOCK_BYTES: Final = 1 << 20
ROUNDS: Final = 3
LEAST_OF_BARE: Final = 0.5
MOST_GROWTH: Final = 20.0

INTERRUPTED: Final = 500
INTERRUPTED_BYTES: Final = 60_000
CLIENTS: Final = 8
PATIENCE_SECONDS: Final = 120.0

TUS: Final = {"tus-resumable": "1.0.0"}
BYTES: Final = {**TUS, "content-type": "application/offset+octet-stream"}
GIF: Final = b"GIF89a"
"""How a file begins that might be accepted: the first bytes are looked at, and nothing else while it comes."""

BARE: Final = """
import os, socket, sys
server = socket.socket(fileno=int(sys.argv[1]))
directory = os.open(sys.argv[2], os.O_RDONLY)
while True:
    connection, _ = server.accept()
    with connection, open(os.path.join(sys.argv[2], "bare"), "wb", buffering=0) as file:
        left = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
        while left:
            block = connection.recv(min(left, 1 << 18))
            file.write(block)
            left -= len(block)
        os.fsync(file.fileno())
        os.fsync(directory)
        connection.sendall(b"1")
"""


def measure(*, quick: bool = False) -> list[Figure]:
    """Return the figures; `quick` only shows that everything runs."""
    size, many = (2_000_000, 8) if quick else (LARGE_BYTES, INTERRUPTED)
    environment = {"TINTYPE_KINDS__IMAGE__MAX_BYTES": str(2 * LARGE_BYTES)}
    with (
        passable_directory() as directory,
        serving(directory / "data", "--api-processes", "1", environment=environment) as server,
        _bare_copy(directory) as bare,
    ):
        return [*_large(server, bare, size), *_interrupted(server, many)]


# Large files


def _large(server: Served, bare: int, size: int) -> list[Figure]:
    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: _copy(bare, size),
        "tus": lambda: _by_tus(server, size),
        "put": lambda: _by_put(server, size),
    }
    for way in ways.values():
        way()  # once, to have everything in memory that stays there
    process = server.api_process()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    growth = dict.fromkeys(ways, 0)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            grown = growth_while(lambda name=name, way=way: rates[name].append(size / way() / MB), process)  # type: ignore[misc]
            growth[name] = max(growth[name], grown)
    told = {name: statistics.median(seen) for name, seen in rates.items()}
    label = f"{size / MB:.0f} MB"
    return [
        compared(f"{label} by tus", told["tus"], told["bare"], "MB/s", peer_name="bare copy", least=LEAST_OF_BARE),
        compared(f"{label} by PUT", told["put"], told["bare"], "MB/s", peer_name="bare copy", least=LEAST_OF_BARE),
        limited(f"API process, growth during {label} by tus", growth["tus"] / MB, MOST_GROWTH, "MB"),
        limited(f"API process, growth during {label} by PUT", growth["put"] / MB, MOST_GROWTH, "MB"),
    ]


@contextmanager
def _bare_copy(directory: Path) -> Iterator[int]:
    """Give the port of a process that copies what comes into a file, and flushes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        number = listener.fileno()
        process = subprocess.Popen([sys.executable, "-c", BARE, str(number), str(directory)], pass_fds=[number])
        try:
            yield int(listener.getsockname()[1])
        finally:
            process.kill()
            process.wait()


def _blocks(size: int) -> Iterator[bytes]:
    """Give the bytes of a file: the same for everybody."""
    block = GIF + os.urandom(BLOCK_BYTES - len(GIF))
    while size > 0:
        yield block[:size]
        size -= len(block)


def _copy(port: int, size: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        blocks = list(_blocks(size))
        started = time.perf_counter()
        connection.sendall(size.to_bytes(8, "big"))
        for block in blocks:
            connection.sendall(block)
        if connection.recv(1) != b"1":
            raise RuntimeError("the bare copy has ended")
        return time.perf_counter() - started


def _by_tus(server: Served, size: int) -> float:
    with _client(server) as client:
        answer = client.post("/api/v1/tus", headers={**TUS, "upload-length": str(size + 1)}).raise_for_status()
        path = urlsplit(answer.headers["location"]).path
        seconds = _sent(server, "PATCH", path, {**BYTES, "upload-offset": "0"}, size, 204)
        client.delete(path, headers=TUS).raise_for_status()
    return seconds


def _by_put(server: Served, size: int) -> float:
    with _client(server) as client:
        made = client.post("/api/v1/uploads", json={"method": "put", "size": size}).raise_for_status().json()
        address = urlsplit(made["upload"]["url"])
        seconds = _sent(server, "PUT", f"{address.path}?{address.query}", made["upload"]["headers"], size, 200)
        client.delete(f"/api/v1/uploads/{made['id']}").raise_for_status()
    return seconds


def _sent(server: Served, method: str, path: str, headers: dict[str, str], size: int, status: int) -> float:
    """Return how many seconds one request took, from its first byte to the end of its answer."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_SECONDS)
    blocks = list(_blocks(size))
    started = time.perf_counter()
    connection.putrequest(method, path)
    for name, value in {**headers, "content-length": str(size)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for block in blocks:
        connection.send(block)
    answer = connection.getresponse()
    answer.read()
    seconds = time.perf_counter() - started
    connection.close()
    if answer.status != status:
        raise RuntimeError(f"{method} was answered {answer.status}")
    return seconds


def _client(server: Served) -> httpx.Client:
    headers = {"authorization": f"Bearer {server.key}"}
    return httpx.Client(base_url=server.base_url, headers=headers, timeout=PATIENCE_SECONDS)


# Lines that break


def _interrupted(server: Served, many: int) -> list[Figure]:
    data = jpeg_of(photograph(400, 300), INTERRUPTED_BYTES, tolerance=0.2)
    files = list(islice(distinct_jpegs(data, 0), many))
    dice = random.Random(1)
    cuts = [dice.randrange(1, len(file)) for file in files]
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        images = list(pool.map(lambda pair: _resumed(server, *pair), zip(files, cuts, strict=True)))
    seconds = time.perf_counter() - started
    with _client(server) as client:
        differences = sum(
            _source_sha256(client, image) != hashlib.sha256(file).hexdigest()
            for image, file in zip(images, files, strict=True)
        )
    note = f" (of {many}, {many / seconds:.0f} uploads/s)"
    return [limited("interrupted uploads whose SHA-256 differs", differences, 0.5, "uploads", note=note)]


def _resumed(server: Served, file: bytes, cut: int) -> str:
    """Return the image that became of a file whose line broke after `cut` bytes."""
    with _client(server) as client:
        begun = client.post("/api/v1/tus", headers={**TUS, "upload-length": str(len(file))}).raise_for_status()
        path = urlsplit(begun.headers["location"]).path
        with suppress(OSError):
            _break_off(server, path, file, cut)
        while True:  # the broken request may come to its turn after us, and then what it brings counts, too
            at = int(client.head(path, headers=TUS).raise_for_status().headers["upload-offset"])
            answer = client.patch(path, content=file[at:], headers={**BYTES, "upload-offset": str(at)})
            if answer.status_code != httpx.codes.CONFLICT:
                return str(answer.raise_for_status().headers["tintype-image"])


def _break_off(server: Served, path: str, file: bytes, cut: int) -> None:
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {server.host}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(file)}\r\n\r\n"
    )
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(head.encode() + file[:cut])


def _source_sha256(client: httpx.Client, image: str) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        shown = client.get(f"/api/v1/images/{image}").raise_for_status().json()
        if shown["sha256"] is not None or shown["state"] == "rejected":
            return str(shown["source_sha256"])
        time.sleep(0.05)
    raise RuntimeError("an image was not examined in time")
