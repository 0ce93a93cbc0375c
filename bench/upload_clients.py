"""Eight clients that cost next to nothing: they send what was made before, over one connection each, and wait.

They are threads of the benchmark's process, which leaves the interpreter while it sends, waits, hashes or writes. The
bare loop of `BareStore` is run by the same clients, so that both sides pay the same for them.
"""

import hashlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from serving import Served

ANSWER_SECONDS: Final = 60.0
"""A client that waits longer has found a fault, not a figure."""

RECEIVE_BYTES: Final = 65_536
_BOUNDARY: Final = b"bench-3f1c9a"
_BEFORE: Final = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n' % _BOUNDARY
_AFTER: Final = b"\r\n--%b--\r\n" % _BOUNDARY


@dataclass
class Sent:
    """What the clients of one phase saw: seconds per acknowledgement, and answers that were none."""

    phase_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Acknowledgements per second of all clients together."""
        return len(self.seconds) / self.phase_seconds

    def __iadd__(self, other: Self) -> Self:
        self.phase_seconds += other.phase_seconds
        self.seconds += other.seconds
        self.refused += other.refused
        return self


Action = Callable[[bytes], str | None]
"""Takes one file in and returns None, or what went wrong."""


def run_clients(actions: list[Action], files: list[Iterator[bytes]], seconds: float) -> Sent:
    """Have each client do its action with its next file, again and again, for so many seconds."""
    end, sent = time.monotonic() + seconds, Sent(seconds)

    def work(action: Action, own_files: Iterator[bytes]) -> None:
        while time.monotonic() < end:
            data = next(own_files)
            started = time.perf_counter()
            refusal = action(data)
            elapsed = time.perf_counter() - started
            (sent.refused.append(refusal) if refusal else sent.seconds.append(elapsed))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(actions, files, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


class HttpClient:
    """One keep-alive connection that uploads forms, as `curl -F file=@photo.jpg` and browsers do."""

    def __init__(self, server: Served) -> None:
        self._socket = socket.create_connection((server.host, server.port), ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /api/v1/images HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
            f"Authorization: Bearer {server.key}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\n"
        ).encode()

    def __call__(self, data: bytes) -> str | None:
        """Upload the file."""
        length = len(_BEFORE) + len(data) + len(_AFTER)
        self._socket.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, length, _BEFORE))
        self._socket.sendall(data)
        self._socket.sendall(_AFTER)
        answer = self._answer()
        return None if answer.startswith(b"HTTP/1.1 201") else answer[:300].decode("latin-1")

    def _answer(self) -> bytes:
        """Return the answer, whose body has a length (RFC 9112 §6.2)."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._receive()
        return head + b"\r\n\r\n" + body

    def _receive(self) -> bytes:
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class BareStore:
    """The least that keeps a file: hash, write, fsync, rename, fsync of the directory. No HTTP, no checks, no rows."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._numbers = itertools.count()

    def __call__(self, data: bytes) -> str | None:
        """Keep the file under its SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        draft = self._directory / f"draft-{next(self._numbers)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(self._directory / name)
        os.fsync(self._descriptor)
        return None

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._descriptor)
