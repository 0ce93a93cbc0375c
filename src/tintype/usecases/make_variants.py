"""The story of variants: the job makes every eager one before the image is ready; the others are made when asked for.

Both decode once, and then store content-addressed files and record them in one transaction, which keeps the blob from
being purged meanwhile: a purge waits, and finds whatever a killed process had stored, or comes first, and nothing is
stored. How it fails: a file that cannot be decoded is a verdict (`rejected`), never retried; anything else raises, and
the queue retries it with backoff. However many ask for a variant, one renders it: within a process they share a task,
between processes a claim with a lease decides, and the others look until it is there. A job may run twice, late or
beside another: files are named by what made them, and the image changes only if it still has the version and a state
that allows it.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

import structlog

from tintype.db.blobs import keep_blob
from tintype.db.images import Outcome, get_image, mark_ready, mark_unusable
from tintype.db.jobs import enqueue_make_variant
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.render_claims import RenderClaims
from tintype.db.variants import VariantRow, delete_variant, insert_variants, list_variants
from tintype.domain.errors import Code, Kind, Problem
from tintype.domain.image import SERVED, Image, State
from tintype.domain.keys import original_key
from tintype.domain.transform import Variant
from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.ports.renderer import (
    CannotDecode,
    Rendered,
    RenderedVariant,
    Renderer,
    RendererBusy,
    RendererFailed,
    RenderRequest,
    SourceDamaged,
)

FAILED_REASON: Final = "processing.failed"
RETRY_SECONDS: Final = 2

LOOK_SECONDS: Final = 0.1
"""Before the second look whether the variant that another process is making is there: a render takes this long. Each
pause after it is half as long again …"""

MOST_LOOK_SECONDS: Final = 1.0
"""… up to this: what takes longer waits for a decoder."""

MOST_STORED_AT_ONCE: Final = 2
"""Images whose variants a process stores at once. Each holds a connection of eight while the disk writes: where that
takes long, requests still find one."""

_VERDICTS: Final = frozenset({Kind.GONE, Kind.CONFLICT})
"""What stays so however often it is tried."""


class MakeVariants:
    """Renders, stores and records variants."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        renderer: Renderer,
        notifier: Notifier,
        observe_render: Callable[[float], None],
        most_under_way: int,
    ) -> None:
        """At most `most_under_way` variants are made or waited for at once; who wants another is told to come again."""
        self._database = database
        self._blobs = blobs
        self._renderer = renderer
        self._notifier = notifier
        self._observe_render = observe_render
        self._log = structlog.get_logger("tintype.variants")
        self._most_under_way = most_under_way
        self._claims = RenderClaims(database)
        self._storing = asyncio.Semaphore(MOST_STORED_AT_ONCE)
        self._under_way: dict[tuple[int, bytes, str], asyncio.Task[VariantRow]] = {}

    async def process(self, *, tenant: int, image_id: int, version: int) -> None:
        """Make every eager variant of the image and settle its state. Does nothing for a version that is past."""
        async with self._database.transaction(tenant) as connection:
            image = await get_image(connection, image_id)
        if image is None or image.version != version or image.state is not State.PROCESSING:
            return
        try:
            rendered = await self._render(image, image.recipe.eager, describe=True)
        except CannotDecode as error:
            self._log.warning("image_rejected", image=image.id, reason=str(error))
            await self._settle(image, State.REJECTED, Code.IMAGE_MALFORMED)
            return
        await self._finish(image, rendered)

    async def give_up(self, *, tenant: int, image_id: int, version: int) -> None:
        """Record that the last attempt failed: the image is `failed`, which can be retried."""
        async with self._database.transaction(tenant) as connection:
            image = await get_image(connection, image_id)
        if image is not None and image.version == version:
            await self._settle(image, State.FAILED, FAILED_REASON)

    async def on_demand(self, image: Image, variant: Variant) -> VariantRow:
        """Return the variant, made now; everybody who asks for it meanwhile shares one render.

        `Problem` when it cannot be made. A caller who goes away does not stop the render for the others.
        """
        key = (image.tenant, image.sha256, variant.output.digest)
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= self._most_under_way:
                raise _not_now() from RendererBusy(f"{len(self._under_way)} variants are being made")
            task = asyncio.create_task(self._make_one(image, variant))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def later(self, image: Image, variant: Variant) -> None:
        """Have the variant made by a job, behind the uploads that wait; once, however many ask."""
        async with self._database.transaction(image.tenant) as connection:
            new = await enqueue_make_variant(
                connection,
                tenant=image.tenant,
                image=image.id,
                version=image.version,
                variant=variant,
                sha256=image.sha256,
            )
        if new:
            self._notifier.jobs_enqueued()

    async def make_later(self, *, tenant: int, image_id: int, version: int, variant: Variant) -> None:
        """Make the variant that a job stands for. Does nothing for what is past, or cannot be made."""
        async with self._database.transaction(tenant) as connection:
            image = await get_image(connection, image_id)
        if image is None or image.version != version or image.state not in SERVED:
            return
        try:
            await self.on_demand(image, variant)
        except Problem as problem:
            if problem.code.kind not in _VERDICTS:
                raise

    async def _make_one(self, image: Image, variant: Variant) -> VariantRow:
        try:
            return await self._make_once(image, variant)
        except CannotDecode as error:
            raise Problem(Code.IMAGE_NOT_READY, "This image is damaged and cannot be shown in other sizes.") from error
        except BlobMissing as error:
            raise _gone() from error
        except (RendererBusy, RendererFailed, SourceDamaged, BlobStoreFailed, BlobStoreFull) as error:
            raise _not_now() from error

    async def _make_once(self, image: Image, variant: Variant) -> VariantRow:
        """Return the variant, rendered by whoever has the claim: this process or another one."""
        digest, pause = variant.output.digest, LOOK_SECONDS
        while True:
            async with self._claims.claimed(tenant=image.tenant, sha256=image.sha256, digest=digest) as ours:
                if ours:
                    return await self._made_meanwhile(image, variant) or await self._make_now(image, variant)
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, MOST_LOOK_SECONDS)

    async def _make_now(self, image: Image, variant: Variant) -> VariantRow:
        rendered = await self._render(image, (variant,), describe=False)
        async with self._storing, self._database.transaction(image.tenant) as connection:
            recorded = await self._store(connection, image, (variant,), rendered.variants)
        if recorded is None:
            raise _gone()
        self._notifier.image_changed(image.id)
        return recorded[0]

    async def _made_meanwhile(self, image: Image, variant: Variant) -> VariantRow | None:
        """Return the variant if a render that ended after the caller had looked has made it."""
        async with self._database.transaction(image.tenant) as connection:
            rows = await list_variants(connection, tenant=image.tenant, sha256=image.sha256)
        row = next((row for row in rows if row.digest == variant.output.digest), None)
        return row if row is not None and await self._is_there(image, row) else None

    async def _is_there(self, image: Image, row: VariantRow) -> bool:
        return await self._blobs.head(row.key(tenant=image.tenant, sha256=image.sha256)) is not None

    async def _render(self, image: Image, variants: tuple[Variant, ...], *, describe: bool) -> Rendered:
        request = RenderRequest(
            sha256=image.sha256.hex(),
            format=image.format,
            outputs=tuple(variant.output for variant in variants),
            describe=describe,
        )
        async with self._blobs.open(original_key(image.tenant, image.sha256)) as source:
            rendered = await self._renderer.render(request, source)
        self._observe_render(rendered.decode_seconds)
        return rendered

    async def _put(
        self, image: Image, variants: tuple[Variant, ...], rendered: tuple[RenderedVariant, ...]
    ) -> list[VariantRow]:
        """Put the files into the store; no write is under way when this ends, however it does."""
        pairs = list(zip(variants, rendered, strict=True))
        puts = [asyncio.create_task(self._store_one(image, variant, file)) for variant, file in pairs]
        await asyncio.gather(*puts, return_exceptions=True)
        return [put.result() for put in puts]

    async def _store_one(self, image: Image, variant: Variant, file: RenderedVariant) -> VariantRow:
        output, size, digest = variant.output, len(file.data), hashlib.sha256(file.data)
        row = VariantRow(
            output.digest, variant.preset, output.format, file.width, file.height, size, file_sha256=digest.digest()
        )
        key = row.key(tenant=image.tenant, sha256=image.sha256)
        await self._blobs.put(key, lambda: (file.data,), size=size, sha256=digest.hexdigest())
        return row

    async def _finish(self, image: Image, rendered: Rendered) -> None:
        description = rendered.description
        if description is None:
            raise TypeError("the renderer was asked for a description and gave none")
        outcome = Outcome(thumbhash=description.thumbhash, dominant_color=description.dominant_color)
        async with self._storing, self._database.transaction(image.tenant) as connection:
            recorded = await self._store(connection, image, image.recipe.eager, rendered.variants)
            if recorded is not None:
                await mark_ready(connection, image.id, version=image.version, outcome=outcome)
        if recorded is not None:
            self._notifier.image_changed(image.id)

    async def _store(
        self,
        connection: Connection,
        image: Image,
        variants: tuple[Variant, ...],
        rendered: tuple[RenderedVariant, ...],
    ) -> tuple[VariantRow, ...] | None:
        """Store the files, record them and return what is recorded of each: ours, or what somebody had recorded before.

        None, and nothing is stored, when the blob was purged. Until the transaction ends no purge and no `gc`, which
        removes files that no row knows, comes between: they lock the blob's row.
        """
        tenant, sha256 = image.tenant, image.sha256
        if not await keep_blob(connection, tenant=tenant, sha256=sha256):
            return None
        rows = await self._put(image, variants, rendered)
        await insert_variants(connection, tenant=tenant, sha256=sha256, rows=rows)
        recorded = {row.digest: row for row in await list_variants(connection, tenant=tenant, sha256=sha256)}
        return tuple([await self._prefer(connection, image, row, recorded[row.digest]) for row in rows])

    async def _prefer(self, connection: Connection, image: Image, ours: VariantRow, recorded: VariantRow) -> VariantRow:
        """Return what was recorded first, if its file is there, and drop our file; else record ours in its place."""
        if recorded.file_sha256 == ours.file_sha256:
            return recorded
        tenant, sha256 = image.tenant, image.sha256
        if await self._is_there(image, recorded):
            await self._blobs.delete(ours.key(tenant=tenant, sha256=sha256))
            return recorded
        await delete_variant(connection, tenant=tenant, sha256=sha256, row=recorded)
        await insert_variants(connection, tenant=tenant, sha256=sha256, rows=(ours,))
        return ours

    async def _settle(self, image: Image, state: State, reason: str) -> None:
        async with self._database.transaction(image.tenant) as connection:
            await mark_unusable(connection, image.id, version=image.version, state=state, reason=reason)
        self._notifier.image_changed(image.id)


def _not_now() -> Problem:
    return Problem(
        Code.UNAVAILABLE, "This size cannot be made right now. Try again in a moment.", retry_after=RETRY_SECONDS
    )


def _gone() -> Problem:
    return Problem(Code.IMAGE_GONE, "This image was deleted.")
