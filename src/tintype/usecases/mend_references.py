"""The story of references that do not fit their images.

A reference protects an image's bytes from being removed, so this comes before anything is removed: an image without one
gets it back, and only then goes what refers to nothing. Each is looked at again under the image's lock, which every
change of an image's bytes takes. How it fails: what is locked for too long is left for the next run.
"""

from collections.abc import Callable
from contextlib import suppress

from tintype.db.blobs import insert_ref, lock_blob_for_upload
from tintype.db.images import lock_image
from tintype.db.inventory import ImageFacts, Reference, image_facts, references_of
from tintype.db.pool import Database
from tintype.db.upkeep import delete_reference
from tintype.domain.errors import Problem
from tintype.domain.garbage import Find, Garbage, is_stale
from tintype.domain.ids import image_name
from tintype.domain.image import State
from tintype.storage.inventory import Inventory

Notice = Callable[[Find], None]


class MendReferences:
    """Writes references that are missing and removes those that are stale."""

    def __init__(self, *, database: Database, inventory: Inventory) -> None:
        self._database = database
        self._inventory = inventory

    async def __call__(self, tenant: int, *, dry_run: bool, notice: Notice) -> None:
        """Go through the tenant's images and references; `notice` is told of each that was (or would be) mended."""
        async for images in self._inventory.images(tenant):
            await self._mend_missing(tenant, images, dry_run=dry_run, notice=notice)
        async for references in self._inventory.references(tenant):
            await self._mend_stale(tenant, references, dry_run=dry_run, notice=notice)

    async def _mend_missing(self, tenant: int, images: list[ImageFacts], *, dry_run: bool, notice: Notice) -> None:
        async with self._database.transaction(tenant) as connection:
            held = await references_of(connection, tenant=tenant, sha256s=[image.sha256 for image in images])
        for image in images:
            if image.id not in {holder for holder, _ in held.get(image.sha256, ())}:
                with suppress(Problem):
                    if dry_run or await self._refer(tenant, image):
                        notice(Find(Garbage.MISSING_REFERENCE, image_name(image.id)))

    async def _refer(self, tenant: int, suspect: ImageFacts) -> bool:
        """Write the reference of an image that has none; the blob's row too, if that is gone as well."""
        async with self._database.transaction(tenant) as connection:
            image = await lock_image(connection, suspect.id)
            if image is None or image.state is State.PURGED:
                return False
            sha256 = image.sha256
            held = await references_of(connection, tenant=tenant, sha256s=[sha256])
            if image.id in {holder for holder, _ in held.get(sha256, ())}:
                return False
            await lock_blob_for_upload(connection, tenant=tenant, sha256=sha256, size=image.size, fmt=image.format)
            await insert_ref(
                connection, tenant=tenant, sha256=sha256, image=image.id, version=image.version, owner=image.uploader
            )
        return True

    async def _mend_stale(self, tenant: int, references: list[Reference], *, dry_run: bool, notice: Notice) -> None:
        async with self._database.transaction(tenant) as connection:
            images = await image_facts(connection, [reference.image for reference in references])
            held = await references_of(connection, tenant=tenant, sha256s=[held.sha256 for held in references])
        for reference in references:
            if _is_stale(reference, images.get(reference.image), held):
                with suppress(Problem):
                    if dry_run or await self._drop(tenant, reference):
                        notice(
                            Find(Garbage.STALE_REFERENCE, f"{reference.sha256.hex()} of {image_name(reference.image)}")
                        )

    async def _drop(self, tenant: int, suspect: Reference) -> bool:
        async with self._database.transaction(tenant) as connection:
            await lock_image(connection, suspect.image)  # no bytes come or go for it meanwhile; gone, it stays gone
            images = await image_facts(connection, [suspect.image])
            held = await references_of(connection, tenant=tenant, sha256s=[suspect.sha256])
            if not _is_stale(suspect, images.get(suspect.image), held):
                return False
            return await delete_reference(connection, tenant=tenant, reference=suspect)


def _is_stale(reference: Reference, image: ImageFacts | None, held: dict[bytes, set[tuple[int, int]]]) -> bool:
    alive = image is not None and image.state is not State.PURGED
    return is_stale(
        (reference.sha256, reference.version),
        image_sha256=image.sha256 if image is not None and alive else None,
        image_version=image.version if image is not None else 0,
        others={version for holder, version in held.get(reference.sha256, ()) if holder == reference.image},
    )
