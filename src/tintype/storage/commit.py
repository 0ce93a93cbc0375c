"""The commit that every upload ends in, whichever door its bytes came by (design §5).

Within the caller's transaction: the blob's row and a reference to it, the image, the job that processes it, and, for an
avatar or a banner, its place in the account, under that row's lock. What the caller adds (an answer that is kept, the
end of a staged upload) is committed with it or not at all; usage is counted last (`db/usage.py`).

Locks are taken in one order: the account's, the blob's, the image's.
"""

from tintype.db.account_deletions import hold_active
from tintype.db.account_images import lock_place, take_place
from tintype.db.audit import record
from tintype.db.blobs import insert_ref
from tintype.db.image_life import trash
from tintype.db.images import insert_image, lock_image
from tintype.db.jobs import enqueue_process_image
from tintype.db.notify import notify_at_once
from tintype.db.pool import Connection
from tintype.domain.attachment import place_of
from tintype.domain.audit import Action, Entry, Requester, image_object
from tintype.domain.errors import Code, Problem
from tintype.domain.image import LIVE, Image, State, move
from tintype.imaging.examine import SANITISER_VERSION
from tintype.storage.intake import CleanBytes, Intake


async def commit_image(
    connection: Connection, intake: Intake, image: Image, clean: CleanBytes, *, by: Requester
) -> bool:
    """Write the image with these bytes, which are stored; return whether who sends it had them before.

    `Problem` auth.required when its account is closed. A clash of ids is psycopg's UniqueViolation.
    """
    tenant, sha256, owner = image.tenant, image.sha256, image.uploader
    replaced = await _lock_place(connection, image)
    if image.owner is not None and not await hold_active(connection, image.owner):
        raise Problem(Code.AUTH_REQUIRED, "This account is closed. Nothing was kept.")
    duplicate = await intake.claim(connection, tenant, clean, owner=owner)
    await insert_ref(connection, tenant=tenant, sha256=sha256, image=image.id, version=1, owner=owner)
    await insert_image(connection, image, sanitiser_version=SANITISER_VERSION)
    await _take_place(connection, image, replaced, by)
    await enqueue_process_image(connection, tenant=tenant, image=image.id, version=1)
    return duplicate


async def _lock_place(connection: Connection, image: Image) -> int | None:
    """Return which avatar or banner this one replaces, if any. The account's lock comes before every other."""
    place = place_of(image)
    if place is None or image.owner is None:
        return None
    active, before = await lock_place(connection, account=image.owner, place=place)
    if not active:
        raise Problem(Code.ACCOUNT_SUSPENDED, "This account is suspended or deleted.")
    return before


async def _take_place(connection: Connection, image: Image, before: int | None, by: Requester) -> None:
    """Make an avatar or a banner its account's one; the one that it replaces goes into the trash."""
    place = place_of(image)
    if place is None or image.owner is None:
        return
    await take_place(connection, account=image.owner, place=place, image=image.id, before=before)
    old = await lock_image(connection, before) if before is not None else None
    if old is None or old.state not in LIVE:
        return
    move(old.state, State.TRASHED)
    await trash(connection, old.id)
    detail = {"replaced_by": image_object(image.id)}
    entry = Entry(action=Action.IMAGE_TRASHED, by=by, account=old.owner, object=image_object(old.id), detail=detail)
    await record(connection, entry)
    await notify_at_once(connection, old.id)
