"""Other people's HTTP servers, at addresses that other people name: fetched and called without being led inside."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Fault(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "unreachable"
    """There is no such host, it is none that the server goes to, it did not take the connection, or TLS failed: these
    are one fault, because to tell them apart would tell what there is in the networks behind the server."""
    TIMEOUT = "timeout"
    BROKEN = "broken"
    """The answer ended early, is no HTTP, or has too long a head."""
    REDIRECTS = "redirects"
    """Too many, or to what is no URL that is gone to."""


class NoAnswer(Exception):
    """The server was not reached, or did not answer as HTTP has it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: for the connection with its name and TLS, for the next byte, for everything."""

    connect: float
    byte: float
    whole: float


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `url` is what somebody gave; `redirects` is how many are followed (0: a redirect is an answer)."""

    method: str
    url: str = field(repr=False)
    patience: Patience
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    redirects: int = 0


class Answer(Protocol):
    """An answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, with names in small letters; of those with one name the last."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the body, once, as it is sent: nothing is unpacked. `NoAnswer` when it does not come to its end."""
        ...


class PublicWeb(Protocol):
    """Calls servers of the public internet, and those that the operator allowed."""

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """Give the answer, as long as the block lasts; `NoAnswer`, also from within, and `BadUrl` (domain/outgoing.py).

        Every name is looked up once, every address that it has is checked, and the connection goes to one of those; so
        again for each redirect. Proxies of the environment are not used, and no cookies kept.
        """
        ...
