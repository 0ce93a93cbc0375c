"""The story of everything that a person has here, in one file: a zip with their originals and what is recorded.

One export of an account at a time: whoever asks while one is under way gets that one. A job makes the file in staging,
hashing what it reads, and gives it to the blob store when it is whole; the row says how far it is. It may be cut off at
any moment and is then made anew, under the same id. An image that was purged meanwhile is left out, one whose bytes are
damaged is named as such. The file is gone after some days, with the account, or when another export is asked for.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final

import msgspec

from tintype.db.account_deletions import lock_state
from tintype.db.account_exports import (
    UNDER_WAY,
    Export,
    begin_export,
    fail_export,
    finish_export,
    get_export,
    has_export_job,
    images_of,
    note_progress,
)
from tintype.db.audit import AuditFilter, audit_page, record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import answered_before, keep_or_undo, undone_once
from tintype.db.images import get_images
from tintype.db.jobs import enqueue_export_account
from tintype.db.notify import Notifier
from tintype.db.personal_data import PERSONAL_TABLES, rows_of
from tintype.db.pool import Database
from tintype.domain.audit import Action, Entry, Requester, account_object
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt, superseded
from tintype.domain.ids import bucket_of
from tintype.domain.image import Image
from tintype.domain.keys import export_key, original_key
from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed
from tintype.ports.staging import Staging
from tintype.storage.zip_archive import ZipArchive

PAGE: Final = 100
"""Images, or entries of the log, that are asked for at once; after so many the progress is told."""

README: Final = """This is what is kept of your account.

originals/    every image that you have, as it is stored
images.jsonl  what is said of each of them; `file` is null where the bytes could not be had
audit.jsonl   what was done by you and to your account
the others    what each is called

A .jsonl file has a JSON value on each line. No file holds a password, a token or a key.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The export that was asked for; `again` says that it was before, with the same Idempotency-Key."""

    export: Export
    again: bool


class ExportAccount:
    """Makes exports."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        staging: Staging,
        clock: DatabaseClock,
        notifier: Notifier,
        keep: timedelta,
    ) -> None:
        """`keep` is how long the file is there."""
        self._database = database
        self._blobs = blobs
        self._staging = staging
        self._clock = clock
        self._notifier = notifier
        self._keep = keep

    async def request(self, *, tenant: int, account: int, by: Requester, attempt: Attempt | None = None) -> Asked:
        """Return the export that is under way from now on, or that an earlier attempt asked for, as it is now.

        `Problem`: not_found without an account, conflict when there is another one by now, idempotency.mismatch.
        """
        await self._clock.refresh()
        asked, replaced = await undone_once(lambda: self._ask(tenant, account, by, attempt))
        self._notifier.jobs_enqueued()
        if replaced is not None:
            with suppress(BlobStoreFailed):  # the sweep finds it
                await self._blobs.delete(export_key(tenant, account, replaced))
        return asked

    async def _ask(self, tenant: int, account: int, by: Requester, attempt: Attempt | None) -> tuple[Asked, int | None]:
        """Return the export, and the id of the one whose place it takes."""
        async with self._database.transaction(tenant) as connection:
            if await lock_state(connection, account) != "active":
                raise Problem(Code.NOT_FOUND, "There is no such account.")
            before = await get_export(connection, account)
            kept = await answered_before(connection, tenant=tenant, attempt=attempt)
            if kept is not None:
                return Asked(_the_one_of(kept.image, before), again=True), None
            if before is not None and before.state in UNDER_WAY and await has_export_job(connection, before.id):
                await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=before.id)
                return Asked(before, again=False), None
            export = self._clock.new_id(bucket_of(account))
            await keep_or_undo(connection, tenant=tenant, attempt=attempt, made=export)
            await begin_export(connection, tenant=tenant, account=account, export=export)
            await enqueue_export_account(connection, tenant=tenant, account=account, export=export)
            named = account_object(account)
            await record(connection, Entry(action=Action.EXPORT_ASKED, by=by, account=account, object=named))
            begun = await get_export(connection, account)
        if begun is None:
            raise LookupError(account)
        return Asked(begun, again=False), before.id if before is not None else None

    async def make(self, *, tenant: int, account: int, export: int) -> None:
        """Make the file: the job. May be repeated, and cut off at any moment."""
        async with self._database.transaction(tenant) as connection:
            if not await note_progress(connection, account=account, export=export, done=0):
                return
        try:
            await self._make(tenant, account, export)
        except Exception:
            with suppress(Problem):  # the database is away: the next attempt says how it went
                async with self._database.transaction(tenant) as connection:
                    await fail_export(connection, account=account, export=export)
            raise

    async def _make(self, tenant: int, account: int, export: int) -> None:
        key = export_key(tenant, account, export)
        await self._clock.refresh()
        async with self._staging.open() as staged:
            archive = ZipArchive(staged)
            await self._fill(archive, tenant, account, export)
            await archive.close()
            file, sha256 = await staged.finish()
            size = staged.size
            await self._blobs.delete(key)  # of an attempt that was cut off
            await self._blobs.put(key, lambda: _chunks(file), size=size, sha256=sha256.hex(), file=file)
        async with self._database.transaction(tenant) as connection:
            wanted = await finish_export(connection, account=account, export=export, size=size, keep=self._keep)
        if not wanted:
            await self._blobs.delete(key)

    async def _fill(self, archive: ZipArchive, tenant: int, account: int, export: int) -> None:
        now = self._clock.now()
        await archive.add("README.txt", _once(README.encode()), at=now)
        for table in PERSONAL_TABLES:
            if table.select is not None:
                async with self._database.transaction(tenant) as connection:
                    rows = [row async for row in rows_of(connection, table, account)]
                await archive.add(f"{table.name}.jsonl", _once(msgspec.json.Encoder().encode_lines(rows)), at=now)
        missing = await self._add_originals(archive, tenant, account, export)
        await archive.add("images.jsonl", self._images(tenant, account, missing), at=now)
        await archive.add("audit.jsonl", self._audit(tenant, account), at=now)

    async def _add_originals(self, archive: ZipArchive, tenant: int, account: int, export: int) -> set[int]:
        """Add the originals; return the images whose bytes could not be had as they were stored."""
        missing, done = set[int](), 0
        async for image in self._each_image(tenant, account):
            try:
                chunks = await self._blobs.read(original_key(tenant, image.sha256))
            except BlobMissing:  # purged or replaced meanwhile
                missing.add(image.id)
                continue
            hashed = _Hashed(chunks)
            await archive.add(_name(image), hashed, at=image.created_at)
            if hashed.sha256 != image.sha256:
                missing.add(image.id)
            done += 1
            if done % PAGE == 0:
                await self._tell(tenant, account, export, done)
        await self._tell(tenant, account, export, done)
        return missing

    async def _tell(self, tenant: int, account: int, export: int, done: int) -> None:
        async with self._database.transaction(tenant) as connection:
            await note_progress(connection, account=account, export=export, done=done)

    async def _each_image(self, tenant: int, account: int) -> AsyncIterator[Image]:
        last = 0
        while True:
            async with self._database.transaction(tenant) as connection:
                ids = await images_of(connection, tenant=tenant, owner=account, after=last, limit=PAGE)
                images = await get_images(connection, ids) if ids else ()
            for image in images:
                yield image
            if len(ids) < PAGE:
                return
            last = ids[-1]

    async def _images(self, tenant: int, account: int, missing: set[int]) -> AsyncIterator[bytes]:
        encode = msgspec.json.Encoder().encode_lines
        async for image in self._each_image(tenant, account):
            yield encode([_described(image, None if image.id in missing else _name(image))])

    async def _audit(self, tenant: int, account: int) -> AsyncIterator[bytes]:
        encode, before = msgspec.json.Encoder().encode_lines, (1 << 63) - 1
        while True:
            async with self._database.transaction(tenant) as connection:
                wanted = AuditFilter(account=account)
                rows = await audit_page(connection, wanted, before=before, limit=PAGE)
            yield encode([_told(row, account) for row in rows])
            if len(rows) < PAGE:
                return
            before = rows[-1].id


def _the_one_of(export: int, latest: Export | None) -> Export:
    """Return the account's export if it is still this one; `Problem` conflict when its place was taken."""
    if latest is None or latest.id != export:
        raise superseded()
    return latest


def _told(row: Any, account: int) -> dict[str, Any]:  # noqa: ANN401 -- a row of the log
    """Return an entry, without who of the staff it was."""
    own = row.actor == account or (row.actor is None and row.key is None)
    return {
        "at": _time(row.at),
        "action": row.action,
        "result": row.result,
        "by": "you" if row.actor == account else ("somebody without a credential" if own else "staff"),
        "address": row.address if own else None,
        "object": row.object,
        "detail": row.detail,
    }


def _described(image: Image, name: str | None) -> dict[str, Any]:
    return {
        "id": str(image.ref),
        "file": name,
        "kind": image.kind,
        "state": image.state,
        "title": image.title,
        "alt": image.alt,
        "tags": image.tags,
        "visibility": image.visibility,
        "version": image.version,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "bytes": image.size,
        "sha256": image.sha256.hex(),
        "attached_to": f"{image.attached_to.type}:{image.attached_to.id}" if image.attached_to is not None else None,
        "created_at": _time(image.created_at),
        "expires_at": _time(image.expires_at) if image.expires_at is not None else None,
    }


def _name(image: Image) -> str:
    return f"originals/{image.ref}.{image.format.extension}"


def _time(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Hashed:
    """Gives chunks, and knows their SHA-256 at the end."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self._hash.update(chunk)
            yield chunk

    @property
    def sha256(self) -> bytes:
        """The digest of what was given."""
        return self._hash.digest()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _chunks(file: BinaryIO) -> Any:  # noqa: ANN401 -- an iterator of bytes
    file.seek(0)
    return iter(lambda: file.read(1 << 18), b"")
