"""The port for http beside the one for https: it says where to go, and nothing else.

A browser that asks for a page is sent on. Whoever sends something by http, an API key perhaps, is refused: sent on in
silence, they would go on saying it to everybody who listens. Each connection gets one answer and a few seconds.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from tintype.web.security_headers import API_POLICY

HEAD_BYTES: Final = 8192
"""Of a request's head; a page's address and a browser's headers take one or two thousand."""

SECONDS: Final = 10.0
"""For a whole connection."""

CONNECTIONS: Final = 256
"""At once; others are closed. Nobody waits here for anything but their own line."""

_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]\r\n")
_NAME: Final = rb"[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]"
_HOST: Final = re.compile(rb"\r\nhost:[ \t]*(%b)(?::[0-9]{1,5})?[ \t]*\r\n" % _NAME, re.IGNORECASE)

_REFUSED: Final = "This server is reached by https alone. If a key or a password was sent along, change it.\n"


class Redirect:
    """Answers http requests."""

    def __init__(self, site_of: Callable[[str], str]) -> None:
        """`site_of` returns the address that somebody should go to who asked for this host name."""
        self._site_of = site_of
        self._under_way = 0

    async def serve(self, host: str, port: int) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._under_way < CONNECTIONS:
                self._under_way += 1
                try:
                    async with asyncio.timeout(SECONDS):
                        await self._answer(reader, writer)
                finally:
                    self._under_way -= 1
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who sends nothing, or too much, is told nothing
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()

    def answer(self, head: bytes) -> bytes:
        """Return what a request is answered: 308 to https, 403 for what is no mere look, 400 for what is none."""
        line, host = _LINE.match(head), _HOST.search(head)
        if line is None or host is None:
            return _response("400 Bad Request", "", "This is no request.\n")
        if line[1] not in {b"GET", b"HEAD"}:
            return _response("403 Forbidden", "", _REFUSED)
        location = self._site_of(host[1].decode()) + line[2].decode()
        return _response("308 Permanent Redirect", f"Location: {location}\r\n", "")


def _response(status: str, more: str, text: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        f"Content-Security-Policy: {API_POLICY.decode()}\r\nConnection: close\r\n\r\n{text}"
    ).encode()
