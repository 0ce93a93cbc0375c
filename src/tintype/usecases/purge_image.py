"""The story of a deletion that is final.

One transaction empties the row (a stub goes on answering 410), drops its references, tells every process, and enqueues
the removal of the bytes. Then, if nothing else of the tenant uses them, the bytes go, at once; the job is there for the
crash or failure between the two. Whether something uses them is asked after the commit and under the blob's row lock:
of two deletions at once, each would still see the other's reference before. The lock orders an upload of the same
bytes, too: it either comes first, and then they stay, or waits, finds them gone and stores them again. What is removed
is what lies in the store, recorded or not: a worker that was killed between storing variants and recording them left
files that no row knows.
"""

from contextlib import suppress

from tintype.db.blobs import delete_blob, delete_refs, lock_blob_for_purge, prove_lock
from tintype.db.images import empty_image, lock_image
from tintype.db.jobs import enqueue_remove_blob
from tintype.db.notify import notify_image_gone
from tintype.db.pool import Database
from tintype.db.variants import list_variants
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image, State
from tintype.domain.keys import original_key, variant_prefix
from tintype.domain.tokens import Token
from tintype.domain.visibility import BY_LINK
from tintype.ports.blobs import BlobStore, BlobStoreFailed


class PurgeImage:
    """Deletes images for good."""

    def __init__(self, *, database: Database, blobs: BlobStore, presets: frozenset[str]) -> None:
        """`presets` are the names of all that there are: variants lie in the store by them."""
        self._database = database
        self._blobs = blobs
        self._presets = presets

    async def __call__(self, *, tenant: int, image_id: int, manages: int | None, token: Token | None) -> None:
        """Purge the image for the holder of the tenant's API key or of the image's write token.

        `Problem`: auth.required without either, auth.forbidden with a wrong one, image.gone when it was purged before.
        """
        async with self._database.transaction(tenant) as connection:
            image = await lock_image(connection, image_id)
            _refuse_unless_allowed(image, manages, token)
            if image is None:
                return
            await empty_image(connection, image_id)
            await delete_refs(connection, tenant=tenant, sha256=image.sha256, image=image_id)
            await enqueue_remove_blob(connection, tenant=tenant, sha256=image.sha256)
            await notify_image_gone(connection, image_id)
        with suppress(Problem, BlobStoreFailed):  # deleted it is, and the job will try again
            await self.remove_blob(tenant=tenant, sha256=image.sha256)

    async def remove_blob(self, *, tenant: int, sha256: bytes) -> None:
        """Remove the bytes and every variant, unless an image refers to them. May be repeated.

        The original goes first: what an upload of the same bytes looks for must not be what goes last. And the lock is
        proved anew before each file: a connection that was lost has lost it, and the files may be somebody's again.
        """
        async with self._database.transaction(tenant) as connection:
            if not await lock_blob_for_purge(connection, tenant=tenant, sha256=sha256):
                return
            rows = await list_variants(connection, tenant=tenant, sha256=sha256)
            recorded = {row.key(tenant=tenant, sha256=sha256) for row in rows}
            variants = recorded | await self._stored_variants(tenant, sha256)
            for key in (original_key(tenant, sha256), *variants):
                await prove_lock(connection)
                await self._blobs.delete(key)
            await delete_blob(connection, tenant=tenant, sha256=sha256)

    async def _stored_variants(self, tenant: int, sha256: bytes) -> set[str]:
        prefixes = [variant_prefix(tenant, preset, sha256) for preset in self._presets]
        return {found.key for prefix in prefixes async for found in self._blobs.list(prefix)}


def _refuse_unless_allowed(image: Image | None, manages: int | None, token: Token | None) -> None:
    if image is None:
        raise Problem(Code.NOT_FOUND, "There is no such image.")
    if image.state is State.PURGED:
        raise Problem(Code.IMAGE_GONE, "This image was deleted. Nothing of it is left.")
    if manages == image.tenant or (
        token is not None and token.id == image.id and token.matches(image.write_token_hash)
    ):
        return
    if image.visibility not in BY_LINK:  # to a stranger it is not there
        raise Problem(Code.NOT_FOUND, "There is no such image.")
    if manages is None and token is None:
        raise Problem(Code.AUTH_REQUIRED, "Send the image's delete token as Upload-Token, or an API key as Bearer.")
    raise Problem(Code.AUTH_FORBIDDEN, "This token does not belong to the image.")
