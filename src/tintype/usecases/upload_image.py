"""The story of an upload whose bytes come in the request (`POST /images`).

The bytes are taken in (`storage/intake.py`); then one transaction: its place, where there is one of its kind
(`storage/attaching.py`), blob, reference, image, job, usage. Only then is the upload acknowledged, and from then on it
is never lost. A request that has an Idempotency-Key leaves its answer in the same transaction: if that answer is lost
on its way, a repetition gets it again, and makes nothing new. Of attempts that run side by side with one key the first
to commit wins; the others wait for that, undo theirs, and repeat its answer. An upload that would pass a quota is
undone by the last statement of its transaction, and its bytes are removed.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Final

from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import find_answer, keep_answer
from tintype.db.notify import Notifier
from tintype.db.pool import Clash, Connection, Database
from tintype.db.usage import count_usage
from tintype.domain.actor import Actor
from tintype.domain.attachment import attach, lasting
from tintype.domain.audit import Requester
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, IdempotencyKey, answer_again, fingerprint
from tintype.domain.ids import bucket_of
from tintype.domain.image import Attachment, Image, State
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, uploaded
from tintype.domain.tokens import Purpose, Token, derive_token
from tintype.domain.visibility import BY_LINK, Visibility
from tintype.storage.commit import commit_image
from tintype.storage.intake import CleanBytes, Incoming, Intake
from tintype.storage.removal import discard

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What the caller says about the image. `actor` is whose credential they show, None for an anonymous upload."""

    tenant: int
    actor: Actor | None
    kind: UploadKind
    title: str | None = None
    alt: str | None = None
    tags: tuple[str, ...] = ()
    visibility: Visibility | None = None
    expires_in: timedelta | None = None
    attached_to: Attachment | None = None
    sha256: bytes | None = None
    """Of the file, when the caller knows it: other bytes are refused."""
    address: str | None = None
    """Where the caller is, as far as that may be written down."""
    source_url: str | None = field(default=None, repr=False)
    """Where the bytes are fetched, when they do not come in the request."""

    @property
    def by(self) -> Requester:
        """Who sends it, as the audit log knows them."""
        return Requester(self.actor, self.address)

    def fingerprint(self, source_sha256: bytes | None) -> bytes:
        """Return what tells this upload, of a file with that SHA-256, from another one of the same caller.

        What is fetched is told by where it lies: at its address there may be other bytes, or none, the next time.
        """
        said = {known.name: getattr(self, known.name) for known in fields(self) if known.name not in _NOT_SAID}
        fetched = {"source_url": self.source_url, "sha256": self.sha256} if self.source_url is not None else {}
        told = None if fetched else source_sha256
        return fingerprint("POST /images", said | {"kind": self.kind.name} | fetched, told)


_NOT_SAID: Final = frozenset({"tenant", "actor", "sha256", "address", "source_url"})
"""Who says it, what the file's own digest says, and what only some uploads have."""


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
    said: Submission | None = None
    """What is said, when that is complete before any byte comes: bytes are fetched for no repetition."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a repeatable upload, once everything is known about it."""

    what: Attempt
    answer: Callable[[Accepted], str]


class _AnsweredMeanwhile(Exception):
    """Another attempt with the same key came first; what this one wrote must be rolled back."""


class UploadImage:
    """Takes an image in."""

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        clock: DatabaseClock,
        notifier: Notifier,
        server_key: bytes,
        quotas: DefaultQuotas,
    ) -> None:
        self._database = database
        self._quotas = quotas
        self._intake = intake
        self._clock = clock
        self._notifier = notifier
        self._server_key = server_key

    async def __call__(
        self, incoming: Incoming[Submission], repeatable: Repeatable | None = None
    ) -> Accepted | Repeated:
        """Return the acknowledged image; `Problem` when it is refused, and then nothing of it is kept.

        `Repeated` when the request's key had its answer before: then nothing was done.
        """
        await self._clock.refresh()
        if repeatable is not None and (said := repeatable.said) is not None:
            repeated = await self._repeat(said, _attempt(repeatable, said, None))
            if repeated is not None:
                return repeated
        async with self._intake.receive(incoming) as received:
            submission = received.submission
            attempt = _attempt(repeatable, submission, received.source_sha256)
            if (repeated := await self._repeat(submission, attempt)) is not None:
                return repeated
            clean = await received.cleaned()
            attach(submission.kind, submission.attached_to, submission.actor)
            await self._intake.store(submission.tenant, clean)
            try:
                return await self._accept(submission, clean, attempt)
            except Problem as problem:
                if problem.code is Code.QUOTA_EXCEEDED:  # what else failed is rare, and gc's
                    await self._discard(submission.tenant, clean)
                raise

    async def _discard(self, tenant: int, clean: CleanBytes) -> None:
        with suppress(Problem):  # gc finds what even this leaves
            await discard(self._database, tenant, clean)
            self._notifier.jobs_enqueued()

    async def _repeat(self, submission: Submission, attempt: _Attempt | None) -> Repeated | None:
        """Return what an earlier attempt was answered, None when there was none; `Problem` when it was another."""
        if attempt is None:
            return None
        async with self._database.transaction(submission.tenant) as connection:
            kept = await find_answer(connection, tenant=submission.tenant, key=attempt.what.key)
        if kept is None:
            return None
        return Repeated(answer_again(attempt.what, kept), *self._tokens(submission, kept.image))

    async def _accept(self, submission: Submission, clean: CleanBytes, attempt: _Attempt | None) -> Accepted | Repeated:
        for _ in range(ID_ATTEMPTS):
            accepted = self._draw(submission, clean, _bucket(submission.actor, attempt))
            try:
                accepted = await self._commit(accepted, clean, attempt, submission)
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
        if submission.actor is not None:
            return None, None
        hidden = (submission.visibility or submission.kind.visibility) not in BY_LINK
        write_token = derive_token(self._server_key, Purpose.WRITE, image_id)
        return write_token, derive_token(self._server_key, Purpose.READ, image_id) if hidden else None

    def _draw(self, submission: Submission, clean: CleanBytes, bucket: int | None) -> Accepted:
        """Return the image as it will be, with an id (of this bucket, or any) and the tokens that derive from it."""
        image_id, now = self._clock.new_id(bucket, promised=False), self._clock.now()
        write_token, read_token = self._tokens(submission, image_id)
        kept = lasting(submission.kind, submission.attached_to, now=now, expires_in=submission.expires_in)
        examined = clean.examined
        image = Image(
            id=image_id,
            tenant=submission.tenant,
            secret=secrets.randbits(64),
            owner=submission.actor.account if submission.actor else None,
            created_by=submission.actor.key if submission.actor else None,
            kind=submission.kind.name,
            recipe=submission.kind.recipe,
            sha256=clean.sha256,
            source_sha256=clean.source_sha256,
            format=examined.format,
            width=examined.width,
            height=examined.height,
            frames=examined.frames,
            size=clean.size,
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
            expires_at=kept.expires_at,
            attached_to=submission.attached_to,
            attach_by=kept.attach_by,
            expires_attached=kept.expires_attached,
        )
        return Accepted(image, deduplicated=False, write_token=write_token, read_token=read_token)

    async def _commit(
        self, accepted: Accepted, clean: CleanBytes, attempt: _Attempt | None, submission: Submission
    ) -> Accepted:
        """Write everything in one transaction, and return what was accepted with what that found out."""
        image = accepted.image
        async with self._database.transaction(image.tenant) as connection:
            duplicate = await commit_image(
                connection, self._intake, image, clean, kind=submission.kind, by=submission.by
            )
            accepted = replace(accepted, deduplicated=duplicate)
            if attempt is not None:
                await _keep(connection, accepted, attempt)
            await count_usage(
                connection, tenant=image.tenant, owner=image.owner, change=uploaded(image.size), defaults=self._quotas
            )
        return accepted


def _attempt(repeatable: Repeatable | None, submission: Submission, source_sha256: bytes | None) -> _Attempt | None:
    if repeatable is None:
        return None
    return _Attempt(Attempt(repeatable.key, submission.fingerprint(source_sha256)), repeatable.answer)


def _bucket(actor: Actor | None, attempt: _Attempt | None) -> int | None:
    """Return where the image has to lie: with its account, else with the answer that is kept, else anywhere (None)."""
    if actor is not None and actor.account is not None:
        return bucket_of(actor.account)
    return attempt.what.key.bucket if attempt is not None else None


async def _keep(connection: Connection, accepted: Accepted, attempt: _Attempt) -> None:
    image, answer = accepted.image, attempt.answer(accepted)
    if not await keep_answer(connection, tenant=image.tenant, attempt=attempt.what, image=image.id, answer=answer):
        raise _AnsweredMeanwhile
