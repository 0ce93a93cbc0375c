"""Granian, the HTTP server of the API processes."""

import asyncio
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

from granian import Granian
from granian.constants import Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels

CONNECTIONS: Final = 20_000
"""Granian's backpressure counts idle keep-alive connections too: its default starves clients behind 512 of them."""

BACKLOG: Final = 2048
"""Connections that wait to be accepted."""

STOP_SECONDS: Final = 25
"""How long a process may finish its requests after SIGTERM."""

HEADER_MILLISECONDS: Final = 30_000
"""How long a request's head may take, and, in Granian, an idle connection may last: a proxy that keeps connections to
us must let go of them sooner. Who connects and never sends a byte is not timed: see OPEN_FILES."""

HTTP2_PING_MILLISECONDS: Final = 20_000
"""How often the other end of an HTTP/2 connection is asked whether it is still there."""

OPEN_FILES: Final = 65_536
"""Connections and files of one process, where the system allows it: with the usual 1,024, that many silent connections
would keep everybody else out."""

RESPAWN_SECONDS: Final = 0.5
"""A process that dies at once is not started more often than this."""

TAKE_OVER_SECONDS: Final = 5.0
"""How long after a new process was started on SIGHUP the old one goes: by then it has loaded the application and
listens, so nobody is refused. Granian waits for its `respawn_interval`."""


def serve(
    target: str, *, host: str, port: int, processes: int, certificate: Path | None = None, key: Path | None = None
) -> None:
    """Serve the ASGI application that the factory `target` makes, in so many processes, until SIGTERM.

    With a certificate by TLS 1.2 or 1.3 alone; on SIGHUP new processes take over, which read it and the settings again.
    """
    _allow_open_files()
    server = Granian(
        target,
        factory=True,
        interface=Interfaces.ASGI,
        address=host,
        port=port,
        workers=processes,
        loop=Loops.asyncio,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        http2_settings=HTTP2Settings(keep_alive_interval=HTTP2_PING_MILLISECONDS),
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=STOP_SECONDS,
        log_level=LogLevels.warning,
        websockets=False,
        ssl_cert=certificate,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
    )

    def wait_for_the_new() -> None:
        server.respawn_interval = TAKE_OVER_SECONDS

    server.on_reload(wait_for_the_new)
    server.serve()


def call_on_stop(callback: Callable[[], None]) -> None:
    """Have this process call `callback` on its event loop as soon as it is told to stop.

    Granian ends a process when its last request has ended, and only then tells the application: an answer that goes on
    until somebody stops it would hold up the rest for `STOP_SECONDS`. It hears of signals through asyncio, which reads
    their numbers from a descriptor; the handler itself does nothing there, and may be another.
    """
    loop = asyncio.get_running_loop()

    def told(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
        signal.siginterrupt(number, False)


def _allow_open_files() -> None:
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    with suppress(ValueError, OSError):  # a system may have a limit beside its limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), most))
