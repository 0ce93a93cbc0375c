"""The story of a signed URL: who may give an image away by an address, and until when.

Whoever may read an image of their own, or of the tenant's, may hand on what they read. The URL is stored nowhere: the
same question within a window has the same answer. Who asked is written down, in the same transaction; a tenant's first
key is made in the one that first needs it. Of a request with an Idempotency-Key the end is kept, and a repetition is
signed until then.
"""

from dataclasses import dataclass
from typing import Final

from tintype.db.audit import record
from tintype.db.clock import DatabaseClock
from tintype.db.idempotency import AnsweredMeanwhile, answered_before, keep_or_undo
from tintype.db.images import get_image
from tintype.db.pool import Clash, Database
from tintype.domain.audit import Action
from tintype.domain.change import ChangeRequest, refuse_unless_live
from tintype.domain.errors import Code, Problem
from tintype.domain.idempotency import Attempt
from tintype.domain.image import SERVED, Image
from tintype.domain.signing import SigningKey, expiry
from tintype.storage.signing_keys import SigningKeys

ATTEMPTS: Final = 3
"""Two processes that make a tenant's first key at once: one of them reads the other's."""


@dataclass(frozen=True, slots=True)
class Signing:
    """What an address is signed with: the key, the image as it is, and until when, in seconds since 1970."""

    key: SigningKey
    image: Image
    expires: int
    again: bool
    """Whether an earlier attempt with the same Idempotency-Key was told this end."""


class SignUrl:
    """Lets addresses be signed."""

    def __init__(self, *, database: Database, clock: DatabaseClock, keys: SigningKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys

    async def __call__(
        self, request: ChangeRequest, size: str, lifetime: int, attempt: Attempt | None = None
    ) -> Signing:
        """Return what an address of this size of the image is signed with that is to live for `lifetime` seconds.

        `Problem` as `ChangeRequest.permitted` says, image.gone when it has expired, conflict when it is in the trash,
        image.not_ready when nothing of it is shown, idempotency.mismatch.
        """
        await self._clock.refresh()
        for _ in range(ATTEMPTS):
            try:
                return await self._sign(request, size, lifetime, attempt)
            except (Clash, AnsweredMeanwhile):
                continue
        raise Problem(Code.UNAVAILABLE, "No key could be made to sign with. Try again in a moment.", retry_after=1)

    async def _sign(self, request: ChangeRequest, size: str, lifetime: int, attempt: Attempt | None) -> Signing:
        async with self._database.transaction(request.tenant) as connection:
            image = request.permitted(await get_image(connection, request.image_id))
            now = self._clock.now()
            refuse_unless_live(image, now)
            if image.state not in SERVED:
                raise Problem(Code.IMAGE_NOT_READY, f"This image is {image.state}: there is nothing to show.")
            key = await self._keys.signing(connection, image.tenant, request.by)
            kept = await answered_before(connection, tenant=image.tenant, attempt=attempt)
            expires = int(kept.answer) if kept and kept.answer else expiry(now.timestamp(), lifetime)
            if kept is None:
                answer = str(expires)
                await keep_or_undo(connection, tenant=image.tenant, attempt=attempt, made=image.id, answer=answer)
            await record(connection, request.entry(Action.URL_SIGNED, image, size=size, expires=expires, kid=key.kid))
        return Signing(key, image, expires, again=kept is not None)
