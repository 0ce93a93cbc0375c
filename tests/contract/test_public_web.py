"""What calls servers that somebody else names, against servers that mean harm."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from certificates import trusting, write_certificate
from receiver import Answering, Receiver, running_receiver
from tintype.adapters.public_web import MOST_LOOKUPS, HttpPublicWeb, Reach
from tintype.domain.outgoing import BadUrl
from tintype.ports.public_web import Call, Fault, NoAnswer, Patience

pytestmark = pytest.mark.anyio

HERE = ip_network("127.0.0.1/32")
PATIENCE = Patience(connect=5, byte=5, whole=10)
NOBODY = ip_network("192.0.2.0/24")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


class Names:
    """A name server: each look-up of a name gets the next of its answers, and the last for ever."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._names = {name: list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name."""
        del port
        self.asked.append(host)
        answers = self._names.get(host)
        if not answers:
            raise socket.gaierror
        return answers.pop(0) if len(answers) > 1 else answers[0]


def web_of(receiver: Receiver, names: Names | None = None, *, allowed: bool = True) -> HttpPublicWeb:
    reach = Reach((HERE,) if allowed else (), frozenset({80, 443, receiver.port}))
    return HttpPublicWeb(reach, resolve=names)


async def fetch(
    web: HttpPublicWeb, url: str, *, redirects: int = 0, patience: Patience = PATIENCE
) -> tuple[int, bytes]:
    """Return status and body."""
    async with web.call(Call("GET", url, patience, redirects=redirects)) as answer:
        return answer.status, b"".join([chunk async for chunk in answer.chunks()])


async def fault_of(web: HttpPublicWeb, url: str, **more: object) -> Fault:
    with pytest.raises(NoAnswer) as caught:
        await fetch(web, url, **more)  # type: ignore[arg-type]
    return caught.value.fault


async def test_a_name_is_looked_up_once_and_the_connection_goes_where_that_led(receiver: Receiver) -> None:
    names = Names({"pictures.test": [["127.0.0.1"], ["10.0.0.1"]]})
    receiver.answer("/a?b=c", Answering(pieces=(b"one", b"two")))
    web = web_of(receiver, names)
    assert await fetch(web, receiver.url("/a?b=c", "pictures.test")) == (200, b"onetwo")
    assert names.asked == ["pictures.test"]
    (asked,) = receiver.of("/a?b=c")
    assert asked.headers["host"] == f"pictures.test:{receiver.port}"
    assert asked.headers["accept-encoding"] == "identity"


async def test_an_address_that_is_not_public_is_never_connected_to(receiver: Receiver) -> None:
    names = Names(
        {
            "inside.test": [["127.0.0.1"]],
            "both.test": [["93.184.215.14", "127.0.0.1"]],
            "mapped.test": [["::ffff:127.0.0.1"]],
            "metadata.test": [["169.254.169.254"]],
        }
    )
    web = web_of(receiver, names, allowed=False)
    before = len(receiver.asked)
    for host in ("inside.test", "both.test", "mapped.test", "metadata.test", "127.0.0.1", "[::ffff:7f00:1]"):
        assert await fault_of(web, receiver.url("/a", host)) is Fault.UNREACHABLE, host
    assert len(receiver.asked) == before


async def test_refused_unknown_and_closed_are_one_fault(receiver: Receiver) -> None:
    names = Names({"inside.test": [["10.0.0.1"]], "closed.test": [["127.0.0.1"]]})
    web = web_of(receiver, names)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web._reach = Reach((HERE,), frozenset({80, probe.getsockname()[1]}))
        closed = f"http://closed.test:{probe.getsockname()[1]}/"
        faults = [await fault_of(web, url) for url in ("http://inside.test/", "http://nowhere.test/", closed)]
    assert faults == [Fault.UNREACHABLE] * 3


async def test_each_redirect_is_judged_anew(receiver: Receiver) -> None:
    names = Names({"first.test": [["127.0.0.1"]], "second.test": [["127.0.0.1"]], "inside.test": [["10.0.0.1"]]})
    web = web_of(receiver, names)
    receiver.answer("/end", Answering(pieces=(b"there",)))
    receiver.answer("/on", Answering(302, {"location": receiver.url("/end", "second.test")}))
    assert await fetch(web, receiver.url("/on", "first.test"), redirects=5) == (200, b"there")
    assert names.asked == ["first.test", "second.test"]
    for location, fault in {
        "http://169.254.169.254/latest/meta-data/": Fault.UNREACHABLE,
        "http://inside.test/": Fault.UNREACHABLE,
        "http://[::ffff:a9fe:a9fe]/": Fault.UNREACHABLE,
        "http://2852039166/": Fault.REDIRECTS,
        "file:///etc/passwd": Fault.REDIRECTS,
        "http://first.test:25/": Fault.REDIRECTS,
    }.items():
        receiver.answer("/astray", Answering(302, {"location": location}))
        assert await fault_of(web, receiver.url("/astray", "first.test"), redirects=5) is fault, location


async def test_redirects_come_to_an_end(receiver: Receiver) -> None:
    web = web_of(receiver)
    loop = receiver.answer("/loop", Answering(301, {"location": "/loop"}))
    assert await fault_of(web, loop, redirects=3) is Fault.REDIRECTS
    assert len(receiver.of("/loop")) == 4
    assert (await fetch(web, loop))[0] == 301  # not followed, it is an answer


async def test_the_certificate_is_verified_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)  # of localhost and 127.0.0.1
    names = Names({"localhost": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]})
    with running_receiver(certificate) as receiver:
        receiver.answer("/", Answering(pieces=(b"safe",)))
        reach = Reach((HERE,), frozenset({receiver.port}))
        web = HttpPublicWeb(reach, resolve=names, tls=trusting(certificate[0]))
        assert await fetch(web, receiver.url("/", "localhost")) == (200, b"safe")
        assert await fault_of(web, receiver.url("/", "other.test")) is Fault.UNREACHABLE


async def test_a_server_that_stalls_is_left(receiver: Receiver) -> None:
    web = web_of(receiver)
    impatient = Patience(connect=5, byte=0.2, whole=10)
    stalls = receiver.answer("/stalls", Answering(pieces=(b"a",), length=9, hang=True))
    assert await fault_of(web, stalls, patience=impatient) is Fault.TIMEOUT
    async with silent_server() as port:
        web = HttpPublicWeb(Reach((HERE,), frozenset({port})))
        assert await fault_of(web, f"http://127.0.0.1:{port}/", patience=impatient) is Fault.TIMEOUT


async def test_a_server_that_trickles_is_left_at_the_end_of_the_whole_time(receiver: Receiver) -> None:
    del receiver
    began = time.monotonic()
    async with silent_server(trickle=True) as port:
        web = HttpPublicWeb(Reach((HERE,), frozenset({port})))
        impatient = Patience(connect=5, byte=5, whole=0.4)
        assert await fault_of(web, f"http://127.0.0.1:{port}/", patience=impatient) is Fault.TIMEOUT
    assert time.monotonic() - began < 5


async def test_a_head_without_end_and_what_is_no_http_are_broken(receiver: Receiver) -> None:
    web = web_of(receiver)
    big = receiver.answer("/big", Answering(headers={"x-long": "a" * 40_000}))
    assert await fault_of(web, big) is Fault.BROKEN
    short = receiver.answer("/short", Answering(pieces=(b"a",), length=9))
    assert await fault_of(web, short) is Fault.BROKEN
    async with silent_server(says=b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        web = HttpPublicWeb(Reach((HERE,), frozenset({port})))
        assert await fault_of(web, f"http://127.0.0.1:{port}/") is Fault.BROKEN


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    url = receiver.answer("/direct", Answering(pieces=(b"direct",)))
    assert await fetch(web_of(receiver), url) == (200, b"direct")


async def test_what_is_no_url_is_said_before_anything_is_looked_up(receiver: Receiver) -> None:
    names = Names({})
    with pytest.raises(BadUrl):
        await fetch(web_of(receiver, names), "http://user@a.test/")
    assert names.asked == []


async def test_a_name_server_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def never(*_arguments: object, **_options: object) -> list[object]:
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    web = HttpPublicWeb(Reach())
    impatient = Patience(connect=0.05, byte=1, whole=1)
    faults = [await fault_of(web, "http://slow.test/", patience=impatient) for _ in range(2)]
    crowd = await asyncio.gather(
        *(fault_of(web, "http://slow.test/", patience=impatient) for _ in range(MOST_LOOKUPS + 1))
    )
    assert set(faults + crowd) == {Fault.UNREACHABLE}
    assert [thread.name for thread in threading.enumerate()].count("resolver") == MOST_LOOKUPS
    answered.set()


@asynccontextmanager
async def silent_server(*, says: bytes = b"", trickle: bool = False) -> AsyncIterator[int]:
    """Give the port of a server that says this and no more, or a byte of a head now and then."""
    under_way: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            writer.write(says)
            while trickle and not writer.is_closing():
                writer.write(b"H")
                await asyncio.sleep(0.05)
            if not says:
                await reader.read()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*filter(None, under_way))
