"""What an image belongs to: something of the tenant's, in its own words, or, for avatars and banners, an account.

A kind says whether its images belong to something (`attach` in the configuration). An account has one image of each
kind that belongs to accounts, and sets it itself: nobody else does, the operator included.

What a tenant's kind belongs to may come after the picture: an order is written once its photographs are there. Such an
image may be sent without, and is gone after a day (`attach_within`) unless it was attached by then. Every door asks the
same of these functions: `attach` when room is reserved and again at the commit, and `lasting` then.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tintype.domain.actor import Actor
from tintype.domain.errors import Code, FieldError, Problem
from tintype.domain.ids import ACCOUNT_PREFIX, bucket_of, hash_bucket, public_id
from tintype.domain.image import Attachment, Image
from tintype.domain.kind import UploadKind

ACCOUNT: Final = "account"
"""The type that is ours; every other is the tenant's own."""


class Place(StrEnum):
    """What an account has one image of; the value is the kind that it is uploaded as."""

    AVATAR = "avatar"
    BANNER = "banner"


@dataclass(frozen=True, slots=True)
class Slot:
    """What an owner shows one image of: something of the tenant's, by one kind of image."""

    owner: int
    """The account, or the tenant of the tenant's own keys."""
    type: str
    id: str
    kind: str
    of_account: bool

    @property
    def bucket(self) -> int:
        """The shard: the account's; what is the tenant's own is spread."""
        if self.of_account:
            return bucket_of(self.owner)
        return hash_bucket(hashlib.sha256(f"{self.owner} {self.type} {self.id}".encode()).digest())


@dataclass(frozen=True, slots=True)
class Lasting:
    """Until when a new image is kept: what holds now, until when it may belong to nothing, and what holds after."""

    expires_at: datetime | None
    attach_by: datetime | None = None
    expires_attached: datetime | None = None


def attach(kind: UploadKind, given: Attachment | None, actor: Actor | None) -> Attachment | None:
    """Return what a new image of this kind belongs to, None for one that belongs to nothing yet.

    `Problem` when it must belong to something else, or may not; auth.required for a stranger's image of a kind that has
    one per owner, for a stranger owns nothing.
    """
    if given is not None and given.type == ACCOUNT and kind.attach != ACCOUNT:
        raise refused(f"An account has {' and '.join(Place)}; an image of the kind {kind.name} belongs to none.")
    if kind.attach is not None and (given.type if given else None) not in _allowed(kind):
        raise refused(f"An image of the kind {kind.name} belongs to something: send attach_to={kind.attach}:<id>.")
    if kind.attach == ACCOUNT and given is not None:
        _refuse_others(given, actor)
    if kind.one_per_owner and actor is None:
        raise Problem(Code.AUTH_REQUIRED, f"Of the kind {kind.name} everybody has one image. Sign in to send yours.")
    return given


def _allowed(kind: UploadKind) -> tuple[str | None, ...]:
    """Return which types an image of the kind may be sent with; None is none yet."""
    return (ACCOUNT,) if kind.attach == ACCOUNT else (kind.attach, None)


def lasting(
    kind: UploadKind, attached_to: Attachment | None, *, now: datetime, expires_in: timedelta | None
) -> Lasting:
    """Return until when a new image is kept that belongs to this, and whose uploader said `expires_in` of it."""
    lifetime = expires_in or kind.expires_in
    wanted = now + lifetime if lifetime is not None else None
    if kind.attach is None or attached_to is not None:
        return Lasting(wanted)
    attach_by = now + kind.attach_within
    return Lasting(_earlier(wanted, attach_by), attach_by, wanted)


def settled(image: Image, wanted: Image, *, expiry_named: bool) -> Image:
    """Return `wanted` with the expiry that follows from it: what is attached is kept as it was to be.

    `expiry_named` says whether the change named an expiry.
    """
    if image.attach_by is None:
        return wanted
    ends = wanted.expires_at if expiry_named else image.expires_attached
    if wanted.attached_to is not None:
        return replace(wanted, expires_at=ends, attach_by=None, expires_attached=None)
    return replace(wanted, expires_at=_earlier(ends, image.attach_by), expires_attached=ends)


def _earlier(wanted: datetime | None, most: datetime) -> datetime:
    return min(wanted, most) if wanted is not None else most


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
    if kind is None or (kind.attach is None and not kind.one_per_owner):
        return
    if image.attached_to is not None and (kind.attach == ACCOUNT or kind.one_per_owner or wanted.attached_to is None):
        raise refused(f"An image of the kind {kind.name} stays where it belongs. Upload another one instead.")
    if kind.attach is not None and wanted.attached_to is not None and wanted.attached_to.type != kind.attach:
        raise refused(f"An image of the kind {kind.name} belongs to something of the type {kind.attach}.")


def place_of(image: Image) -> Place | None:
    """Return what the image is to the account that it belongs to, None for one that belongs to none."""
    if image.attached_to is None or image.attached_to.type != ACCOUNT or image.kind not in tuple(Place):
        return None
    return Place(image.kind)


def slot_of(image: Image, kind: UploadKind | None) -> Slot | None:
    """Return what the image is the one of, None for one of many. A kind that is not known any more says nothing."""
    return slot_named_by(image) if kind is not None and kind.one_per_owner else None


def slot_named_by(image: Image) -> Slot | None:
    """Return what the image may be the one of, if its kind is or was one of those; None when it can be of nothing."""
    attached, owner = image.attached_to, image.uploader
    if attached is None or attached.type == ACCOUNT or owner is None:
        return None
    return Slot(owner, attached.type, attached.id, image.kind, of_account=image.owner is not None)


def refused(sentence: str) -> Problem:
    """Return the refusal of an attachment."""
    return Problem(Code.REQUEST_INVALID, sentence, errors=(FieldError("attach_to", sentence),))
