"""The story of a PATCH: bytes go on where a resumable upload stands.

Whoever holds the upload already puts down what it has, and lets go unless it gets more (`storage/holds.py`). Then,
under the upload's lock, it is decided whether these bytes may come, and the upload is held. They are made durable
segment by segment, and each counts when it is durable, by compare-and-set on the offset (`storage/segments.py`). With
the last byte the upload is `received` in the same transaction that counts it: its job is enqueued, and it is never lost
from then on.

How it fails: a connection that breaks leaves what came in by then, durable and counted. A kill leaves what was counted
before; bytes that were stored and not counted are nobody's, and `gc`'s. Bytes with a checksum count all together or not
at all. Of two who send for one offset, one is told where the upload stands.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final

from tintype.db.clock import DatabaseClock
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.tus import get_tus_upload, lock_hold, reserve_up_to, take_hold
from tintype.db.uploads import advance, declare_size, lock_upload
from tintype.db.usage import count_usage
from tintype.domain.errors import Code, Problem
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, reserved_more
from tintype.domain.tus.appending import Append, Permit, Stand, offset_conflict, permit, too_long
from tintype.domain.tus.checksum import Summing
from tintype.domain.tus.concatenation import PARTIAL
from tintype.domain.upload import Part, Upload, UploadState, no_upload, refuse_unless_open
from tintype.imaging.sniff import SNIFF_BYTES
from tintype.ports.blobs import BlobStore, BlobStoreFailed
from tintype.ports.staging import Staging
from tintype.storage.holds import Holds
from tintype.storage.intake import refuse_unless_accepted, telling_of_storage
from tintype.storage.segments import Segments
from tintype.storage.staged_uploads import StagedUploads, end_for_nothing, key_of, mark_received

_BROKEN: Final = frozenset({Code.UPLOAD_INCOMPLETE, Code.UPLOAD_STALLED})
"""How a body ends early; what came of it by then is as good as any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appending:
    """A PATCH, read. `kind` says what may be sent; None for a part of an upload, whose kind is not known yet."""

    tenant: int
    upload: int
    append: Append
    kind: UploadKind | None
    max_size: int
    """Bytes of the longest upload that is taken."""
    all_or_nothing: bool = False
    """Whether the body has to be complete to count: it has a checksum, of tus or of HTTP."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """The upload as it was when it was taken hold of."""

    upload: Upload
    epoch: int
    permit: Permit
    partial: bool


class AppendBytes:
    """Receives bytes of a resumable upload."""

    def __init__(  # noqa: PLR0913 -- keyword-only: each names itself at the call
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        blobs: BlobStore,
        staged: StagedUploads,
        staging: Staging,
        holds: Holds,
        notifier: Notifier,
        quotas: DefaultQuotas,
    ) -> None:
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self._staged = staged
        self._staging = staging
        self._holds = holds
        self._notifier = notifier
        self._quotas = quotas

    async def make_way(self, wish: Appending) -> None:
        """Have a holder let go that gets no more bytes: whoever comes now would be refused for its sake."""
        await self._holds.make_way(wish.tenant, wish.upload, wish.append.offset)

    async def __call__(self, wish: Appending, body: AsyncIterator[bytes]) -> None:
        """Receive the body; when this returns, all of it is durable and counts.

        `Problem` when it may not come, or broke off; the row says what counts then.
        """
        await self._clock.refresh()
        hold = await self._take(wish)
        if hold is None:
            return
        segments = Segments(
            staging=self._staging,
            store=lambda part, file: self._store(hold.upload, part, file),
            count=lambda parts: self._count(hold, parts),
            offset=wish.append.offset,
            held_back=wish.all_or_nothing,
        )
        try:
            with telling_of_storage():
                async with self._holds.holding(wish.tenant, wish.upload, hold.epoch, segments.checkpoint):
                    await self._receive(wish, _at_most(hold.permit.room, body), segments)
        except Problem as problem:
            if problem.code is Code.IMAGE_UNSUPPORTED_FORMAT:
                await self._reject(hold.upload, problem)
            raise
        finally:
            await self._forget(hold, await segments.close())

    async def _receive(self, wish: Appending, body: AsyncIterator[bytes], segments: Segments) -> None:
        summing = Summing(wish.append.checksum) if wish.append.checksum is not None else None
        opening = _Opening(wish.kind, offset=wish.append.offset)
        try:
            async for chunk in body:
                opening.add(chunk)
                if summing is not None:
                    summing.update(chunk)
                elif not wish.all_or_nothing:  # else the line may have broken them: whether it did is told at the end
                    opening.judge()
                await segments.write(chunk)
        except Problem as problem:
            if problem.code in _BROKEN and not wish.all_or_nothing:
                await segments.finish()
            raise
        if summing is not None:
            summing.verify()
        opening.judge()
        await segments.finish()

    async def _take(self, wish: Appending) -> _Hold | None:
        """Take hold of the upload; None when it is complete, and nothing is to come."""
        async with self._database.transaction(wish.tenant) as connection:
            upload = await lock_upload(connection, wish.upload)
            if upload is None:
                raise no_upload()
            tus = await get_tus_upload(connection, upload.id)
            stand = Stand(upload.received, upload.size)
            if stand.complete and wish.append.offset == stand.offset and wish.append.size == 0:
                return None
            refuse_unless_open(upload, self._clock.now())
            permitted = permit(stand, wish.append, max_size=wish.max_size)
            epoch = await take_hold(connection, tenant=upload.tenant, upload=upload.id)
            if permitted.length is not None and upload.size is None:
                await self._declare(connection, upload, permitted.length)
        hold = _Hold(upload, epoch, permitted, partial=tus.concat == PARTIAL)
        if upload.received == permitted.length:  # the last bytes were there before anybody knew that they were the last
            await self._count(hold, ())
        return hold

    async def _declare(self, connection: Connection, upload: Upload, length: int) -> None:
        """Write down how long the upload is, and reserve what is not reserved yet."""
        reserved = max(length, upload.reserved)
        if not await declare_size(connection, upload.id, size=length, reserved=reserved):
            raise offset_conflict(upload.received)
        if reserved > upload.reserved:
            change = reserved_more(reserved - upload.reserved)
            await count_usage(
                connection, tenant=upload.tenant, owner=upload.owner, change=change, defaults=self._quotas
            )

    async def _store(self, upload: Upload, part: Part, file: BinaryIO) -> None:
        assert part.sha256 is not None  # noqa: S101 -- it came through our hands
        await self._staged.store(upload, part.number, file, size=part.size, sha256=part.sha256)

    async def _count(self, hold: _Hold, parts: Sequence[Part]) -> None:
        """Have the upload go on to the end of these parts; with its last byte it is received."""
        upload, end = hold.upload, hold.upload.received
        async with self._database.transaction(upload.tenant) as connection:
            for part in parts:
                if not await advance(connection, upload, offset=part.number, segment=part):
                    raise offset_conflict(part.number)
                end = part.number + part.size
            if not await lock_hold(connection, upload.id, hold.epoch):
                raise offset_conflict(upload.received)
            complete = end == hold.permit.length and not hold.partial
            if complete:
                await mark_received(connection, upload)
            if hold.permit.length is None and parts:
                await self._reserve(connection, upload, parts[0].number, end)
        if complete:
            self._notifier.jobs_enqueued()
            self._notifier.image_changed(upload.id)  # there is such an image now

    async def _reserve(self, connection: Connection, upload: Upload, begin: int, end: int) -> None:
        """Have what came of an upload of unknown length counted: up to `begin` it is."""
        more = end - max(begin, upload.reserved)
        if more > 0:
            await reserve_up_to(connection, upload.id, end)
            change = reserved_more(more)
            await count_usage(
                connection, tenant=upload.tenant, owner=upload.owner, change=change, defaults=self._quotas
            )

    async def _reject(self, upload: Upload, problem: Problem) -> None:
        """End an upload whose first bytes are those of no image that is accepted."""
        async with self._database.transaction(upload.tenant) as connection:
            now = await lock_upload(connection, upload.id)
            if now is not None:
                await end_for_nothing(connection, now, UploadState.REJECTED, reason=problem.code)
        await self._staged.clear(upload)

    async def _forget(self, hold: _Hold, parts: Sequence[Part]) -> None:
        """Remove what is durable and does not count, under the hold: somebody else's bytes may have the same name."""
        if not parts:
            return
        with suppress(Problem, BlobStoreFailed):  # gc finds what even this leaves
            async with self._database.transaction(hold.upload.tenant) as connection:
                await lock_upload(connection, hold.upload.id)
                if await lock_hold(connection, hold.upload.id, hold.epoch):
                    for part in parts:
                        await self._blobs.delete(key_of(hold.upload, part))


class _Opening:
    """The first bytes of an upload, by which most of what is no accepted image is known."""

    def __init__(self, kind: UploadKind | None, *, offset: int) -> None:
        self._kind = kind if offset == 0 else None
        self._head = b""

    def add(self, chunk: bytes) -> None:
        """Take note of the next bytes."""
        if len(self._head) < SNIFF_BYTES:
            self._head += chunk[:SNIFF_BYTES]

    def judge(self) -> None:
        """Raise `Problem` image.unsupported_format when enough is there to tell."""
        if self._kind is not None and len(self._head) >= SNIFF_BYTES:
            refuse_unless_accepted(self._head, (self._kind,))
            self._kind = None


async def _at_most(room: int, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give the chunks; `Problem` before one that is too much."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > room:
            raise too_long()
        yield chunk
