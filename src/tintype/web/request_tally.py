"""Counts each request to the API once, for whoever it was: the account and its tenant, else the host's tenant.

Pictures are not counted here: they are views of their image, and most of them are answered by caches.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from tintype.domain.errors import Problem
from tintype.web.auth import Authenticator

API_PREFIX: Final = "/api/"


class RequestTally:
    """Counts requests."""

    def __init__(self, authenticator: Authenticator, count: Callable[[int, int | None], None]) -> None:
        """`count` is told tenant and account, None for nobody's, and waits for nothing."""
        self._authenticator = authenticator
        self._count = count

    @asynccontextmanager
    async def request(self, scope: Mapping[str, Any]) -> AsyncIterator[None]:
        """Count the request that the block answers."""
        if not scope["path"].startswith(API_PREFIX):
            yield
            return
        with self._authenticator.overhearing() as heard:
            yield
        if heard:
            self._count(heard[0].tenant, heard[0].account)
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        with suppress(Problem):  # the database is away: nobody knows whose it was
            self._count(await self._authenticator.tenant_of_host(host.decode("latin-1")), None)
