"""The effects that a flow asks its driver for, and how it is written.

A flow is a generator: `answer = yield from send(request)`. It knows no socket, no clock and no file, so that the same
flow serves both clients, and a test plays the server by resuming it with whatever a server might say.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

T = TypeVar("T")

CHUNK_BYTES: Final = 262_144
"""Read and sent at once: large enough that Python hardly matters, small enough for a bar that moves."""


class Source(Protocol):
    """The bytes of a file, wherever they are. Reading is the drivers' work; several threads may read at once."""

    @property
    def name(self) -> str | None:
        """What the file is called, without folders; None when nobody said."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    @property
    def identity(self) -> str | None:
        """What tells this file from others after a restart, None when nothing does."""

    @property
    def content_type(self) -> str:
        """The media type, as far as a look at the beginning tells."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from there on, at most so many and at least one; `SourceChanged` when they are gone."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a source as the body of a request; `sent` is told how many of its bytes have left so far."""

    source: Source
    offset: int
    length: int
    sent: Callable[[int], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `url` is absolute; the credential is among the headers."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Slice = b""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Broken(Exception):
    """The connection could not be made, or ended before the answer was there: nobody knows what the server did."""


class Effect:
    """Something that the driver does for a flow."""


Flow = Generator[Effect, Any, T]
"""What a client does, up to a `T`. The drivers send to it what its effects came to, or throw what went wrong."""


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Send the request: a `Response`, or `Broken`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause(Effect):
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Clock(Effect):
    """Return the time: seconds of a clock that only goes forward."""


@dataclass(frozen=True, slots=True)
class Together(Effect):
    """Run flows side by side, at most so many at once: their results, in order. When one fails, all end."""

    flows: Sequence[Flow[Any]]
    at_once: int


@dataclass(frozen=True, slots=True)
class Digest(Effect):
    """Read a slice: its digest."""

    part: Slice
    algorithm: Literal["sha256", "md5"] = "sha256"


@dataclass(frozen=True, slots=True)
class Recall(Effect):
    """Return the text that was kept under the name, None when there is none."""

    name: str


@dataclass(frozen=True, slots=True)
class Keep(Effect):
    """Keep the text under the name, over a restart of this program; None forgets it."""

    name: str
    text: str | None


def send(request: Request) -> Flow[Response]:
    """Return the server's answer, whatever it is; `Broken` without one."""
    response: Response = yield Send(request)
    return response


def pause(seconds: float) -> Flow[None]:
    """Wait."""
    yield Pause(seconds)


def clock() -> Flow[float]:
    """Return the seconds of a clock that only goes forward."""
    seconds: float = yield Clock()
    return seconds


def together(flows: Sequence[Flow[T]], at_once: int) -> Flow[list[T]]:
    """Return the results of all flows in their order; the first failure ends the others."""
    results: list[T] = yield Together(flows, at_once)
    return results


def digest(part: Slice) -> Flow[bytes]:
    """Return the SHA-256 of the slice (32 bytes)."""
    value: bytes = yield Digest(part)
    return value


def md5(part: Slice) -> Flow[bytes]:
    """Return the MD5 of the slice (16 bytes): it finds what was damaged, and every storage checks it."""
    value: bytes = yield Digest(part, "md5")
    return value


def recall(name: str) -> Flow[str | None]:
    """Return what was kept."""
    text: str | None = yield Recall(name)
    return text


def keep(name: str, text: str | None) -> Flow[None]:
    """Keep the text, or forget it."""
    yield Keep(name, text)


def whole(source: Source) -> Slice:
    """Return all of the source."""
    return Slice(source, 0, source.size)
