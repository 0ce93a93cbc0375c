"""Who of this process receives bytes of an upload, and how those who come to one that is held make it let go.

A client whose line broke comes again before the server knows that the old connection is dead, and perhaps to another
process. What the old one has received must count, or a slow line would never get anywhere; and it must not go on while
somebody else does. So a newcomer asks by NOTIFY; the holder puts down what it has, durably, and says so in the row; and
the newcomer sees where the upload stands. A holder that lives on and gets more bytes has the upload; from one that gets
none the next PATCH takes it (`db/tus.py`). A holder that says nothing within a moment was killed, or hangs: it is
fenced, so that not a byte of it counts from then on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tintype.db.pool import Database
from tintype.db.tus import answer_question, ask_holder, fence, get_tus_upload, release_hold
from tintype.db.uploads import lock_upload
from tintype.domain.errors import Code, Problem

ANSWER_SECONDS: Final = 3.0
"""How long a holder has to put down what it has, up to a segment: a good disk takes 0.1 s for it."""

LOOK_SECONDS: Final = 0.03
"""How often a newcomer looks whether it did."""

RESTART_SECONDS: Final = 1
"""When to come again after that."""

Checkpoint = Callable[[], Awaitable[None]]
"""Makes what came in so far durable, and counts it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Hold:
    """An upload that this process receives; `end` ends that when it is rescheduled."""

    tenant: int
    epoch: int
    checkpoint: Checkpoint
    end: asyncio.Timeout
    ended: asyncio.Event


class Holds:
    """The uploads that this process receives."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[int, list[_Hold]] = {}
        """By upload; an older hold stays until its holder has noticed that it is none any more."""
        self._answering: set[asyncio.Task[None]] = set()
        self._stopping = False

    @asynccontextmanager
    async def holding(self, tenant: int, upload: int, epoch: int, checkpoint: Checkpoint) -> AsyncIterator[None]:
        """Answer for the upload during the block, and let go of it at the end.

        `Problem` in the midst of the block: upload.offset_conflict when somebody else takes the upload; unavailable
        when this process ends, once what came in is put down.
        """
        taken = asyncio.timeout(None)
        mine = _Hold(tenant, epoch, checkpoint, taken, asyncio.Event())
        self._held.setdefault(upload, []).append(mine)
        if self._stopping:
            taken.reschedule(asyncio.get_running_loop().time())
        try:
            async with taken:
                yield
        except TimeoutError:
            if not taken.expired():
                raise
            if self._stopping:
                await checkpoint()
                raise _ending() from None
            raise Problem(Code.UPLOAD_OFFSET_CONFLICT, "Another request goes on with this upload.") from None
        finally:
            mine.ended.set()
            self._held[upload].remove(mine)
            if not self._held[upload]:
                del self._held[upload]
            with suppress(Problem):  # the database is away: the next one waits for us in vain, and then fences us
                async with self._database.transaction(tenant) as connection:
                    await release_hold(connection, upload, epoch)

    def heard(self, payload: str) -> None:
        """Hear that somebody asks for an upload; `payload` is what `ask_holder` said."""
        upload, _, number = payload.partition(" ")
        for hold in self._held.get(int(upload), ()):
            task = asyncio.create_task(self._answer(hold, int(upload), int(number)))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def end_all(self) -> None:
        """Have every upload put down and its sender come again: this process ends, and others go on."""
        self._stopping = True
        for hold in (hold for holds in self._held.values() for hold in holds):
            hold.end.reschedule(asyncio.get_running_loop().time())

    async def ask(self, tenant: int, upload: int) -> None:
        """Return when nothing that came in for the upload before is left uncounted."""
        async with self._database.transaction(tenant) as connection:
            question = await ask_holder(connection, upload)
        if question is None:
            return
        end = asyncio.get_running_loop().time() + ANSWER_SECONDS
        while asyncio.get_running_loop().time() < end:
            async with self._database.transaction(tenant) as connection:
                now = await get_tus_upload(connection, upload)
            if not now.held or now.epoch != question.epoch or now.answered >= question.number:
                return
            await asyncio.sleep(LOOK_SECONDS)
        async with self._database.transaction(tenant) as connection:
            await fence(connection, upload, question.epoch)

    async def make_way(self, tenant: int, upload: int, offset: int) -> None:
        """Have whoever holds the upload let go of it, if that is still at `offset` after it was asked.

        A holder that got further has the upload, and whoever comes with that offset will be told so.
        """
        await self.ask(tenant, upload)
        async with self._database.transaction(tenant) as connection:
            row, held = await lock_upload(connection, upload), await get_tus_upload(connection, upload)
            if row is None or not held.held or row.received != offset:
                return
            await fence(connection, upload, held.epoch)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):  # it has a place among the uploads, which we may need
                await asyncio.gather(*(hold.ended.wait() for hold in self._held.get(upload, ())))

    async def _answer(self, hold: _Hold, upload: int, number: int) -> None:
        with suppress(Problem):  # whoever holds it is told by its own next step; whoever asks fences it
            await hold.checkpoint()
            async with self._database.transaction(hold.tenant) as connection:
                good = await answer_question(connection, upload, epoch=hold.epoch, number=number)
            if not good and hold in self._held.get(upload, ()):
                hold.end.reschedule(asyncio.get_running_loop().time())


def _ending() -> Problem:
    return Problem(
        Code.UNAVAILABLE,
        "The server restarts. What came in counts: ask by HEAD where the upload stands, and go on there.",
        retry_after=RESTART_SECONDS,
    )
