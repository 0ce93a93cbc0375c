"""Many connections that ask for one URL without a pause, and what each was answered when."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from product import Product

CONNECTIONS: Final = 256
ANSWER_SECONDS: Final = 30.0


@dataclass
class Answers:
    """When each request was sent (monotonic seconds) and the status it was answered with; 0 for a broken connection."""

    asked: list[tuple[float, int]] = field(default_factory=list)

    def between(self, begin: float, end: float = float("inf")) -> Counter[int]:
        """Return how many requests that were sent in this time got each status."""
        return Counter(status for sent, status in self.asked if begin <= sent < end)


@contextmanager
def hammering(product: Product, path: str, *, connections: int = CONNECTIONS) -> Iterator[Answers]:
    """Have so many connections ask for `path` during the block."""
    answers, stop = Answers(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask_all(product, path, connections, answers, stop)))
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(2 * ANSWER_SECONDS)


async def _ask_all(product: Product, path: str, connections: int, answers: Answers, stop: threading.Event) -> None:
    await asyncio.gather(*(_ask(product, path, answers, stop) for _ in range(connections)))


async def _ask(product: Product, path: str, answers: Answers, stop: threading.Event) -> None:
    address = urlsplit(product.base_url)
    request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        while not stop.is_set():
            sent = time.monotonic()
            try:
                writer.write(request)
                answers.asked.append((sent, await asyncio.wait_for(_status(reader), ANSWER_SECONDS)))
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                answers.asked.append((sent, 0))
                return
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    (length,) = (int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
