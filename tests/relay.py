"""A relay before a TCP server, which can be away, hold back what the server answers, and count what went through."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Listens on `port` of this machine and hands on to `target`."""

    target: tuple[str, int]
    port: int = 0
    sent: int = 0
    """Bytes that clients sent to the server."""
    away: bool = False
    """Whether connections end as soon as they are made, and those that are open at their next byte."""
    pause: float = 0.0
    """Seconds before each piece of an answer is handed on."""
    _listening: socket.socket = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listening.accept()
                if self.away:
                    client.close()
                    continue
                server = socket.create_connection(self.target)
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, ours: bool) -> None:  # noqa: FBT001 -- a thread's
        with suppress(OSError):
            while (piece := source.recv(65_536)) and not self.away:
                if ours:
                    self.sent += len(piece)
                elif self.pause:
                    time.sleep(self.pause)
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def relay_to(host: str, port: int) -> Iterator[Relay]:
    """Give a relay for the length of the block."""
    relay = Relay((host, port))
    try:
        yield relay
    finally:
        relay.away = True
        relay.close()
