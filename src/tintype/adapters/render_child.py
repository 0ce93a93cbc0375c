"""One render process, seen from outside: start it, hand it pictures one after the other, end it.

Whatever interrupts an exchange (a timeout, a cancellation, nonsense in an answer) leaves the channel in the middle of a
message, so such a process is never used again: `usable` says so, and its pool ends it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Final, Self

import msgspec

from tintype.adapters import process_usage, sandbox
from tintype.adapters import render_protocol as protocol
from tintype.adapters import render_verdict as verdict
from tintype.ports.renderer import CannotDecode, Rendered, RendererFailed, RenderRequest, SourceDamaged

_START_SECONDS: Final = 20.0
"""To import, lock and rehearse: 0.2 s on an idle machine."""

_DEATH_SECONDS: Final = 5.0
"""For a process that closed its channel to be gone; a locked one has nothing else to do."""

_LAST_WORDS_BYTES: Final = 2000
"""How much of what a failed process wrote to its standard error is worth a line in the log."""

_ENVIRONMENT: Final = {
    "LANG": "C.UTF-8",
    # A second heap, of the thread that libvips works with, would only reserve memory and fragment.
    "MALLOC_ARENA_MAX": "1",
    "VIPS_CONCURRENCY": "1",
    # Above this size libvips would unpack a picture into a temporary file, which the sandbox denies.
    "VIPS_DISC_THRESHOLD": "100g",
}
"""All that a decoder gets of the environment: the server's secrets are not for it."""


@dataclass(frozen=True, slots=True)
class RenderChildConfig:
    """What one render process may cost; `RenderPoolConfig` has the defaults and their reasons."""

    timeout_seconds: float
    cpu_seconds: int
    memory_bytes: int
    answer_bytes: int
    nice: int
    environment: Mapping[str, str] = field(default_factory=dict)


class RenderChild:
    """A locked process that renders. Made by `start`; one exchange at a time."""

    def __init__(
        self, config: RenderChildConfig, process: asyncio.subprocess.Process, channel: socket.socket, log: IO[bytes]
    ) -> None:
        self._config = config
        self._process = process
        self._channel = channel
        self._log = log
        self._ready: protocol.Ready | None = None
        self._between_messages = False
        self.rendered = 0
        """How many pictures it has rendered or refused."""

    @classmethod
    async def start(cls, config: RenderChildConfig) -> Self:
        """Return a process that is locked, and has rendered a picture since. `RendererFailed` when it cannot start."""
        child = await cls.spawn(config)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.begin()
        except BaseException as error:
            await child.end()
            if isinstance(error, TimeoutError):
                raise RendererFailed(f"a render process did not start within {_START_SECONDS:g} s") from error
            raise
        return child

    @classmethod
    async def spawn(cls, config: RenderChildConfig) -> Self:
        """Return a process that is about to import what it needs, and not locked yet."""
        with contextlib.ExitStack() as opened:
            try:
                ours, theirs = map(opened.enter_context, socket.socketpair())
                log = opened.enter_context(tempfile.TemporaryFile())
                process = await _start(config, theirs.fileno(), log)
            except OSError as error:
                raise RendererFailed(f"cannot start a render process: {error}") from error
            opened.pop_all()  # the channel and the log stay open, until `end`
        theirs.close()
        ours.setblocking(False)
        return cls(config, process, ours, log)

    async def begin(self) -> None:
        """Tell the process its limits, wait until it has locked itself, and see that it has."""
        limits = sandbox.SandboxLimits(memory_bytes=self._config.memory_bytes)
        try:
            await self._send(protocol.frame(protocol.Begin(limits, self._config.nice)))
            answer = await self._receive()
        except (EOFError, ConnectionError, msgspec.MsgspecError) as error:
            raise RendererFailed(f"a render process ended as it started{self._last_words()}") from error
        if not isinstance(answer, protocol.Ready):
            raise RendererFailed(f"a render process did not start: {answer}")
        self._ready = answer
        self._between_messages = True
        self.report()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it lives, as far as is known, and waits for a request."""
        return self._between_messages and self._process.returncode is None

    def report(self) -> sandbox.SandboxReport:
        """Return what holds, with every thread looked at just now. `RendererFailed` when a thread is not locked."""
        if self._ready is None:
            raise RendererFailed("the render process has not started")
        report = self._ready.sandbox
        if not report.seccomp:
            return report
        try:
            threads = sandbox.threads(self.pid)
        except OSError as error:
            raise RendererFailed("the render process is gone") from error
        if not all(threads.values()):
            free = [thread for thread, locked in threads.items() if not locked]
            raise RendererFailed(f"threads {free} of render process {self.pid} are outside the sandbox")
        return replace(report, threads=len(threads))

    async def render(self, request: RenderRequest, descriptor: int) -> Rendered:
        """Return what the process makes of the file behind `descriptor`. The exceptions are those of the port."""
        self._between_messages = False
        process_usage.grant_processor(self.pid, self._config.cpu_seconds)
        before = process_usage.computed_seconds(self.pid)
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                answer = await self._exchange(request, descriptor)
        except TimeoutError as error:
            now = process_usage.computed_seconds(self.pid)
            computed = None if now is None or before is None else now - before
            raise verdict.of_slowness(self._config.timeout_seconds, computed) from error
        except (EOFError, ConnectionError) as error:
            raise await self._post_mortem() from error
        except msgspec.MsgspecError as error:
            raise CannotDecode(f"the decoder was led astray: its answer makes no sense ({error})") from error
        return self._outcome(answer, request)

    def _outcome(self, answer: protocol.Answer, request: RenderRequest) -> Rendered:
        match answer:
            case protocol.Done(rendered) if tuple(made.output for made in rendered.variants) == request.outputs:
                self._is_well()
                return rendered
            case protocol.Refused(damaged, reason):
                self._is_well()
                raise SourceDamaged(reason) if damaged else CannotDecode(reason)
            case protocol.Failed(reason):
                raise RendererFailed(f"the render process failed: {reason}")
        raise CannotDecode("the decoder was led astray: it answers what was not asked")

    def _is_well(self) -> None:
        self._between_messages = True
        self.rendered += 1

    async def _exchange(self, request: RenderRequest, descriptor: int) -> protocol.Answer:
        await self._send(protocol.frame(request), descriptor)
        return await self._receive()

    async def _send(self, data: bytes, *descriptors: int) -> None:
        # The channel is empty between messages, so it takes the first bytes, and the descriptors with them, at once.
        sent = socket.send_fds(self._channel, [data], descriptors) if descriptors else 0
        await asyncio.get_running_loop().sock_sendall(self._channel, data[sent:])

    async def _receive(self) -> protocol.Answer:
        length = int.from_bytes(await self._receive_exactly(protocol.LENGTH_BYTES), "big")
        if length > self._config.answer_bytes:
            raise msgspec.ValidationError(f"{length} bytes are more than the {self._config.answer_bytes} of any answer")
        return protocol.answer(await self._receive_exactly(length))

    async def _receive_exactly(self, length: int) -> bytearray:
        received = bytearray(length)
        rest = memoryview(received)
        while rest:
            count = await asyncio.get_running_loop().sock_recv_into(self._channel, rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return received

    async def _post_mortem(self) -> CannotDecode | RendererFailed:
        try:
            async with asyncio.timeout(_DEATH_SECONDS):
                return verdict.of_death(await self._process.wait(), self._last_words())
        except TimeoutError:
            return RendererFailed("the render process closed its channel and went on")

    def _last_words(self) -> str:
        self._log.seek(0)
        words = self._log.read(_LAST_WORDS_BYTES).decode(errors="replace").strip()
        return f", saying: {words}" if words else ""

    def kill(self) -> None:
        """End the process now. Whoever waits for its answer gets a verdict; `end` is still to be called."""
        self._between_messages = False
        if self._process.returncode is None:
            # Not `Process.kill`: it polls first, and would take the exit status from the one that waits for it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """End the process, and return when it is gone. Nobody may be waiting for its answer."""
        self.kill()
        await self._process.wait()
        self._channel.close()
        self._log.close()


async def _start(config: RenderChildConfig, channel: int, log: IO[bytes]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "tintype.adapters.render_process", str(channel)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=log,
        pass_fds=[channel],
        env={**_ENVIRONMENT, **config.environment},
        cwd="/",
        start_new_session=True,  # ^C in a terminal is for the server, which then ends its children in order
    )
