"""HTTP spelt out byte by byte: what no client library would send, and when exactly the answer comes."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

ANSWER_SECONDS: Final = 15.0
BOUNDARY: Final = "tintype-test-boundary"


@dataclass(frozen=True)
class Answer:
    """An answer; `seconds` is the time from the connection's first byte to the answer's last."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:  # noqa: ANN401 -- JSON has no type yet
        """Return the body's value."""
        return json.loads(self.body)


class RawConnection:
    """One TCP connection to the server."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._started = time.perf_counter()

    def send(self, data: bytes) -> None:
        """Send exactly these bytes."""
        self._socket.sendall(data)

    def answer(self) -> Answer:
        """Return the next answer, within 15 seconds."""
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, time.perf_counter() - self._started)

    def everything(self) -> bytes:
        """Return all that comes until the server closes the connection."""
        received = b""
        while chunk := self._socket.recv(65_536):
            received += chunk
        return received

    def is_closed_within(self, seconds: float) -> bool:
        """Return whether the server closes the connection (in order, or by a reset) before the time is up."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True


@contextmanager
def connect(base_url: str) -> Iterator[RawConnection]:
    """Give a connection; it is closed at the end, whatever is under way."""
    address = urlsplit(base_url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=ANSWER_SECONDS) as connection:
        yield RawConnection(connection)


def upload_head(length: int | None, *, content_type: str = "application/octet-stream", query: str = "") -> bytes:
    """Return the head of a `POST /images` that announces `length` bytes, or a chunked body."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST /api/v1/images{query} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {content_type}", size, "", ""]
    return "\r\n".join(lines).encode()


def form_type(boundary: str = BOUNDARY) -> str:
    """Return the media type of a form."""
    return f"multipart/form-data; boundary={boundary}"


def part(name: str, content: bytes, *, filename: str | None = None, boundary: str = BOUNDARY) -> bytes:
    """Return one part of a form, its boundary before it."""
    suffix = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{suffix}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form_end(boundary: str = BOUNDARY) -> bytes:
    """Return the final boundary."""
    return f"--{boundary}--\r\n".encode()
