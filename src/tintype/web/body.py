"""The bytes of a request, as they come: with a deadline, counted, and read on for a while after a refusal was sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tintype.domain.errors import Code, Problem
from tintype.domain.pace import Pace, PaceLimits, TooSlow
from tintype.web.checksums import BodyChecksums

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

AFTER_ANSWER_KEY: Final = "tintype_after_answer"
"""In the request's state: what to wait for when the answer is sent, before the connection is let go."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How slow a body may be and how long it may take (seconds), and how much of a refused one is read."""

    pace: PaceLimits
    deadline_seconds: float
    drain_bytes: int
    drain_seconds: float


class RequestBody:
    """The body of one request. Servers below us hold a half-sent one for ever, so the deadlines are ours."""

    def __init__(self, receive: Receive, *, declared: int | None, limits: BodyLimits) -> None:
        self._receive = receive
        self.declared = declared
        self._limits = limits
        self._checksums = BodyChecksums(())
        self._ended = False
        self.received = 0

    def expect(self, checksums: BodyChecksums) -> None:
        """Have the body refused at its end unless it has these checksums."""
        self._checksums = checksums

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes.

        `Problem`: upload.stalled when none come for long, upload.incomplete when they end early,
        upload.checksum_mismatch when they are not those that the header announced.
        """
        deadline, pace = asyncio.get_running_loop().time() + self._limits.deadline_seconds, Pace(self._limits.pace)
        while not self._ended:
            chunk = await self._next(deadline, pace)
            if chunk:
                self._checksums.update(chunk)
                yield chunk
        if self.declared is not None and self.received != self.declared:
            raise _incomplete()
        self._checksums.verify()

    async def _next(self, deadline: float, pace: Pace) -> bytes:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout_at(min(deadline, began + pace.patience)):
                message = await self._receive()
            chunk = self._take(message)
            if not self._ended:
                pace.note(len(chunk), clock() - began)
        except (TimeoutError, TooSlow) as error:
            self._ended = True
            raise Problem(
                Code.UPLOAD_STALLED, "The file came too slowly, or no more of it for too long. Send it again."
            ) from error
        return chunk

    async def drain(self) -> None:
        """Read on for a while once the answer is sent: who is still sending would see a broken pipe in its place."""
        limits, end = self._limits, self.received + self._limits.drain_bytes
        try:
            async with asyncio.timeout(limits.drain_seconds):
                while not self._ended and self.received < end:
                    self._take(await self._receive())
        except (TimeoutError, Problem):
            self._ended = True

    def _take(self, message: Mapping[str, Any]) -> bytes:
        if message["type"] != "http.request":
            self._ended = True
            raise _incomplete()
        chunk: bytes = message.get("body", b"")
        self.received += len(chunk)
        self._ended = not message.get("more_body", False)
        return chunk


def _incomplete() -> Problem:
    return Problem(Code.UPLOAD_INCOMPLETE, "The connection ended before the whole file was there. Send it again.")
