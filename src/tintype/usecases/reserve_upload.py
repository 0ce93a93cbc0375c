"""The story of an upload that is asked for before its bytes come (REQUEST).

What can be known beforehand is asked now: the kind's limits, what the image may belong to, the quota. All of it is
asked again when the bytes are examined, because a day may pass. One transaction writes the upload's row, keeps the
answer for repetitions, and counts the declared size as if it were there, so that uploads which are under way at once
never pass a quota together. The image's id is drawn here: whoever asks has it before the first byte.

How it fails: nothing is written. A reservation of which nothing comes is returned when it is aborted or expires.
"""

import secrets
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Final

from tintype.db.account_deletions import hold_active
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.pool import Clash, Database
from tintype.db.uploads import get_upload, insert_upload
from tintype.db.usage import count_usage
from tintype.domain.actor import Actor
from tintype.domain.attachment import attach
from tintype.domain.errors import Code, Problem
from tintype.domain.format import Format
from tintype.domain.idempotency import Attempt, IdempotencyKey, fingerprint
from tintype.domain.ids import bucket_of
from tintype.domain.image import Attachment
from tintype.domain.kind import UploadKind
from tintype.domain.parts import part_size_of
from tintype.domain.quota import DefaultQuotas, reserved
from tintype.domain.tokens import Purpose, Token, derive_token
from tintype.domain.upload import Method, Upload, UploadState, no_upload
from tintype.domain.visibility import Visibility
from tintype.storage.direct_staging import DirectStaging
from tintype.storage.intake import refuse_if_longer, telling_of_storage

ID_ATTEMPTS: Final = 3
"""Two ids of one bucket and millisecond clash one time in 512; three clashes in a row mean a broken clock."""

_ANY_TYPE: Final = frozenset({"application/octet-stream", "binary/octet-stream"})
"""What clients say that do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What is said of an upload and its image. `actor` is whose credential was shown, None for a stranger."""

    tenant: int
    actor: Actor | None
    method: Method
    kind: UploadKind
    size: int | None
    """Bytes; None when they are not known yet, which a resumable upload alone may say."""
    content_type: str | None = None
    sha256: bytes | None = None
    filename: str | None = None
    title: str | None = None
    alt: str | None = None
    tags: tuple[str, ...] = ()
    visibility: Visibility | None = None
    expires_in: timedelta | None = None
    attached_to: Attachment | None = None
    address: str | None = None
    """Where the caller is, as far as that may be written down."""

    def fingerprint(self) -> bytes:
        """Return what tells this reservation from another one of the same caller."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NOT_SAID}
        sha256 = self.sha256.hex() if self.sha256 else None
        return fingerprint("POST /uploads", said | {"kind": self.kind.name, "sha256": sha256})


_NOT_SAID: Final = frozenset({"tenant", "actor", "address"})
"""Who says it."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation with its tokens; `repeated` when it was made by an earlier request with the same key."""

    upload: Upload
    write_token: Token
    read_token: Token
    repeated: bool = False


class ReserveUpload:
    """Reserves uploads."""

    def __init__(
        self,
        *,
        database: Database,
        clock: DatabaseClock,
        server_key: bytes,
        quotas: DefaultQuotas,
        keep: timedelta,
        direct: DirectStaging | None = None,
    ) -> None:
        """`keep` is how long the bytes may take to come; `direct` how clients write to the store by themselves."""
        self._direct = direct
        self._database = database
        self._clock = clock
        self._server_key = server_key
        self._quotas = quotas
        self._keep = keep

    async def __call__(self, reservation: Reservation, key: IdempotencyKey | None = None) -> Reserved:
        """Return the reserved upload; `Problem` when it is refused, and then nothing is written."""
        check(reservation)
        await self._clock.refresh()
        attempt = Attempt(key, reservation.fingerprint()) if key is not None else None
        for _ in range(ID_ATTEMPTS):
            if (before := await self._made_before(reservation.tenant, attempt)) is not None:
                return before
            made = await self._begun(self._draw(reservation, _bucket(reservation.actor, key)))
            try:
                await self._write(made.upload, attempt)
            except (Clash, AnsweredMeanwhile):
                await self._drop(made.upload)
                continue
            except Problem:
                await self._drop(made.upload)
                raise
            return made
        raise Problem(Code.UNAVAILABLE, "No id could be found for this upload. Try again in a moment.", retry_after=1)

    async def _begun(self, made: Reserved) -> Reserved:
        """Return the reservation with what the store calls its upload in parts, where clients write there."""
        if self._direct is None:
            return made
        with telling_of_storage():
            return replace(made, upload=await self._direct.begin(made.upload))

    async def _drop(self, upload: Upload) -> None:
        if self._direct is not None:
            await self._direct.drop(upload)

    async def _made_before(self, tenant: int, attempt: Attempt | None) -> Reserved | None:
        if attempt is None:
            return None
        async with self._database.transaction(tenant) as connection:
            kept = await answered_before(connection, tenant=tenant, attempt=attempt)
            upload = await get_upload(connection, kept.image) if kept is not None else None
        if kept is None:
            return None
        if upload is None:
            raise no_upload()
        return Reserved(upload, *self._tokens(upload.id), repeated=True)

    async def _write(self, upload: Upload, attempt: Attempt | None) -> None:
        async with self._database.transaction(upload.tenant) as connection:
            if upload.owner is not None and not await hold_active(connection, upload.owner):
                raise Problem(Code.AUTH_REQUIRED, "This account is closed. Nothing was kept.")
            await insert_upload(connection, upload)
            await keep_or_undo(connection, tenant=upload.tenant, attempt=attempt, made=upload.id)
            change = reserved(upload.reserved)
            await count_usage(
                connection, tenant=upload.tenant, owner=upload.owner, change=change, defaults=self._quotas
            )

    def _tokens(self, upload_id: int) -> tuple[Token, Token]:
        return (
            derive_token(self._server_key, Purpose.WRITE, upload_id),
            derive_token(self._server_key, Purpose.READ, upload_id),
        )

    def _draw(self, reservation: Reservation, bucket: int | None) -> Reserved:
        """Return the upload as it will be, with an id (of this bucket, or any) and the tokens that derive from it."""
        upload_id, now = self._clock.new_id(bucket, promised=True), self._clock.now()
        write_token, read_token = self._tokens(upload_id)
        actor, kind, size = reservation.actor, reservation.kind, reservation.size
        in_parts = reservation.method is Method.MULTIPART and size is not None
        upload = Upload(
            id=upload_id,
            tenant=reservation.tenant,
            secret=secrets.randbits(64),
            owner=actor.account if actor else None,
            created_by=actor.key if actor else None,
            method=reservation.method,
            state=UploadState.REQUESTED,
            size=size,
            content_type=reservation.content_type,
            sha256=reservation.sha256,
            filename=reservation.filename,
            reserved=size or 0,
            part_size=part_size_of(size) if in_parts and size else None,
            kind=kind.name,
            title=reservation.title,
            alt=reservation.alt,
            tags=reservation.tags,
            visibility=reservation.visibility or kind.visibility,
            expires_in=reservation.expires_in or kind.expires_in,
            attached_to=reservation.attached_to,
            write_token_hash=write_token.hash,
            read_token_hash=read_token.hash,
            address=reservation.address,
            created_at=now,
            updated_at=now,
            expires_at=now + self._keep,
        )
        return Reserved(upload, write_token, read_token)


def check(reservation: Reservation) -> None:
    """Raise `Problem` for what can be refused before a byte comes."""
    kind, size = reservation.kind, reservation.size
    if size == 0:
        raise Problem(Code.UPLOAD_EMPTY, "The file is empty. Choose one that has bytes in it.")
    if size is not None:
        refuse_if_longer(size, (kind,))
    _refuse_type(reservation.content_type, kind)
    attach(kind, reservation.attached_to, reservation.actor)


def _refuse_type(content_type: str | None, kind: UploadKind) -> None:
    """Raise `Problem` for a media type that no accepted image has; the bytes decide, where it might be one."""
    if content_type is None or content_type in _ANY_TYPE:
        return
    refused = {fmt.media_type for fmt in Format} - {fmt.media_type for fmt in kind.limits.formats}
    if content_type in refused or not content_type.startswith("image/"):
        accepted = ", ".join(sorted(kind.limits.formats)).upper()
        raise Problem(Code.IMAGE_UNSUPPORTED_FORMAT, f"{content_type} is not accepted here. Send one of: {accepted}.")


def _bucket(actor: Actor | None, key: IdempotencyKey | None) -> int | None:
    """Return where the image has to lie: with its account, else with the answer that is kept, else anywhere (None)."""
    if actor is not None and actor.account is not None:
        return bucket_of(actor.account)
    return key.bucket if key is not None else None
