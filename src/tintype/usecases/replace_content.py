"""The story of other bytes for the same image (`PUT /images/{id}/content`).

The bytes are taken in as an upload's are. Then one transaction: the new blob is claimed, the row locked and checked
once more, the references exchanged, the version raised, the jobs enqueued, every process told. From the commit on the
old bytes are nobody's: a URL of the old version leads to the new one, a job of the old version changes nothing, and the
file goes at once unless another image has the same bytes; the removal's own job is there for a crash between the two.

Locks are taken in the order of every story that needs both: the blob's row, then the image's. How it fails: a refusal
after the bytes were stored (somebody deleted the image meanwhile, or changed it against `If-Match`) has them removed.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from tintype.db.audit import record
from tintype.db.blobs import delete_refs, insert_ref, owner_has
from tintype.db.clock import DatabaseClock
from tintype.db.dead_letters import delete_dead_jobs_of_image
from tintype.db.image_life import save_content
from tintype.db.images import get_image, lock_image
from tintype.db.jobs import enqueue_process_image, enqueue_remove_blob
from tintype.db.notify import Notifier, notify_at_once
from tintype.db.pool import Connection, Database
from tintype.db.usage import count_usage
from tintype.domain.audit import Action
from tintype.domain.change import ChangeRequest, refuse_if_held, refuse_unless_live
from tintype.domain.errors import Code, Problem
from tintype.domain.image import IllegalMove, Image, State, move
from tintype.domain.kind import UploadKind
from tintype.domain.quota import DefaultQuotas, replaced
from tintype.imaging.examine import SANITISER_VERSION
from tintype.ports.blobs import BlobStoreFailed
from tintype.storage.intake import CleanBytes, Incoming, Intake
from tintype.storage.removal import discard


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is said about the bytes: the kind that the image has, and their SHA-256 when the caller knows it."""

    kind: UploadKind
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The image with its new bytes; `deduplicated` when the owner had them already."""

    image: Image
    deduplicated: bool


RemoveBlob = Callable[[int, bytes], Awaitable[bool]]
"""Removes a tenant's blob and its variants, unless an image has them; says whether."""


class ReplaceContent:
    """Gives images other bytes."""

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        clock: DatabaseClock,
        notifier: Notifier,
        remove_blob: RemoveBlob,
        quotas: DefaultQuotas,
    ) -> None:
        self._database = database
        self._quotas = quotas
        self._intake = intake
        self._clock = clock
        self._notifier = notifier
        self._remove_blob = remove_blob

    async def __call__(self, request: ChangeRequest, incoming: Incoming[Replacement]) -> Replaced:
        """Return the image with its new bytes, to be processed.

        `Problem` as `ChangeRequest.permitted` and the intake say; image.on_hold, conflict in the trash or in review.
        """
        await self._clock.refresh()
        async with self._database.transaction(request.tenant) as connection:
            self._refuse_unless_replaceable(request.permitted(await get_image(connection, request.image_id)))
        async with self._intake.receive(incoming) as received:
            clean = await received.cleaned()
            await self._intake.store(request.tenant, clean)
            try:
                old, outcome = await self._commit(request, received.submission.kind, clean)
            except Problem:
                with suppress(Problem):  # gc finds what even this leaves
                    await self._discard(request.tenant, clean)
                raise
        self._notifier.jobs_enqueued()
        if old.sha256 != outcome.image.sha256:
            with suppress(Problem, BlobStoreFailed):  # nobody sees the old bytes any more, and the job will try again
                await self._remove_blob(old.tenant, old.sha256)
        return outcome

    def _refuse_unless_replaceable(self, image: Image) -> None:
        refuse_unless_live(image, self._clock.now())
        refuse_if_held(image)
        if image.state is State.PROCESSING:
            return  # in work it is and stays, with other bytes
        try:
            move(image.state, State.PROCESSING)
        except IllegalMove as error:
            raise Problem(Code.CONFLICT, f"An image that is {image.state} cannot get other bytes.") from error

    async def _commit(self, request: ChangeRequest, kind: UploadKind, clean: CleanBytes) -> tuple[Image, Replaced]:
        """Exchange the bytes in one transaction and return the image before and after."""
        async with self._database.transaction(request.tenant) as connection:
            await self._intake.claim(connection, request.tenant, clean)
            old = request.permitted(await lock_image(connection, request.image_id))
            self._refuse_unless_replaceable(old)
            new = _with_content(old, kind, clean)
            deduplicated = await _exchange_references(connection, old, new)
            await save_content(connection, new, sanitiser_version=SANITISER_VERSION)
            await record(connection, request.entry(Action.IMAGE_REPLACED, new, version=new.version))
            await delete_dead_jobs_of_image(connection, tenant=new.tenant, image=new.id)
            await enqueue_process_image(connection, tenant=new.tenant, image=new.id, version=new.version)
            await notify_at_once(connection, new.id)
            image = await get_image(connection, new.id)
            change = replaced(old.size, new.size)
            await count_usage(connection, tenant=new.tenant, owner=new.owner, change=change, defaults=self._quotas)
        return old, Replaced(image or new, deduplicated)

    async def _discard(self, tenant: int, clean: CleanBytes) -> None:
        await discard(self._database, tenant, clean)
        self._notifier.jobs_enqueued()


def _with_content(image: Image, kind: UploadKind, clean: CleanBytes) -> Image:
    examined = clean.examined
    return replace(
        image,
        sha256=clean.sha256,
        source_sha256=clean.source_sha256,
        format=examined.format,
        width=examined.width,
        height=examined.height,
        frames=examined.frames,
        size=clean.size,
        recipe=kind.recipe,
        version=image.version + 1,
    )


async def _exchange_references(connection: Connection, old: Image, new: Image) -> bool:
    """Drop the old bytes' references, record the new, and return whether the owner had the new bytes already."""
    tenant, owner = new.tenant, new.uploader
    had = owner is not None and await owner_has(connection, tenant=tenant, sha256=new.sha256, owner=owner)
    await delete_refs(connection, tenant=tenant, sha256=old.sha256, image=old.id)
    await insert_ref(connection, tenant=tenant, sha256=new.sha256, image=new.id, version=new.version, owner=owner)
    if old.sha256 != new.sha256:
        await enqueue_remove_blob(connection, tenant=tenant, sha256=old.sha256)
    return had
