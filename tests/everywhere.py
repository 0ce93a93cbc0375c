"""Asking all API processes at once, as strangers: a change has to be known to each of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from product import Product, eventually

CONNECTIONS: Final = 6
"""The kernel gives each to one of two processes: both have some, but for one time in thirty-two."""

SOON: Final = 5.0
"""Seconds, by which a change of who may see what is known everywhere."""


@dataclass
class Everywhere:
    """Clients without a credential, each with a connection of its own."""

    clients: list[httpx.Client]

    def get(self, url: str, **headers: str) -> list[httpx.Response]:
        """Return what each is answered."""
        return [client.get(url, headers=headers) for client in self.clients]

    def statuses(self, *urls: str, **headers: str) -> set[int]:
        """Return every status that any of them is answered."""
        return {answer.status_code for url in urls for answer in self.get(url, **headers)}

    def become(self, status: int, *urls: str, **headers: str) -> bool:
        """Return whether everybody is answered so, everywhere, before it is too late."""
        return eventually(lambda: self.statuses(*urls, **headers) == {status}, within=SOON)


@contextmanager
def everywhere_of(product: Product) -> Iterator[Everywhere]:
    """Give the clients."""
    with ExitStack() as stack:
        context = httpx.create_ssl_context()  # once: each takes as long as ten requests
        clients = (httpx.Client(base_url=product.base_url, verify=context, timeout=30) for _ in range(CONNECTIONS))
        yield Everywhere([stack.enter_context(client) for client in clients])
