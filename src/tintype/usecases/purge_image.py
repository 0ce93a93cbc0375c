"""The story of a deletion that is final.

One transaction empties the row (a stub goes on answering 410), drops its references, records what led to it, tells
every process, and enqueues the rest; a job will ask every address of the image whether anything is served there. Then
the purge is written to the journal in the blob store, so that no restored backup brings the image back, and, if nothing
else of the tenant uses them, the bytes go, at once; the job is there for the crash or failure between the two. On a
full disk the bytes go first: they make room for the journal.

Whether something uses the bytes is asked after the commit and under the blob's row lock: of two deletions at once, each
would still see the other's reference before. The lock orders an upload of the same bytes, too: it either comes first,
and then they stay, or waits, finds them gone and stores them again. What is removed is what lies in the store, recorded
or not: a worker that was killed between storing variants and recording them left files that no row knows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tintype.db.attachments import forget_image
from tintype.db.audit import record
from tintype.db.blobs import delete_blob, delete_refs, lock_blob_for_purge, prove_lock
from tintype.db.dead_letters import delete_dead_jobs_of_image
from tintype.db.idempotency import forget_answers
from tintype.db.images import empty_image, lock_image
from tintype.db.jobs import enqueue_finish_purge, enqueue_prove_purge
from tintype.db.notify import notify_at_once
from tintype.db.pool import Connection, Database
from tintype.db.purges import Cause, insert_purge
from tintype.db.usage import count_usage
from tintype.db.variants import VariantRow, list_variants
from tintype.db.views import delete_views
from tintype.domain.attachment import slot_named_by
from tintype.domain.audit import NOBODY, Action, Entry, Requester, image_object
from tintype.domain.change import ChangeRequest, refuse_if_held
from tintype.domain.errors import Problem
from tintype.domain.image import Image, State
from tintype.domain.keys import original_key, variant_prefix
from tintype.domain.kind import UploadKind
from tintype.domain.purge import Purge
from tintype.domain.quota import purged
from tintype.ports.blobs import BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.storage.purge_journal import PurgeJournal

ANSWER_SECONDS: Final = 2.0
"""How long a delete waits for the bytes to be gone. It is final before; a good disk needs some milliseconds."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What leads to an image from outside: the paths it is served at, and the tags that caches know it by."""

    paths: tuple[str, ...]
    cache_tags: tuple[str, ...]


class PurgeImage:
    """Deletes images for good."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        kinds_of: Callable[[int], Awaitable[Mapping[str, UploadKind]]],
        traces: Callable[[Image, Sequence[VariantRow], Mapping[str, UploadKind]], Traces],
    ) -> None:
        """`kinds_of` gives a tenant's kinds: by their presets variants lie in the store."""
        self._finishing: set[asyncio.Task[None]] = set()
        self._database = database
        self._blobs = blobs
        self._journal = PurgeJournal(blobs)
        self._kinds_of = kinds_of
        self._traces = traces

    async def __call__(self, request: ChangeRequest) -> None:
        """Purge the image; `Problem` as `ChangeRequest.permitted` says, and image.on_hold."""
        kinds = await self._kinds_of(request.tenant)
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            refuse_if_held(image)
            purge = await self._empty(connection, image, kinds, Cause.REQUEST, by=request.by)
        await self._finish_soon(purge)

    async def due(self, *, tenant: int, image_id: int, cause: Cause, before: datetime) -> bool:
        """Purge the image if it has been due since `before`, and return whether it was."""
        kinds = await self._kinds_of(tenant)
        async with self._database.transaction(tenant) as connection:
            image = await lock_image(connection, image_id)
            if image is None or not _is_due(image, cause, before):
                return False
            purge = await self._empty(connection, image, kinds, cause)
        await self._finish_soon(purge)
        return True

    async def again(self, tenant: int, image_id: int) -> bool:
        """Purge an image that came back though it was purged, hold or not; return whether it was there."""
        kinds = await self._kinds_of(tenant)
        async with self._database.transaction(tenant) as connection:
            image = await lock_image(connection, image_id)
            if image is None or image.state is State.PURGED:
                return False
            purge = await self._empty(connection, image, kinds, Cause.REQUEST)
        await self._finish_soon(purge)
        return True

    async def with_account(self, tenant: int, image_id: int, account: int) -> bool:
        """Purge an image of an account that is deleted, unless a hold keeps it; return whether it was purged."""
        kinds = await self._kinds_of(tenant)
        async with self._database.transaction(tenant) as connection:
            image = await lock_image(connection, image_id)
            if image is None or image.owner != account or image.hold or image.state is State.PURGED:
                return False
            purge = await self._empty(connection, image, kinds, Cause.ACCOUNT)
        await self._finish_soon(purge)
        return True

    async def finish(self, purge: Purge) -> None:
        """Write the purge to the journal and remove the bytes. May be repeated."""
        try:
            await self._journal.append(purge)
        except BlobStoreFull:
            await self._remove_bytes(purge)
            await self._journal.append(purge)
        await self._remove_bytes(purge)

    async def _finish_soon(self, purge: Purge) -> None:
        """Finish the purge while whoever asked for it waits, and behind their back when the disk takes its time.

        It is not cut off: a removal that has begun holds the blob's lock to its end.
        """
        finishing = asyncio.create_task(self._finish_or_leave_it(purge))
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        await asyncio.wait({finishing}, timeout=ANSWER_SECONDS)
        if finishing.done():
            finishing.result()

    async def _finish_or_leave_it(self, purge: Purge) -> None:
        with suppress(Problem, BlobStoreFailed, BlobStoreFull):  # deleted it is, and the job will try again
            await self.finish(purge)

    async def _empty(
        self,
        connection: Connection,
        image: Image,
        kinds: Mapping[str, UploadKind],
        cause: Cause,
        *,
        by: Requester = NOBODY,
    ) -> Purge:
        made = await list_variants(connection, tenant=image.tenant, sha256=image.sha256)
        traces = self._traces(image, made, kinds)
        await insert_purge(connection, image, cause, paths=traces.paths, cache_tags=traces.cache_tags)
        purged_at = await empty_image(connection, image.id)
        purge = Purge(image.tenant, image.id, (image.sha256,), purged_at)
        await forget_answers(connection, tenant=image.tenant, image=image.id)
        if (slot := slot_named_by(image)) is not None:
            await forget_image(connection, slot, tenant=image.tenant, image=image.id)
        await delete_refs(connection, tenant=image.tenant, sha256=image.sha256, image=image.id)
        await delete_dead_jobs_of_image(connection, tenant=image.tenant, image=image.id)
        await enqueue_finish_purge(connection, purge)
        await enqueue_prove_purge(connection, tenant=image.tenant, image=image.id)
        await delete_views(connection, image.id)
        await record(connection, _entry(image, cause, by))
        await count_usage(connection, tenant=image.tenant, owner=image.owner, change=purged(image.size))
        await notify_at_once(connection, image.id)
        return purge

    async def _remove_bytes(self, purge: Purge) -> None:
        for sha256 in purge.sha256s:
            await self.remove_blob(purge.tenant, sha256)

    async def remove_blob(self, tenant: int, sha256: bytes) -> bool:
        """Remove the bytes and every variant, unless an image refers to them; return whether. May be repeated.

        The original goes first: what an upload of the same bytes looks for must not be what goes last. And the lock is
        proved anew before each file: a connection that was lost has lost it, and the files may be somebody's again.
        """
        presets = _presets(await self._kinds_of(tenant))
        async with self._database.transaction(tenant) as connection:
            if not await lock_blob_for_purge(connection, tenant=tenant, sha256=sha256):
                return False
            rows = await list_variants(connection, tenant=tenant, sha256=sha256)
            recorded = {row.key(tenant=tenant, sha256=sha256) for row in rows}
            variants = recorded | await self._stored_variants(tenant, sha256, presets)
            for key in (original_key(tenant, sha256), *variants):
                await prove_lock(connection)
                await self._blobs.delete(key)
            await delete_blob(connection, tenant=tenant, sha256=sha256)
        return True

    async def _stored_variants(self, tenant: int, sha256: bytes, presets: AbstractSet[str]) -> set[str]:
        prefixes = [variant_prefix(tenant, preset, sha256) for preset in presets]
        return {found.key for prefix in prefixes async for found in self._blobs.list(prefix)}


def _presets(kinds: Mapping[str, UploadKind]) -> AbstractSet[str]:
    return {preset.name for kind in kinds.values() for preset in kind.recipe.presets}


def _entry(image: Image, cause: Cause, by: Requester) -> Entry:
    detail = {"cause": cause}
    return Entry(action=Action.IMAGE_PURGED, by=by, account=image.owner, object=image_object(image.id), detail=detail)


def _is_due(image: Image, cause: Cause, before: datetime) -> bool:
    if image.hold or image.state is State.PURGED:
        return False
    since = image.trashed_at if cause is Cause.TRASH else image.expires_at
    return since is not None and since <= before
