"""Who may see an image: one decision for original, variants, metadata, lists, pages and streams alike.

It is made anew for every request and never remembered. What is remembered is what it is made of, and that is dropped
when it changes: the image by its own NOTIFY, whether its account is active by the account's.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tintype.domain.actor import Actor, Scope


class Visibility(StrEnum):
    """What the owner chose."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    PRIVATE = "private"


BY_LINK: Final = frozenset({Visibility.PUBLIC, Visibility.UNLISTED})
"""Seen by whoever has the link, which nobody can guess."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: `actor` is None for a stranger.

    `shown_token` says whether they hold this image's read token or a signed URL of what they ask for, `follows`
    whether they follow its owner.
    """

    actor: Actor | None = None
    shown_token: bool = False
    follows: bool = False


def may_view(
    visibility: Visibility, *, tenant: int, owner: int | None, viewer: Viewer, withdrawn: bool = False
) -> bool:
    """Return whether `viewer` may see an image of `tenant` that `owner` has with this visibility.

    What is `withdrawn`, because its account is suspended or deleted, is seen by those alone who look after all that
    the tenant has: no link, token or follow opens it. A no looks like a missing one.
    """
    if withdrawn:
        return viewer.actor is not None and viewer.actor.may(Scope.IMAGES_READ, tenant=tenant, owner=None)
    if visibility in BY_LINK or viewer.shown_token:
        return True
    if viewer.actor is None:
        return False
    if visibility is Visibility.FOLLOWERS and viewer.follows and viewer.actor.reads(tenant):
        return True
    return viewer.actor.may(Scope.IMAGES_READ, tenant=tenant, owner=owner)


def suits(visibility: Visibility, owner: int | None) -> bool:
    """Return whether an image of `owner` can have this visibility: what no account has, nobody follows."""
    return visibility is not Visibility.FOLLOWERS or owner is not None
