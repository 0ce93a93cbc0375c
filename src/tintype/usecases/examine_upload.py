"""The story of a complete upload, told by its job: staged bytes are examined like any others, and become an image.

The staged pieces are read in order into a file without a name, counted and hashed, so that what is examined is what is
stored whatever becomes of the pieces meanwhile. Everything that a reservation promised is asked again: the kind's
limits, what the image may belong to, the account, the SHA-256, the quota. Then one transaction: the image with all that
belongs to it, the upload's end, and usage, which is settled to what is stored. A refusal is an end, too: the upload is
`rejected` with its code, what was reserved is returned, nothing of the bytes is kept.

How it fails: a store or database that is away costs an attempt, and the job comes again; the upload stays `received`,
because it was acknowledged. A job that comes twice finds the upload ended, and clears what the first left staged. An
upload that was aborted meanwhile stays so: what was stored for the image is removed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from tintype.db.clock import DatabaseClock
from tintype.db.notify import Notifier
from tintype.db.pool import Database
from tintype.db.uploads import delete_parts, get_parts, get_upload, lock_upload, set_state
from tintype.db.usage import count_usage
from tintype.domain.attachment import attach, lasting
from tintype.domain.errors import Code, Kind, Problem
from tintype.domain.ids import image_name
from tintype.domain.image import Image, State
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, settled
from tintype.domain.upload import Part, Upload, UploadState, size_mismatch
from tintype.domain.visibility import BY_LINK
from tintype.storage.commit import commit_image
from tintype.storage.intake import CleanBytes, Intake
from tintype.storage.removal import discard
from tintype.storage.staged_uploads import StagedUploads, end_for_nothing

_NOT_A_VERDICT: Final = frozenset({Kind.UNAVAILABLE, Kind.STORAGE_FULL, Kind.INTERNAL, Kind.TIMEOUT})
"""Says nothing about the upload: the job is tried again."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What was said about the bytes (`storage/intake.py` Expectation)."""

    kind: UploadKind
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class _Staged:
    """The staged bytes, on their way to be examined (`storage/intake.py` Incoming)."""

    upload: Upload
    kind: UploadKind
    read: Callable[[], AsyncIterator[bytes]]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes; `Problem` upload.size_mismatch at their end when they are not as many as declared."""
        came = 0
        async for chunk in self.read():
            came += len(chunk)
            yield chunk
        if came != self.upload.size:
            raise size_mismatch(self.upload.size or 0, f"{came:,} came")

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kind that the image has."""
        return (self.kind,)

    def submission(self) -> _Expected:
        """Return what was said about the bytes."""
        return _Expected(self.kind, self.upload.sha256)


class ExamineUpload:
    """Makes images of uploads that are complete."""

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        staged: StagedUploads,
        clock: DatabaseClock,
        notifier: Notifier,
        quotas: DefaultQuotas,
        kinds_of: Callable[[int], Awaitable[Mapping[str, UploadKind]]],
    ) -> None:
        self._database = database
        self._intake = intake
        self._staged = staged
        self._clock = clock
        self._notifier = notifier
        self._quotas = quotas
        self._kinds_of = kinds_of
        self._log = structlog.get_logger("tintype.uploads")

    async def __call__(self, *, tenant: int, upload: int) -> None:
        """Examine the upload and commit or reject it: the job. May be repeated."""
        await self._clock.refresh()
        async with self._database.transaction(tenant) as connection:
            found = await get_upload(connection, upload)
            parts = await get_parts(connection, upload)
        if found is not None and found.state is UploadState.RECEIVED:
            try:
                await self._examine(found, parts)
            except Problem as problem:
                if problem.code.kind in _NOT_A_VERDICT:
                    raise
                await self._reject(found, problem)
        if found is not None:
            await self._staged.clear(found)

    async def _examine(self, upload: Upload, parts: tuple[Part, ...]) -> None:
        kind = (await self._kinds_of(upload.tenant)).get(upload.kind)
        if kind is None:
            raise Problem(Code.REQUEST_INVALID, f"There is no kind {upload.kind!r} any more.")
        attach(kind, upload.attached_to, upload.actor)
        staged = _Staged(upload, kind, lambda: self._staged.read(upload, parts))
        async with self._intake.receive(staged) as received:
            clean = await received.cleaned()
            await self._intake.store(upload.tenant, clean)
            committed = False
            try:
                committed = await self._commit(upload, kind, clean)
            finally:
                if not committed:
                    with suppress(Problem):  # gc finds what even this leaves
                        await discard(self._database, upload.tenant, clean)
        self._notifier.jobs_enqueued()
        self._notifier.image_changed(upload.id)

    async def _commit(self, upload: Upload, kind: UploadKind, clean: CleanBytes) -> bool:
        """Write everything in one transaction; return False, and write nothing, when the upload ended meanwhile."""
        async with self._database.transaction(upload.tenant) as connection:
            now = await lock_upload(connection, upload.id)
            if now is None or now.state is not UploadState.RECEIVED:
                return False
            image = image_of(now, kind, clean, self._clock.now())
            await commit_image(connection, self._intake, image, clean, kind=kind, by=now.by)
            await set_state(connection, now.id, UploadState.COMMITTED)
            await delete_parts(connection, now.id)
            change = settled(now.reserved, image.size)
            await count_usage(connection, tenant=now.tenant, owner=now.owner, change=change, defaults=self._quotas)
        return True

    async def _reject(self, upload: Upload, problem: Problem) -> None:
        async with self._database.transaction(upload.tenant) as connection:
            now = await lock_upload(connection, upload.id)
            if now is not None:
                await end_for_nothing(connection, now, UploadState.REJECTED, reason=problem.code)
        self._log.info("upload_rejected", image=image_name(upload.id), code=problem.code)
        self._notifier.image_changed(upload.id)


def image_of(upload: Upload, kind: UploadKind, clean: CleanBytes, now: datetime) -> Image:
    """Return the image that the upload becomes.

    Its write token is that of an anonymous upload alone: whoever was handed a link to upload for somebody else may
    complete that, and not delete what came of it. Its read token is needed where a link alone does not open it.
    """
    examined = clean.examined
    kept = lasting(kind, upload.attached_to, now=now, expires_in=upload.expires_in)
    return replace(
        upload.as_image(kind.recipe),
        state=State.PROCESSING,
        version=1,
        revision=1,
        sha256=clean.sha256,
        source_sha256=clean.source_sha256,
        format=examined.format,
        width=examined.width,
        height=examined.height,
        frames=examined.frames,
        size=clean.size,
        write_token_hash=upload.write_token_hash if upload.anonymous else None,
        read_token_hash=upload.read_token_hash if upload.visibility not in BY_LINK else None,
        updated_at=now,
        expires_at=kept.expires_at,
        attach_by=kept.attach_by,
        expires_attached=kept.expires_attached,
    )
