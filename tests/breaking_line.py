"""A line between a client and a server that breaks when a test says so: cut, damaged, held up, or answered in between.

What a test plans is for the next connections, one plan each; a connection without a plan is a good one.
"""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

PIECE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one connection, counted in bytes that the client sends on it."""

    cut: int | None = None
    """It ends after so many."""
    flip: int | None = None
    """The byte at this offset arrives as another."""
    answer: bytes | None = None
    """The server never hears of it: this is the answer."""


GOOD: Final = Plan()


@dataclass
class BreakingLine:
    """Listens on `url` and hands on to the server at `target`."""

    target: tuple[str, int]
    plans: deque[Plan] = field(default_factory=deque)
    holds_after: int | None = None
    """Once so many bytes came in all, nothing more is handed on; None lets everything pass."""
    sent: int = 0
    """Bytes that clients sent, over all connections."""
    connections: int = 0

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def expect(self, *plans: Plan) -> None:
        """Plan what becomes of the next connections, and count anew."""
        self.plans, self.sent, self.connections, self.holds_after = deque(plans), 0, 0, None

    def close(self) -> None:
        """Listen no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listening.accept()
                self.connections += 1
                plan = self.plans.popleft() if self.plans else GOOD
                threading.Thread(target=self._serve, args=(client, plan), daemon=True).start()

    def _serve(self, client: socket.socket, plan: Plan) -> None:
        with client, suppress(OSError):
            if plan.answer is not None:
                _answer(client, plan.answer)
                return
            with socket.create_connection(self.target) as server:
                threading.Thread(target=_pump, args=(server, client), daemon=True).start()
                try:
                    self._hand_on(client, server, plan)
                finally:  # to close alone would tell nobody while the other thread reads
                    server.shutdown(socket.SHUT_RDWR)

    def _hand_on(self, client: socket.socket, server: socket.socket, plan: Plan) -> None:
        passed = 0
        while piece := client.recv(PIECE_BYTES):
            if self.holds_after is not None and self.sent >= self.holds_after:
                continue
            if plan.cut is not None and passed + len(piece) > plan.cut:
                server.sendall(piece[: plan.cut - passed])
                break
            if plan.flip is not None and passed <= plan.flip < passed + len(piece):
                at = plan.flip - passed
                piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
            passed += len(piece)
            self.sent += len(piece)
            server.sendall(piece)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)


def _answer(client: socket.socket, answer: bytes) -> None:
    """Answer, and read on until the client has read it: a reset would come instead of it."""
    client.recv(PIECE_BYTES)
    client.sendall(answer)
    client.shutdown(socket.SHUT_WR)
    client.settimeout(5)
    while client.recv(PIECE_BYTES):
        pass


@contextmanager
def breaking_line_to(host: str, port: int) -> Iterator[BreakingLine]:
    """Give a line for the length of the block."""
    line = BreakingLine((host, port))
    try:
        yield line
    finally:
        line.close()
