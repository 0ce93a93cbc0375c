"""The story of an upload whose bytes come in the request (`POST /images`).

Receive into staging, cut off at the kind's limit; refuse what is no accepted image as soon as its first bytes tell;
examine and sanitise; store the bytes durably; then one transaction: blob, reference, image, job. Only then is the
upload acknowledged, and from then on it is never lost. A request that has an Idempotency-Key leaves its answer in the
same transaction: if that answer is lost on its way, a repetition gets it again, and makes nothing new. Of attempts that
run side by side with one key the first to commit wins; the others wait for that, undo theirs, and repeat its answer.

How it fails: any refusal leaves nothing, because staging has no name and rows come last. A crash after the blob was
stored and before the commit leaves a blob that nothing refers to, which `gc` removes. A purge of the same bytes that
races with us is ordered by the blob's row lock: whoever comes second sees what the first did, and we store the bytes
again when they went.
"""

import asyncio
import hashlib
import mmap
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import BinaryIO, Final, Protocol

from tintype.db.blobs import insert_ref, lock_blob_for_upload, owner_has
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import find_answer, keep_answer
from tintype.db.images import insert_image
from tintype.db.jobs import enqueue_process_image
from tintype.db.notify import Notifier
from tintype.db.pool import Clash, Connection, Database
from tintype.domain.digest import refuse_other_bytes
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.idempotency import Attempt, IdempotencyKey, answer_again, fingerprint
from tintype.domain.image import Image, State
from tintype.domain.keys import original_key
from tintype.domain.kind import UploadKind
from tintype.domain.tokens import Purpose, Token, derive_token
from tintype.domain.visibility import BY_LINK, Visibility
from tintype.imaging.examine import SANITISER_VERSION, examine, stored_chunks
from tintype.imaging.examined import Examined
from tintype.imaging.sniff import SNIFF_BYTES, sniff
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull, Chunks
from tintype.ports.staging import Staging

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""

STORE_RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Submission:
    """What the caller says about the image. `key` is the API key that sends it, None for an anonymous upload."""

    tenant: int
    key: int | None
    kind: UploadKind
    title: str | None = None
    alt: str | None = None
    tags: tuple[str, ...] = ()
    visibility: Visibility | None = None
    sha256: bytes | None = None
    """Of the file, when the caller knows it: other bytes are refused."""

    def fingerprint(self, source_sha256: bytes) -> bytes:
        """Return what tells this upload, of a file with that SHA-256, from another one of the same caller."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NOT_SAID}
        return fingerprint("POST /images", said | {"kind": self.kind.name}, source_sha256)


_NOT_SAID: Final = frozenset({"tenant", "key", "sha256"})
"""Who says it, and what the file's own digest says."""


class Incoming(Protocol):
    """A request on its way in. In a form, fields may come after the file."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes of the file, once."""
        ...

    def kinds(self) -> tuple[UploadKind, ...]:
        """Return the kinds that the image may still turn out to be: one, when it is known."""
        ...

    def submission(self) -> Submission:
        """Return what is said about the image; complete when `chunks` has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acknowledged upload. Only anonymous ones have tokens, and the read token only where it is needed."""

    image: Image
    deduplicated: bool
    write_token: Token | None
    read_token: Token | None


@dataclass(frozen=True, slots=True)
class Repeated:
    """An upload that was acknowledged before, for the same key: the answer that was kept, and its tokens."""

    answer: str
    write_token: Token | None
    read_token: Token | None


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes an upload repeatable: the caller's key, and how its answer is written down, without the tokens."""

    key: IdempotencyKey
    answer: Callable[[Accepted], str]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a repeatable upload, once everything is known about it."""

    what: Attempt
    answer: Callable[[Accepted], str]


class _AnsweredMeanwhile(Exception):
    """Another attempt with the same key came first; what this one wrote must be rolled back."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """The sanitised bytes: how to read them, and what they are."""

    examined: Examined
    source_sha256: bytes
    sha256: bytes
    size: int
    chunks: Chunks


class UploadImage:
    """Takes an image in."""

    def __init__(
        self, *, database: Database, blobs: BlobStore, staging: Staging, clock: DatabaseClock, notifier: Notifier,
        server_key: bytes,
    ) -> None:  # fmt: skip
        self._database = database
        self._blobs = blobs
        self._staging = staging
        self._clock = clock
        self._notifier = notifier
        self._server_key = server_key

    async def __call__(self, incoming: Incoming, repeatable: Repeatable | None = None) -> Accepted | Repeated:
        """Return the acknowledged image; `Problem` when it is refused, and then nothing of it is kept.

        `Repeated` when the request's key had its answer before: then nothing was done.
        """
        await self._clock.refresh()
        try:
            async with self._staging.open() as staged:
                async for chunk in _checked(incoming):
                    await staged.write(chunk)
                submission = incoming.submission()
                if staged.size > submission.kind.limits.max_bytes:
                    raise _too_large(submission.kind.limits.max_bytes)
                file, source_sha256 = await staged.finish()
                refuse_other_bytes(submission.sha256, source_sha256)
                attempt = _attempt(repeatable, submission, source_sha256)
                if (repeated := await self._repeat(submission, attempt)) is not None:
                    return repeated
                stored = await asyncio.to_thread(_sanitise, file, source_sha256, submission.kind)
                return await self._store(submission, stored, attempt)
        except BlobStoreFull as error:
            raise Problem(Code.STORAGE_FULL, "The server has no room for this image. Nothing was kept.") from error
        except BlobStoreFailed as error:
            raise Problem(
                Code.UNAVAILABLE,
                "The image could not be stored safely. Nothing was kept; try again in a moment.",
                retry_after=STORE_RETRY_SECONDS,
            ) from error

    async def _repeat(self, submission: Submission, attempt: _Attempt | None) -> Repeated | None:
        """Return what an earlier attempt was answered, None when there was none; `Problem` when it was another."""
        if attempt is None:
            return None
        async with self._database.transaction(submission.tenant) as connection:
            kept = await find_answer(connection, tenant=submission.tenant, key=attempt.what.key)
        if kept is None:
            return None
        return Repeated(answer_again(attempt.what, kept), *self._tokens(submission, kept.image))

    async def _store(self, submission: Submission, stored: _Stored, attempt: _Attempt | None) -> Accepted | Repeated:
        key = original_key(submission.tenant, stored.sha256)
        await self._blobs.put(key, stored.chunks, size=stored.size, sha256=stored.sha256.hex())
        for _ in range(ID_ATTEMPTS):
            accepted = self._draw(submission, stored, attempt.what.key.bucket if attempt else None)
            try:
                accepted = await self._commit(accepted, stored, attempt)
            except Clash:
                continue
            except _AnsweredMeanwhile:
                if (repeated := await self._repeat(submission, attempt)) is not None:
                    return repeated
                continue
            self._notifier.jobs_enqueued()
            return accepted
        raise Problem(Code.UNAVAILABLE, "No id could be found for this image. Try again in a moment.", retry_after=1)

    def _tokens(self, submission: Submission, image_id: int) -> tuple[Token | None, Token | None]:
        """Return the write and the read token of an image that is made like this."""
        if submission.key is not None:
            return None, None
        hidden = (submission.visibility or submission.kind.visibility) not in BY_LINK
        write_token = derive_token(self._server_key, Purpose.WRITE, image_id)
        return write_token, derive_token(self._server_key, Purpose.READ, image_id) if hidden else None

    def _draw(self, submission: Submission, stored: _Stored, bucket: int | None) -> Accepted:
        """Return the image as it will be, with an id (of this bucket, or any) and the tokens that derive from it."""
        image_id, now = self._clock.new_id(bucket), self._clock.now()
        write_token, read_token = self._tokens(submission, image_id)
        examined = stored.examined
        image = Image(
            id=image_id,
            tenant=submission.tenant,
            secret=secrets.randbits(64),
            owner=None,
            created_by=submission.key,
            kind=submission.kind.name,
            recipe=submission.kind.recipe,
            sha256=stored.sha256,
            source_sha256=stored.source_sha256,
            format=examined.format,
            width=examined.width,
            height=examined.height,
            frames=examined.frames,
            size=stored.size,
            title=submission.title,
            alt=submission.alt,
            tags=submission.tags,
            visibility=submission.visibility or submission.kind.visibility,
            state=State.PROCESSING,
            state_reason=None,
            version=1,
            thumbhash=None,
            dominant_color=None,
            write_token_hash=write_token.hash if write_token else None,
            read_token_hash=read_token.hash if read_token else None,
            created_at=now,
            updated_at=now,
            purged_at=None,
        )
        return Accepted(image, deduplicated=False, write_token=write_token, read_token=read_token)

    async def _commit(self, accepted: Accepted, stored: _Stored, attempt: _Attempt | None) -> Accepted:
        """Write everything in one transaction, and return what was accepted with what that found out."""
        image = accepted.image
        owner = image.tenant if image.created_by is not None else None
        tenant, sha256 = image.tenant, image.sha256
        async with self._database.transaction(tenant) as connection:
            await lock_blob_for_upload(connection, tenant=tenant, sha256=sha256, size=image.size, fmt=image.format)
            await self._store_again_if_purged(image, stored)
            duplicate = owner is not None and await owner_has(connection, tenant=tenant, sha256=sha256, owner=owner)
            await insert_ref(connection, tenant=tenant, sha256=sha256, image=image.id, version=1, owner=owner)
            await insert_image(connection, image, sanitiser_version=SANITISER_VERSION)
            await enqueue_process_image(connection, tenant=tenant, image=image.id, version=1)
            accepted = replace(accepted, deduplicated=duplicate)
            if attempt is not None:
                await _keep(connection, accepted, attempt)
        return accepted

    async def _store_again_if_purged(self, image: Image, stored: _Stored) -> None:
        key = original_key(image.tenant, image.sha256)
        if await self._blobs.head(key) is None:
            await self._blobs.put(key, stored.chunks, size=stored.size, sha256=stored.sha256.hex())


def _attempt(repeatable: Repeatable | None, submission: Submission, source_sha256: bytes) -> _Attempt | None:
    if repeatable is None:
        return None
    return _Attempt(Attempt(repeatable.key, submission.fingerprint(source_sha256)), repeatable.answer)


async def _keep(connection: Connection, accepted: Accepted, attempt: _Attempt) -> None:
    image, answer = accepted.image, attempt.answer(accepted)
    if not await keep_answer(connection, tenant=image.tenant, attempt=attempt.what, image=image.id, answer=answer):
        raise _AnsweredMeanwhile


async def _checked(incoming: Incoming) -> AsyncIterator[bytes]:
    """Give the chunks, refusing them as soon as they are too many or the first are those of no accepted image."""
    size, head, sniffed = 0, b"", False
    async for chunk in incoming.chunks():
        size += len(chunk)
        refuse_if_longer(size, incoming.kinds())
        if not sniffed:
            head += chunk[:SNIFF_BYTES]
            sniffed = len(head) >= SNIFF_BYTES
            if sniffed:
                _refuse_unless_accepted(head, incoming.kinds())
        yield chunk
    if size == 0:
        raise Problem(Code.UPLOAD_EMPTY, "The file is empty. Choose one that has bytes in it.")


def refuse_if_longer(size: int, kinds: tuple[UploadKind, ...]) -> None:
    """Raise `Problem` when `size` (bytes) is more than any of the kinds takes."""
    most = max(kind.limits.max_bytes for kind in kinds)
    if size > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(
        Code.IMAGE_TOO_LARGE, f"The file is larger than {most:,} bytes, the most that is accepted. Send a smaller one."
    )


def _refuse_unless_accepted(head: bytes, kinds: tuple[UploadKind, ...]) -> None:
    formats = frozenset[Format]().union(*(kind.limits.formats for kind in kinds))
    if sniff(head) not in formats:
        raise Problem(
            Code.IMAGE_UNSUPPORTED_FORMAT,
            f"These bytes are not an image of an accepted format. Send one of: {', '.join(sorted(formats)).upper()}.",
        )


def _sanitise(file: BinaryIO, source_sha256: bytes, kind: UploadKind) -> _Stored:
    source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    examined = examine(source, kind.limits)

    def chunks() -> Iterator[bytes | memoryview]:
        return stored_chunks(source, examined)

    if examined.clean:
        return _Stored(examined, source_sha256, source_sha256, len(source), chunks)
    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    return _Stored(examined, source_sha256, digest.digest(), size, chunks)
