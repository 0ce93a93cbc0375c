"""The driver of `AsyncTintype`: performs the effects of flows on asyncio's loop. Files are read in threads."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from tintype_client.core.effects import (
    CHUNK_BYTES,
    Clock,
    Digest,
    Effect,
    Flow,
    Keep,
    Pause,
    Recall,
    Request,
    Response,
    Send,
    Slice,
    Source,
    Together,
)
from tintype_client.core.running import Running
from tintype_client.http import broken, plain
from tintype_client.sources import Uploadable, opened
from tintype_client.state_files import StateFiles

T = TypeVar("T")


class LoopDriver:
    """Performs effects while the loop goes on."""

    def __init__(self, http: httpx.AsyncClient, state: StateFiles) -> None:
        self._http = http
        self._state = state

    async def run(self, flow: Flow[T]) -> T:
        """Return what the flow comes to."""
        running = Running(flow)
        while not running.ended:
            try:
                value = await self._perform(running.effect)
            except BaseException as error:  # noqa: BLE001 -- the flow is where it belongs: it handles it or raises it
                running.fail(error)
            else:
                running.resume(value)
        return running.result

    async def _perform(self, effect: Effect) -> object:
        value: object = None
        match effect:
            case Send(request):
                value = await self._send(request)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Clock():
                value = time.monotonic()
            case Digest(part, algorithm):
                value = await _digest(part, algorithm)
            case Together(flows, at_once):
                value = await self._together(flows, at_once)
            case Recall(name):
                value = await asyncio.to_thread(self._state.recall, name)
            case Keep(name, text):
                await asyncio.to_thread(self._state.keep, name, text)
            case _:
                raise TypeError(effect)
        return value

    async def _send(self, request: Request) -> Response:
        content = _sent(request.body) if isinstance(request.body, Slice) else request.body
        try:
            return plain(
                await self._http.request(request.method, request.url, headers=request.headers, content=content)
            )
        except httpx.TransportError as error:
            raise broken(error) from error

    async def _together(self, flows: Sequence[Flow[Any]], at_once: int) -> list[Any]:
        places = asyncio.Semaphore(at_once)

        async def run(flow: Flow[Any]) -> object:
            async with places:
                return await self.run(flow)

        tasks = [asyncio.create_task(run(flow)) for flow in flows]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened_in_thread(
    file: Uploadable, *, name: str | None = None, content_type: str | None = None
) -> AsyncIterator[Source]:
    """Give the source; opening it may take a disk's or a pipe's time, which the loop does not wait for."""
    context = opened(file, name=name, content_type=content_type)
    source = await asyncio.to_thread(context.__enter__)
    try:
        yield source
    finally:
        context.__exit__(None, None, None)


async def _chunks(part: Slice) -> AsyncIterator[bytes]:
    done = 0
    while done < part.length:
        length = min(CHUNK_BYTES, part.length - done)
        chunk = await asyncio.to_thread(part.source.read, part.offset + done, length)
        done += len(chunk)
        yield chunk


async def _sent(part: Slice) -> AsyncIterator[bytes]:
    done = 0
    part.sent(done)
    async for chunk in _chunks(part):
        yield chunk
        done += len(chunk)
        part.sent(done)


async def _digest(part: Slice, algorithm: str) -> bytes:
    value = hashlib.new(algorithm, usedforsecurity=False)
    async for chunk in _chunks(part):
        await asyncio.to_thread(value.update, chunk)
    return value.digest()
