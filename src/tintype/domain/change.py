"""What somebody asks who wants to change an image: who they are to it, and which state of it they mean.

Both are checked by every story of a change, under the row's lock, so that of two people who change the same state one
is told that it is not the state any more (RFC 9110 §13.1.1).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tintype.domain.actor import Actor, Scope
from tintype.domain.audit import Action, Entry, Requester, image_object
from tintype.domain.errors import Code, Problem
from tintype.domain.image import Image, State
from tintype.domain.tokens import Token
from tintype.domain.visibility import BY_LINK

PENDING_RETRY_SECONDS: Final = 1
"""When to ask again for an image whose bytes are being examined: most are by then."""


def entity_tag(image: Image) -> str:
    """Return the strong ETag of the image's JSON: another one after every change that a client can see."""
    return f'"{image.version}-{image.revision}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """A wish to change one image."""

    tenant: int
    image_id: int
    actor: Actor | None = None
    """Whose credential the caller shows; None for a stranger."""
    scope: Scope = Scope.IMAGES_WRITE
    """What the change needs."""
    token: Token | None = None
    """The write token that the caller shows."""
    expected: frozenset[str] | None = None
    """The ETags of `If-Match`; None when any state will do."""
    address: str | None = None
    """Where the caller is, as far as that may be written down."""

    @property
    def by(self) -> Requester:
        """Who asks, as the audit log knows them."""
        return Requester(self.actor, self.address)

    def entry(self, action: Action, image: Image, **detail: str | int | bool | None) -> Entry:
        """Return what the audit log says once this was done to the image."""
        return Entry(action=action, by=self.by, account=image.owner, object=image_object(image.id), detail=detail)

    def permitted(self, image: Image | None) -> Image:
        """Return the image that may be changed.

        `Problem`: not_found, image.gone, auth.required without a credential, auth.forbidden with a wrong one,
        precondition_failed when the image is not in an expected state.
        """
        if image is None:
            raise Problem(Code.NOT_FOUND, "There is no such image.")
        if image.state is State.PURGED:
            raise Problem(Code.IMAGE_GONE, "This image was deleted. Nothing of it is left.")
        if not owns(image, self.actor, self.token, self.scope):
            raise self._refusal(image)
        if self.expected is not None and entity_tag(image) not in self.expected:
            raise Problem(
                Code.PRECONDITION_FAILED,
                "The image has changed since you read it. Read it again and repeat your change on what it is now.",
            )
        return image

    def refuse_stranger(self, image: Image) -> None:
        """Raise `Problem` as `permitted` does, but for the state that is expected, which is asked under the row's lock.

        Asked before a body is looked at: to whoever may not, a bad one says nothing of whether the image is there.
        """
        replace(self, expected=None).permitted(image)

    def _refusal(self, image: Image) -> Problem:
        if image.visibility not in BY_LINK or image.state is State.TRASHED:  # to a stranger it is not there
            return Problem(Code.NOT_FOUND, "There is no such image.")
        if self.actor is None and self.token is None:
            message = "Send the image's delete token as Upload-Token, or an API key as Bearer."
            return Problem(Code.AUTH_REQUIRED, message)
        if self.actor is not None:
            self.actor.need(self.scope)
        return Problem(Code.AUTH_FORBIDDEN, "This token does not belong to the image.")


def refuse_pending(image: Image) -> None:
    """Raise `Problem` conflict for an image whose bytes are not examined yet, or refused."""
    if image.pending and image.state is State.REJECTED:
        raise Problem(
            Code.CONFLICT, "The bytes of this image were refused: there is nothing to change. Upload another."
        )
    if image.pending:
        message = "The bytes of this image are still being examined. Try again in a moment."
        raise Problem(Code.CONFLICT, message, retry_after=PENDING_RETRY_SECONDS)


def refuse_unless_live(image: Image, now: datetime) -> None:
    """Raise `Problem` for an image that is over: expired (image.gone), or in the trash (conflict)."""
    if image.expired(now):
        raise expired()
    if image.state is State.TRASHED:
        raise Problem(Code.CONFLICT, "The image is in the trash. Restore it first.")


def expired() -> Problem:
    """Return what is said of an image whose time is over."""
    return Problem(Code.IMAGE_GONE, "This image has expired.")


def refuse_if_held(image: Image) -> None:
    """Raise `Problem` when a legal hold keeps the image's bytes as they are."""
    if image.hold:
        raise Problem(Code.IMAGE_ON_HOLD, "A legal hold keeps this image as it is. Try again when it is lifted.")


def owns(image: Image, actor: Actor | None, token: Token | None, scope: Scope = Scope.IMAGES_WRITE) -> bool:
    """Return whether the caller may treat the image as theirs: by who they are, or by its own write token."""
    if actor is not None and actor.may(scope, tenant=image.tenant, owner=image.owner):
        return True
    return token is not None and token.id == image.id and token.matches(image.write_token_hash)
