"""Rows held against each other: images, references, blobs and variants, as one snapshot shows them."""

from tintype.db.inventory import ImageFacts, Reference, digests_of, freeze, image_facts, references_of, sizes_of
from tintype.domain.garbage import is_stale
from tintype.domain.ids import image_name
from tintype.domain.image import State
from tintype.domain.invariant import Invariant
from tintype.domain.keys import original_key
from tintype.usecases.verify.run import Run

Holders = dict[bytes, set[tuple[int, int]]]


async def verify_rows(run: Run, tenant: int) -> None:
    """Go through the tenant's images and references."""
    async for images in run.inventory.images(tenant):
        await _verify_images(run, tenant, [image.id for image in images])
    async for references in run.inventory.references(tenant):
        await _verify_references(run, tenant, references)


async def _verify_images(run: Run, tenant: int, ids: list[int]) -> None:
    async with run.database.transaction(tenant) as connection:
        await freeze(connection)
        facts = await image_facts(connection, ids)
        images = [image for image in facts.values() if image.state is not State.PURGED]
        sha256s = {image.sha256 for image in images}
        sizes = await sizes_of(connection, tenant=tenant, sha256s=sha256s)
        holders = await references_of(connection, tenant=tenant, sha256s=sha256s)
        digests = await digests_of(connection, tenant=tenant, sha256s=sha256s)
    for image in images:
        _verify_image(run, image, sizes.get(image.sha256), holders, digests.get(image.sha256, set()))
        if image.sha256 not in sizes and await run.blobs.head(original_key(tenant, image.sha256)) is None:
            run.accuse(Invariant.DURABLE, f"the bytes of {image_name(image.id)} are lost, and their row, too")


def _verify_image(run: Run, image: ImageFacts, size: int | None, holders: Holders, digests: set[str]) -> None:
    name, sha256 = image_name(image.id), image.sha256.hex()
    if image.id not in {holder for holder, _ in holders.get(image.sha256, ())}:
        run.accuse(Invariant.REFERENCES, f"{name} has no reference to its bytes {sha256}")
    if size is None:
        run.accuse(Invariant.REFERENCES, f"{name} has no blob: {sha256}")
    elif size != image.size:
        run.accuse(Invariant.REFERENCES, f"{name} has {image.size} bytes, and its blob {sha256} has {size}")
    missing = image.eager - digests if image.state is State.READY else frozenset()
    for digest in sorted(missing):
        run.accuse(Invariant.REFERENCES, f"{name} is ready without the variant {digest} of {sha256}")


async def _verify_references(run: Run, tenant: int, suspects: list[Reference]) -> None:
    async with run.database.transaction(tenant) as connection:
        await freeze(connection)
        images = await image_facts(connection, [suspect.image for suspect in suspects])
        holders = await references_of(connection, tenant=tenant, sha256s=[suspect.sha256 for suspect in suspects])
    for suspect in suspects:
        if (suspect.image, suspect.version) in holders.get(suspect.sha256, ()):
            _verify_reference(run, suspect, images.get(suspect.image), holders)


def _verify_reference(run: Run, reference: Reference, image: ImageFacts | None, holders: Holders) -> None:
    name, sha256 = image_name(reference.image), reference.sha256.hex()
    versions = {version for holder, version in holders[reference.sha256] if holder == reference.image}
    if image is None:
        run.accuse(Invariant.REFERENCES, f"{name}, which refers to {sha256}, is not there")
    elif image.state is State.PURGED:
        run.accuse(Invariant.DELETED, f"{name} is purged and still refers to {sha256}")
    elif image.sha256 != reference.sha256:
        run.accuse(Invariant.REFERENCES, f"{name} refers to {sha256}, which it has no more")
    elif is_stale(
        (reference.sha256, reference.version),
        image_sha256=image.sha256,
        image_version=image.version,
        others=versions,
    ):
        run.accuse(Invariant.IDEMPOTENT, f"{name} refers to {sha256} in version {reference.version}, too")
