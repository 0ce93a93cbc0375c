"""What an image belongs to: something of the tenant's, in its own words, or, for avatars and banners, an account.

A kind says whether its images belong to something (`attach` in the configuration). An account has one image of each
kind that belongs to accounts, and sets it itself: nobody else does, the operator included.
"""

from enum import StrEnum
from typing import Final

from tintype.domain.actor import Actor
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, public_id
from tintype.domain.image import Attachment, Image
from tintype.domain.kind import UploadKind

ACCOUNT: Final = "account"
"""The type that is ours; every other is the tenant's own."""


class Place(StrEnum):
    """What an account has one image of; the value is the kind that it is uploaded as."""

    AVATAR = "avatar"
    BANNER = "banner"


def attach(kind: UploadKind, given: Attachment | None, actor: Actor | None) -> Attachment | None:
    """Return what a new image of this kind belongs to; `Problem` when it must belong to something else, or may not."""
    if given is not None and given.type == ACCOUNT and kind.attach != ACCOUNT:
        raise refused(f"An account has {' and '.join(Place)}; an image of the kind {kind.name} belongs to none.")
    if kind.attach is None:
        return given
    if given is None or given.type != kind.attach:
        raise refused(f"An image of the kind {kind.name} belongs to something: send attach_to={kind.attach}:<id>.")
    if kind.attach == ACCOUNT:
        _refuse_others(given, actor)
    return given


def _refuse_others(given: Attachment, actor: Actor | None) -> None:
    if actor is None:
        raise Problem(Code.AUTH_REQUIRED, "This belongs to an account. Sign in to it first.")
    if actor.account is None or given.id != public_id(ACCOUNT_PREFIX, actor.account):
        raise Problem(Code.AUTH_FORBIDDEN, "This is set by the account itself: sign in to it, and name your own.")


def refuse_detaching(image: Image, wanted: Image, kind: UploadKind | None) -> None:
    """Raise `Problem` when a change would take away what the image's kind belongs to, or give it to an account."""
    if wanted.attached_to == image.attached_to:
        return
    if wanted.attached_to is not None and wanted.attached_to.type == ACCOUNT:
        raise refused("An account's avatar and banner are uploaded as such; no other image becomes one.")
    if kind is None or kind.attach is None:
        return
    if kind.attach == ACCOUNT or wanted.attached_to is None or wanted.attached_to.type != kind.attach:
        raise refused(f"An image of the kind {kind.name} stays where it belongs. Upload another one instead.")


def place_of(image: Image) -> Place | None:
    """Return what the image is to the account that it belongs to, None for one that belongs to none."""
    if image.attached_to is None or image.attached_to.type != ACCOUNT or image.kind not in tuple(Place):
        return None
    return Place(image.kind)


def refused(sentence: str) -> Problem:
    """Return the refusal of an attachment."""
    return Problem(Code.REQUEST_INVALID, sentence, errors=(FieldError("attach_to", sentence),))
