"""The origin, asked over HTTP: by HEAD, so that no bytes move.

Each path has a connection of its own: the kernel spreads them over the processes that serve, and each of those has a
memory of its own.
"""

import asyncio
import http.client
import ssl
from collections.abc import Sequence
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from tintype.domain.errors import Code, Problem

ANSWER_SECONDS: Final = 5.0
"""A refusal comes from memory, or after one look at the database, which has 2 s."""


class HttpOrigin:
    """`ports/origin.py` for an origin at a base URL, http or https."""

    def __init__(self, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says how an https origin shows who it is; None is by a certificate that this machine trusts."""
        self._url = urlsplit(base_url)
        self._tls = tls

    async def statuses(self, paths: Sequence[str]) -> tuple[int, ...]:
        """Return what each path answers."""
        return await asyncio.to_thread(self._ask, tuple(paths))

    def _ask(self, paths: tuple[str, ...]) -> tuple[int, ...]:
        try:
            return tuple(map(self._status, paths))
        except (OSError, http.client.HTTPException) as error:
            raise Problem(Code.UNAVAILABLE, "The origin does not answer. It is asked again.") from error

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)

    def _status(self, path: str) -> int:
        with closing(self._connect()) as connection:
            connection.request("HEAD", self._url.path + path)
            return connection.getresponse().status
