"""`ports/public_web.py` over HTTP/1.1: who names a URL does not get the server to speak with its own networks.

A check of a name is worth nothing if the name is looked up again afterwards: it may lead elsewhere by then. So the name
of each hop is looked up here, once; every address that it has must be one that the server goes to; the connection is
made to those addresses, below TLS and HTTP, which go on speaking of the name: the certificate is verified for it, and
`Host` says it. httpcore has a place for exactly this, its network backend; proxies and cookies it knows none.

Each wait has its own bound and all together one. The bounds are around single waits and never around the caller's own
work: what is cut off is this conversation.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httpcore

import tintype
from tintype.domain.outgoing import BadUrl, OutgoingUrl, parse_outgoing, redirected
from tintype.domain.public_address import Address, Network, may_reach
from tintype.ports.public_web import Call, Fault, NoAnswer, Patience

MOST_LOOKUPS: Final = 64
"""Names that are looked up at once. Each takes a thread, which somebody's slow name server holds for half a minute,
long after nobody waits for it any more: so many that sixteen imports at a time find one all the same."""

MOST_ADDRESSES: Final = 4
"""That are tried of a name that has more: two of each family."""

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of an answer's headers, four times what servers send; httpcore itself stops reading at 100 KiB."""

CLOSE_SECONDS: Final = 1.0
"""To say goodbye to a server that may not answer that either."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the server goes beside the public internet, and to which ports."""

    allowed: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})


class HttpPublicWeb:
    """Calls servers that somebody else names."""

    def __init__(self, reach: Reach, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`resolve` gives the addresses of a name (of the system, when it is None); `tls` says who is trusted."""
        self._reach = reach
        self._resolve = resolve or SystemResolver()
        self._tls = tls

    @asynccontextmanager
    async def call(self, call: Call) -> AsyncIterator["HttpAnswer"]:
        """Give the answer (`ports/public_web.py`)."""
        end = _now() + call.patience.whole
        url = parse_outgoing(call.url, self._reach.ports)
        for hop in range(call.redirects + 1):
            async with self._opened(call, url, end) as answer:
                if hop == call.redirects or answer.status not in _REDIRECTS or "location" not in answer.headers:
                    if call.redirects and answer.status in _REDIRECTS:
                        raise NoAnswer(Fault.REDIRECTS)
                    yield answer
                    return
                url = self._onward(url, answer.headers["location"])

    def _onward(self, url: OutgoingUrl, location: str) -> OutgoingUrl:
        try:
            return redirected(url, location, self._reach.ports)
        except BadUrl:
            raise NoAnswer(Fault.REDIRECTS) from None

    @asynccontextmanager
    async def _opened(self, call: Call, url: OutgoingUrl, end: float) -> AsyncIterator["HttpAnswer"]:
        """Give the answer of one hop; its connection ends with the block."""
        patience = call.patience
        addresses = await self._addresses(url, min(end, _now() + patience.connect))
        async with AsyncExitStack() as stack:
            pool = httpcore.AsyncConnectionPool(
                ssl_context=await self._trusted() if url.scheme == "https" else None,
                max_connections=1,
                max_keepalive_connections=0,
                network_backend=_CheckedAddresses(addresses),
            )
            stack.push_async_callback(_close, pool.aclose)
            with _faults():
                async with asyncio.timeout_at(end):
                    response = await pool.handle_async_request(_request(call, url))
            stack.push_async_callback(_close, response.aclose)
            yield HttpAnswer(response, patience, end)

    async def _addresses(self, url: OutgoingUrl, end: float) -> Sequence[Address]:
        """Return where to connect to; `NoAnswer` unreachable when the name has an address that is not gone to."""
        if url.literal is not None:
            found: Sequence[Address] = (url.literal,)
        else:
            try:
                async with asyncio.timeout_at(end):
                    found = [ip_address(text) for text in await self._resolve(url.host, url.port)]
            except (OSError, TimeoutError, ValueError) as error:
                raise NoAnswer(Fault.UNREACHABLE) from error
        if not found or not all(may_reach(address, self._reach.allowed) for address in found):
            raise NoAnswer(Fault.UNREACHABLE)
        return found[:MOST_ADDRESSES]

    async def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:  # reading the authorities takes a tenth of a second
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


class HttpAnswer:
    """An answer whose body is still to be read."""

    def __init__(self, response: httpcore.Response, patience: Patience, end: float) -> None:
        head = response.headers
        if sum(len(name) + len(value) for name, value in head) > MAX_HEAD_BYTES:
            raise NoAnswer(Fault.BROKEN)
        self.status: int = response.status
        self.headers: Mapping[str, str] = {
            name.decode("ascii", "replace").lower(): value.decode("utf-8", "replace") for name, value in head
        }
        self._stream = response.aiter_stream()
        self._patience = patience
        self._end = end

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it is sent."""
        stream = aiter(self._stream)
        while True:
            with _faults():
                async with asyncio.timeout_at(min(self._end, _now() + self._patience.byte)):
                    chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk


class _CheckedAddresses(httpcore.AsyncNetworkBackend):
    """Connects to these addresses, whatever name the layers above speak of."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._below = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return the first connection that one of the addresses takes."""
        del host
        share = timeout / len(self._addresses) if timeout is not None else None
        for address in self._addresses[:-1]:
            try:
                return await self._below.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._below.connect_tcp(str(self._addresses[-1]), port, share, local_address, socket_options)


class SystemResolver:
    """Looks names up as the system does, in threads of its own, which no process waits for when it ends."""

    def __init__(self) -> None:
        self._under_way = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return every address of the host, in the order of preference; OSError when it has none."""
        if self._under_way >= MOST_LOOKUPS:
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def look_up() -> None:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                names, error = tuple(dict.fromkeys(str(place[4][0]) for place in found)), None
            except (OSError, UnicodeError) as failure:
                names, error = (), failure
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._end, answer, names, error)

        self._under_way += 1
        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return await answer

    def _end(self, answer: "asyncio.Future[Sequence[str]]", names: Sequence[str], error: Exception | None) -> None:
        self._under_way -= 1
        if answer.done():  # nobody waited any longer
            return
        if error is None:
            answer.set_result(names)
        else:
            answer.set_exception(error)


def _request(call: Call, url: OutgoingUrl) -> httpcore.Request:
    said = {
        "host": url.authority,
        "user-agent": f"Tintype/{tintype.__version__}",
        "accept-encoding": "identity",
        "connection": "close",
        **call.headers,
    }
    if call.body is not None:
        said["content-length"] = str(len(call.body))
    patience = call.patience
    limits = {"connect": patience.connect, "pool": patience.connect, "read": patience.byte, "write": patience.byte}
    return httpcore.Request(
        call.method,
        httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.path),
        headers=[(name.encode("ascii"), value.encode("utf-8")) for name, value in said.items()],
        content=call.body,
        extensions={"timeout": limits},
    )


@contextmanager
def _faults() -> Iterator[None]:
    """Say in the port's words what went wrong."""
    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise NoAnswer(Fault.UNREACHABLE) from error
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise NoAnswer(Fault.TIMEOUT) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        raise NoAnswer(Fault.BROKEN) from error


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    """End what is open, whatever state it is in: nothing is expected of it any more."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await close()
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError, OSError):
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
