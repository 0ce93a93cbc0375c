"""Rendering in a few locked, killable processes: the renderer of every server and worker.

A picture waits for a free process in a bounded queue, first come, first served; when the queue is full the caller is
told so at once and not after a minute. A process is started when it is first needed, is kept, and makes way for a new
one after some hundred pictures, when it has grown, when a picture went wrong in it or when a caller lost interest.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from tintype.adapters import process_usage
from tintype.adapters.render_child import RenderChild, RenderChildConfig
from tintype.adapters.sandbox import SandboxReport
from tintype.ports.renderer import Rendered, RendererBusy, RendererFailed, RenderRequest

MiB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RenderPoolConfig:
    """How much rendering there may be at once, and what one picture may cost."""

    processes: int = 1
    """One per core is most; each is one thread at work."""
    queue_limit: int = 64
    """Pictures that wait for a process: a second or two of work for each."""
    timeout_seconds: float = 20.0
    """Wall clock per picture. The largest accepted file takes about 2 s of an idle core; nice may slow it tenfold."""
    cpu_seconds: int | None = None
    """Processor time per picture, after which SIGXCPU; None is three quarters of the timeout: what costs too much is
    to be told from what had to wait."""
    memory_bytes: int = 560 * MiB
    """Of data per process, so that it stays under 600 MB with its libraries (measured by `bench/memory.py`)."""
    answer_bytes: int = 128 * MiB
    """All variants of a picture together; a PNG of 4096 × 4096 pixels has up to 50 MB."""
    recycle_after_renders: int = 500
    """A new process costs 0.2 s: at 500 that is below one per cent, and whatever leaks or was planted is gone."""
    recycle_above_bytes: int = 200 * MiB
    """Resident memory between pictures; 60–80 MB is usual, the rest is what malloc keeps of a large one."""
    nice: int = 0
    """Added to the server's own: 10 for a worker, because uploads outrank processing; less where somebody waits."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the processes get beyond the few variables they need."""

    @property
    def child(self) -> RenderChildConfig:
        """What concerns one process."""
        return RenderChildConfig(
            timeout_seconds=self.timeout_seconds,
            cpu_seconds=self.cpu_seconds or math.ceil(self.timeout_seconds * 0.75),
            memory_bytes=self.memory_bytes,
            answer_bytes=self.answer_bytes,
            nice=self.nice,
            environment=self.environment,
        )


class RenderPool:
    """The renderer (`tintype.ports.renderer`). Belongs to one event loop; start it from the main thread.

    A child dies with the *thread* that started it (PR_SET_PDEATHSIG), so an event loop in a passing thread would take
    its renderer with it.
    """

    def __init__(self, config: RenderPoolConfig) -> None:
        self._config = config
        self._slots = asyncio.Semaphore(config.processes)
        self._idle: list[RenderChild] = []
        self._children: set[RenderChild] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._closing = False

    async def start(self) -> None:
        """Start every process now, rather than when it is needed. `RendererFailed` when one cannot start."""
        missing = self._config.processes - len(self._children)
        started = await asyncio.gather(*(self._new_child() for _ in range(missing)), return_exceptions=True)
        self._idle += [child for child in started if isinstance(child, RenderChild)]
        if self._closing:
            self._retire_idle()
        for failure in started:
            if isinstance(failure, BaseException):
                raise failure

    async def render(self, request: RenderRequest, source: BinaryIO) -> Rendered:
        """Return the variants of `source`, which must be a real file (it has a descriptor); see the port."""
        descriptor = _reopened(source)
        try:
            async with self._child() as child:
                return await child.render(request, descriptor)
        finally:
            os.close(descriptor)

    async def report(self) -> SandboxReport:
        """Return what the sandbox of one process is seen to hold. `RendererFailed` when it cannot start."""
        async with self._child() as child:
            return child.report()

    def pids(self) -> tuple[int, ...]:
        """Return the ids of the processes that serve now; those on their way out are not among them."""
        return tuple(child.pid for child in self._children)

    async def close(self) -> None:
        """End every process. Pictures in work or waiting fail with `RendererFailed`, to be tried again elsewhere."""
        if self._closing:
            return
        self._closing = True
        for child in self._children:
            child.kill()
        for _ in range(self._config.processes):  # whoever was at work or waiting has left when all slots are ours
            await self._slots.acquire()
        self._retire_idle()
        await asyncio.gather(*self._endings)

    @contextlib.asynccontextmanager
    async def _child(self) -> AsyncIterator[RenderChild]:
        """Give a process to one caller, and take it back or end it."""
        await self._wait_for_slot()
        try:
            child = await self._usable_child()
            try:
                yield child
            finally:
                self._take_back(child)
        finally:
            self._slots.release()

    async def _wait_for_slot(self) -> None:
        if self._closing:
            raise RendererFailed("the renderer is closed")
        if self._slots.locked() and self._waiting >= self._config.queue_limit:
            raise RendererBusy(f"{self._waiting} pictures are waiting for {self._config.processes} processes")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    async def _usable_child(self) -> RenderChild:
        while self._idle and not self._closing:
            child = self._idle.pop()  # the last one used, whose memory is warm
            if child.usable:
                return child
            self._retire(child)
        return await self._new_child()

    async def _new_child(self) -> RenderChild:
        if self._closing:
            raise RendererFailed("the renderer is closed")
        child = await RenderChild.start(self._config.child)
        self._children.add(child)
        if self._closing:
            child.kill()
        return child

    def _take_back(self, child: RenderChild) -> None:
        if child.usable and not self._is_worn(child) and not self._closing:
            self._idle.append(child)
        else:
            self._retire(child)

    def _is_worn(self, child: RenderChild) -> bool:
        resident = process_usage.resident_bytes(child.pid) or 0
        return child.rendered >= self._config.recycle_after_renders or resident > self._config.recycle_above_bytes

    def _retire_idle(self) -> None:
        while self._idle:
            self._retire(self._idle.pop())

    def _retire(self, child: RenderChild) -> None:
        child.kill()
        self._children.discard(child)
        ending = asyncio.create_task(child.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)


def _reopened(source: BinaryIO) -> int:
    """Return a descriptor of the same file that can only be read and has a position of its own.

    A descriptor that is sent keeps sharing its position: two renders of one open file would disturb each other.
    """
    try:
        return os.open(f"/dev/fd/{source.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RendererFailed(f"cannot open the source for reading: {error}") from error
