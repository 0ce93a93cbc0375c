"""The story of variants: the job makes every eager one before the image is ready; the others are made when asked for.

Both decode once, store content-addressed files, and then record them in a transaction that keeps the blob from being
purged meanwhile. How it fails: a file that cannot be decoded is a verdict (`rejected`), never retried; anything else
raises, and the queue retries it with backoff. A job may run twice, late or beside another: files are named by what made
them, and the image changes only if it still has the version and a state that allows it. When the blob was purged while
we rendered, what we stored is removed again.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from tintype.db.blobs import delete_blob, is_referenced, lock_blob_for_upload, share_blob
from tintype.db.images import Outcome, get_image, mark_ready, mark_unusable
from tintype.db.notify import Notifier
from tintype.db.pool import Connection, Database
from tintype.db.variants import VariantRow, list_variants, upsert_variants
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image, State
from tintype.domain.keys import original_key, variant_key, variant_key_of
from tintype.domain.transform import Variant
from tintype.ports.blobs import BlobMissing, BlobStore, BlobStoreFailed, BlobStoreFull
from tintype.ports.renderer import (
    CannotDecode,
    Description,
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
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._renderer = renderer
        self._notifier = notifier
        self._observe_render = observe_render
        self._under_way: dict[tuple[int, bytes, str], asyncio.Task[VariantRow]] = {}

    async def process(self, *, tenant: int, image_id: int, version: int) -> None:
        """Make every eager variant of the image and settle its state. Does nothing for a version that is past."""
        async with self._database.transaction(tenant) as connection:
            image = await get_image(connection, image_id)
        if image is None or image.version != version or image.state is not State.PROCESSING:
            return
        try:
            rendered = await self._render(image, image.recipe.eager, describe=True)
        except CannotDecode:
            await self._settle(image, State.REJECTED, Code.IMAGE_MALFORMED)
            return
        rows = await self._store(image, image.recipe.eager, rendered.variants)
        await self._finish(image, rows, rendered.description)

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
            task = asyncio.create_task(self._make_one(image, variant))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _make_one(self, image: Image, variant: Variant) -> VariantRow:
        try:
            return await self._made_meanwhile(image, variant) or await self._make_now(image, variant)
        except CannotDecode as error:
            raise Problem(Code.IMAGE_NOT_READY, "This image is damaged and cannot be shown in other sizes.") from error
        except BlobMissing as error:
            raise _gone() from error
        except (RendererBusy, RendererFailed, SourceDamaged, BlobStoreFailed, BlobStoreFull) as error:
            raise Problem(
                Code.UNAVAILABLE,
                "This size cannot be made right now. Try again in a moment.",
                retry_after=RETRY_SECONDS,
            ) from error

    async def _make_now(self, image: Image, variant: Variant) -> VariantRow:
        rendered = await self._render(image, (variant,), describe=False)
        rows = await self._store(image, (variant,), rendered.variants)
        async with self._database.transaction(image.tenant) as connection:
            kept = await self._record(connection, image, rows)
        if not kept:
            await self._remove(image, (variant,))
            raise _gone()
        return rows[0]

    async def _made_meanwhile(self, image: Image, variant: Variant) -> VariantRow | None:
        """Return the variant if a render that ended after the caller had looked has made it."""
        async with self._database.transaction(image.tenant) as connection:
            rows = await list_variants(connection, tenant=image.tenant, sha256=image.sha256)
        row = next((row for row in rows if row.digest == variant.output.digest), None)
        if row is None:
            return None
        key = variant_key_of(image.tenant, row.preset, image.sha256, row.digest, row.format)
        return row if await self._blobs.head(key) is not None else None

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

    async def _store(
        self, image: Image, variants: tuple[Variant, ...], rendered: tuple[RenderedVariant, ...]
    ) -> tuple[VariantRow, ...]:
        pairs = list(zip(variants, rendered, strict=True))
        return tuple(await asyncio.gather(*(self._store_one(image, variant, file) for variant, file in pairs)))

    async def _store_one(self, image: Image, variant: Variant, file: RenderedVariant) -> VariantRow:
        key = variant_key(image.tenant, variant.preset, image.sha256, variant.output)
        digest = hashlib.sha256(file.data).hexdigest()
        await self._blobs.put(key, lambda: (file.data,), size=len(file.data), sha256=digest)
        output = variant.output
        return VariantRow(output.digest, variant.preset, output.format, file.width, file.height, len(file.data))

    async def _finish(self, image: Image, rows: tuple[VariantRow, ...], description: Description | None) -> None:
        if description is None:
            raise TypeError("the renderer was asked for a description and gave none")
        outcome = Outcome(thumbhash=description.thumbhash, dominant_color=description.dominant_color)
        async with self._database.transaction(image.tenant) as connection:
            kept = await self._record(connection, image, rows)
            if kept:
                await mark_ready(connection, image.id, version=image.version, outcome=outcome)
        if kept:
            self._notifier.image_changed(image.id)
        else:
            await self._remove(image, image.recipe.eager)

    async def _record(self, connection: Connection, image: Image, rows: tuple[VariantRow, ...]) -> bool:
        """Record the files, unless the blob was purged; return whether it is still there."""
        kept = await share_blob(connection, tenant=image.tenant, sha256=image.sha256)
        if kept:
            await upsert_variants(connection, tenant=image.tenant, sha256=image.sha256, rows=rows)
        return kept

    async def _remove(self, image: Image, variants: tuple[Variant, ...]) -> None:
        """Remove what was stored for a blob that is gone; unless the same bytes came again, whose files these are now.

        The row is made to have its lock: an upload of the same bytes comes before us, or waits until we are done.
        """
        tenant, sha256 = image.tenant, image.sha256
        async with self._database.transaction(tenant) as connection:
            await lock_blob_for_upload(connection, tenant=tenant, sha256=sha256, size=image.size, fmt=image.format)
            if await is_referenced(connection, tenant=tenant, sha256=sha256):
                return
            for variant in variants:
                await self._blobs.delete(variant_key(tenant, variant.preset, sha256, variant.output))
            await self._blobs.delete(original_key(tenant, sha256))
            await delete_blob(connection, tenant=tenant, sha256=sha256)

    async def _settle(self, image: Image, state: State, reason: str) -> None:
        async with self._database.transaction(image.tenant) as connection:
            await mark_unusable(connection, image.id, version=image.version, state=state, reason=reason)
        self._notifier.image_changed(image.id)


def _gone() -> Problem:
    return Problem(Code.IMAGE_GONE, "This image was deleted.")
