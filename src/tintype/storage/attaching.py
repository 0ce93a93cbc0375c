"""What somebody shows of a thing: an account's avatar and banner, and the one image of a kind that has one per owner.

Whichever door an image comes by, it takes its place in the transaction that makes it, before any other lock: the
account's row, or the place's own, then the image that was there, which goes into the trash. So of two that are sent at
once one stays, and who locks an image first and a blob after it waits for nobody in a circle.
"""

from tintype.db.account_images import lock_place, take_place
from tintype.db.attachments import image_in, take_over, take_slot
from tintype.db.audit import record
from tintype.db.image_life import trash
from tintype.db.images import get_image, lock_image
from tintype.db.notify import notify_at_once
from tintype.db.pool import Connection
from tintype.domain.attachment import place_of, slot_of
from tintype.domain.audit import Action, Entry, Requester, image_object
from tintype.domain.errors import Code, Problem
from tintype.domain.image import LIVE, Image, State, move
from tintype.domain.kind import UploadKind


async def claim_place(connection: Connection, image: Image, kind: UploadKind | None, by: Requester) -> None:
    """Make the image the one that is shown, if its kind has one; the one before goes into the trash.

    `Problem` account.suspended when it is the avatar or banner of an account that is not active.
    """
    place, slot, before = place_of(image), slot_of(image, kind), None
    if place is not None and image.owner is not None:
        active, before = await lock_place(connection, account=image.owner, place=place)
        if not active:
            raise Problem(Code.ACCOUNT_SUSPENDED, "This account is suspended or deleted.")
        await take_place(connection, account=image.owner, place=place, image=image.id, before=before)
    elif slot is not None:
        before = await take_slot(connection, slot, tenant=image.tenant, image=image.id)
    if before is not None and before != image.id:
        await _put_away(connection, before, image, by)


async def reclaim_place(connection: Connection, image: Image, kind: UploadKind | None) -> None:
    """Have an image that comes back from the trash be the one that is shown again; the caller has its lock.

    `Problem` conflict when another one is shown by now.
    """
    slot = slot_of(image, kind)
    shown = await image_in(connection, slot, tenant=image.tenant) if slot is not None else None
    if slot is None or shown is None or shown == image.id:
        return
    other = await get_image(connection, shown)
    free = other is None or other.state not in LIVE
    if not (free and await take_over(connection, slot, tenant=image.tenant, image=image.id, before=shown)):
        message = "Another image of this kind has taken its place. Delete that one first."
        raise Problem(Code.CONFLICT, message)


async def _put_away(connection: Connection, before: int, image: Image, by: Requester) -> None:
    old = await lock_image(connection, before)
    if old is None or old.state not in LIVE:
        return
    move(old.state, State.TRASHED)
    await trash(connection, old.id)
    detail = {"replaced_by": image_object(image.id)}
    entry = Entry(action=Action.IMAGE_TRASHED, by=by, account=old.owner, object=image_object(old.id), detail=detail)
    await record(connection, entry)
    await notify_at_once(connection, old.id)
