"""Somebody else's web server on this machine: it answers as a test says, and remembers what it was asked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Event, Thread
from typing import Any


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Answering:
    """How one path answers. `pieces` are sent one after the other; `hang` keeps the connection open afterwards."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = (b"",)
    length: int | None = None
    """What `Content-Length` says, when that is not true; below 0 there is none, and the end is the connection's."""
    hang: bool = False


Answer = Answering | Callable[[Asked], Answering]


@dataclass
class Receiver:
    """A server that runs, seen from a test."""

    port: int
    scheme: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    released: Event = field(default_factory=Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a path."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def answer(self, path: str, answering: Answer) -> str:
        """Have a path answered so from now on, and return its URL."""
        self.answers[path] = answering
        return self.url(path)

    def of(self, path: str) -> list[Asked]:
        """Return what a path was asked."""
        return [asked for asked in list(self.asked) if asked.path == path]


@contextmanager
def running_receiver(certificate: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """Give a server on a port of its own; with a certificate and its key it speaks https."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if certificate is not None:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.receiver = Receiver(server.server_address[1], "https" if certificate else "http")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.receiver
    finally:
        server.receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that has seen enough goes away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer as the test says."""
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        receiver.asked.append(asked)
        known = receiver.answers.get(self.path, Answering(404))
        self._send(known(asked) if callable(known) else known)
        self.close_connection = True

    def do_POST(self) -> None:
        """Likewise."""
        self.do_GET()

    def _send(self, answering: Answering) -> None:
        self.send_response(answering.status)
        length = sum(map(len, answering.pieces)) if answering.length is None else answering.length
        if length >= 0:
            self.send_header("content-length", str(length))
        for name, value in answering.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in answering.pieces:
            self.wfile.write(piece)
            self.wfile.flush()
        if answering.hang:
            self.server.receiver.released.wait(30)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401 -- the signature is the library's
        """Say nothing."""
