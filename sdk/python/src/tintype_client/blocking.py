"""The driver of `Tintype`: performs the effects of flows in the calling thread, and side by side in others."""

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
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
    Together,
)
from tintype_client.core.running import Running
from tintype_client.http import broken, plain
from tintype_client.state_files import StateFiles

T = TypeVar("T")


class Halted(BaseException):
    """Another flow of the group failed: this one is wanted no more. No handler of errors is to catch it."""


class BlockingDriver:
    """Performs effects, and returns when the flow has ended. Several threads may use one driver."""

    def __init__(self, http: httpx.Client, state: StateFiles) -> None:
        self._http = http
        self._state = state

    def run(self, flow: Flow[T], halt: threading.Event | None = None) -> T:
        """Return what the flow comes to; `halt` is set when nobody wants it any more."""
        running, halted = Running(flow), halt or threading.Event()
        while not running.ended:
            try:
                value = self._perform(running.effect, halted)
            except BaseException as error:  # noqa: BLE001 -- the flow is where it belongs: it handles it or raises it
                running.fail(error)
            else:
                running.resume(value)
        return running.result

    def _perform(self, effect: Effect, halt: threading.Event) -> object:
        if halt.is_set():
            raise Halted
        value: object = None
        match effect:
            case Send(request):
                value = self._send(request, halt)
            case Pause(seconds):
                halt.wait(seconds)
            case Clock():
                value = time.monotonic()
            case Digest(part, algorithm):
                value = _digest(part, algorithm, halt)
            case Together(flows, at_once):
                value = self._together(flows, at_once)
            case Recall(name):
                value = self._state.recall(name)
            case Keep(name, text):
                self._state.keep(name, text)
            case _:
                raise TypeError(effect)
        return value

    def _send(self, request: Request, halt: threading.Event) -> Response:
        content = _sent(request.body, halt) if isinstance(request.body, Slice) else request.body
        try:
            return plain(self._http.request(request.method, request.url, headers=request.headers, content=content))
        except httpx.TransportError as error:
            raise broken(error) from error

    def _together(self, flows: Sequence[Flow[Any]], at_once: int) -> list[Any]:
        if not flows:
            return []
        halt = threading.Event()
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="tintype-client")
        futures = [pool.submit(self.run, flow, halt) for flow in flows]
        patient = True
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
            return [future.result() for future in futures]
        except KeyboardInterrupt:  # a line that hangs would hold up whoever wants to get away from it
            patient = False
            raise
        finally:
            halt.set()
            pool.shutdown(wait=patient, cancel_futures=True)


def _chunks(part: Slice, halt: threading.Event) -> Iterator[bytes]:
    done = 0
    while done < part.length:
        if halt.is_set():
            raise Halted
        chunk = part.source.read(part.offset + done, min(CHUNK_BYTES, part.length - done))
        done += len(chunk)
        yield chunk


def _sent(part: Slice, halt: threading.Event) -> Iterator[bytes]:
    done = 0
    part.sent(done)
    for chunk in _chunks(part, halt):
        yield chunk
        done += len(chunk)
        part.sent(done)


def _digest(part: Slice, algorithm: str, halt: threading.Event) -> bytes:
    value = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in _chunks(part, halt):
        value.update(chunk)
    return value.digest()
