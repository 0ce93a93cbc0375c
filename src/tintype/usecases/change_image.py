"""The story of a change to what is said of an image: its words, who sees it, until when, what it belongs to.

The row is locked, the change is made to what is there now, and every process is told with the commit: who may not see
the picture any more must not see it from somebody's memory. A change that changes nothing leaves everything as it is,
ETag included.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.image_life import save_details
from tintype.db.images import get_image, lock_image
from tintype.db.notify import notify_at_once
from tintype.db.pool import Database
from tintype.domain.audit import Action
from tintype.domain.change import ChangeRequest, refuse_unless_live
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.image import Image
from tintype.domain.kind import UploadKind
from tintype.domain.tokens import Purpose, Token, derive_token
from tintype.domain.visibility import BY_LINK
from tintype.storage.attaching import claim_place

Edit = Callable[[Image], Image]
"""Returns the image as it should be. Only what is said of it counts."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The image as it is now; with a read token when the change hid an anonymous image, whose owner needs one."""

    image: Image
    read_token: Token | None


class ChangeImage:
    """Changes what is said of images."""

    def __init__(self, *, database: Database, clock: DatabaseClock, server_key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._server_key = server_key

    async def __call__(self, request: ChangeRequest, edit: Edit, kind: UploadKind | None) -> Changed:
        """Return the changed image; `kind` is what its kind is now, None when there is none of the name any more.

        `Problem` as `ChangeRequest.permitted` says, image.gone when it has expired, conflict when it is in the trash,
        request.invalid for an expiry that is past.
        """
        await self._clock.refresh()
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await lock_image(connection, request.image_id))
            refuse_unless_live(image, self._clock.now())
            wanted, read_token = self._with_token(image, edit(image))
            self._refuse_past(image, wanted)
            if wanted == image:
                return Changed(image, read_token)
            if image.attached_to is None and wanted.attached_to is not None:
                await claim_place(connection, wanted, kind, request.by)
            await save_details(connection, wanted)
            if wanted.visibility is not image.visibility:
                seen = {"before": image.visibility.value, "after": wanted.visibility.value}
                await record(connection, request.entry(Action.VISIBILITY_CHANGED, image, **seen))
            await notify_at_once(connection, image.id)
            return Changed(await get_image(connection, image.id) or wanted, read_token)

    def _with_token(self, image: Image, wanted: Image) -> tuple[Image, Token | None]:
        hides = wanted.visibility not in BY_LINK and image.visibility in BY_LINK
        if not hides or image.uploader is not None:
            return wanted, None
        token = derive_token(self._server_key, Purpose.READ, image.id)
        return replace(wanted, read_token_hash=token.hash), token

    def _refuse_past(self, image: Image, wanted: Image) -> None:
        if wanted.expires_at != image.expires_at and wanted.expired(self._clock.now()):
            message = "This time is past. Name one that is to come, or delete the image."
            raise Problem(Code.REQUEST_INVALID, message, errors=(FieldError("expires_at", message),))
