"""The story of a legal hold: while it lasts, the bytes of an image stay, whoever wants them gone.

A hold refuses purges and replacements, by people and by sweeps. It changes nothing about who sees the image, and the
trash is open to it: out of sight is not destroyed.
"""

from tintype.db.audit import record
from tintype.db.image_life import set_hold
from tintype.db.images import lock_image
from tintype.db.notify import notify_at_once
from tintype.db.pool import Database
from tintype.domain.actor import Scope
from tintype.domain.audit import Action
from tintype.domain.change import ChangeRequest
from tintype.domain.errors import Code, Problem


class HoldImage:
    """Puts images on hold and lifts that."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self, request: ChangeRequest, *, hold: bool) -> None:
        """Put the image on hold, or lift it; either may be repeated.

        `Problem` as `ChangeRequest.permitted` says, and auth.forbidden for whoever may do no more than delete it.
        """
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            if request.actor is None or not request.actor.may(Scope.IMAGES_HOLD, tenant=image.tenant, owner=None):
                raise Problem(Code.AUTH_FORBIDDEN, "A legal hold is the operator's. Send an API key as Bearer.")
            if image.hold is not hold:
                await set_hold(connection, image.id, hold=hold)
                done = Action.IMAGE_HELD if hold else Action.IMAGE_RELEASED
                await record(connection, request.entry(done, image))
                await notify_at_once(connection, image.id)
